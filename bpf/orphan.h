// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "agent.h"
#include "nat.h"

// Whom a packet of TCP finds on this host. One that finds nobody is the surest sign that it came to the wrong backend.

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

enum waiting {
	WAITS_UNKNOWN = 0,    // the server is no process of this host
	WAITS_NOBODY = 1,     // at most somebody who waits for new connections
	WAITS_CONNECTION = 2, // one with these ends
	WAITS_OLD = 3,	      // one that is over, or has hardly begun
};

// States of a socket that a connection has from its handshake's end until both sides have closed it.
#define CONNECTED_STATES (1 << 1 | 1 << 4 | 1 << 5 | 1 << 8 | 1 << 9 | 1 << 11)
#define STATE_LISTENS	 10

AI enum waiting who_waits(void *ctx, __u8 family, struct nat_ends *e)
{
	struct bpf_sock_tuple t = {};
	__u32 size = sizeof(t.ipv4);
	if (family == 4) {
		t.ipv4.saddr = e->client[0];
		t.ipv4.daddr = e->local[0];
		t.ipv4.sport = e->ports;
		t.ipv4.dport = e->ports >> 16;
	} else {
		__u64 *src = (void *)t.ipv6.saddr, *dst = (void *)t.ipv6.daddr;
		src[0] = e->client[0];
		src[1] = e->client[1];
		dst[0] = e->local[0];
		dst[1] = e->local[1];
		t.ipv6.sport = e->ports;
		t.ipv6.dport = e->ports >> 16;
		size = sizeof(t.ipv6);
	}
	struct bpf_sock *sk = bpf_skc_lookup_tcp(ctx, &t, size, BPF_F_CURRENT_NETNS, 0);
	if (!sk)
		return WAITS_NOBODY;
	__u32 state = sk->state;
	bpf_sk_release(sk);
	if (state == STATE_LISTENS)
		return WAITS_NOBODY;
	return 1 << (state & 15) & CONNECTED_STATES ? WAITS_CONNECTION : WAITS_OLD;
}

// A packet that does not begin a connection, where it is asked for, and nobody waits for it. One that breaks off a
// connection is asked for only where it may be another backend's.
AI int is_orphan(void *ctx, struct scratch *s, struct agent_settings *a, struct nat_ends *e, int offered)
{
	if (!(a->flags & AGENT_ORPHANS || offered) || a->scope || s->l4_proto != IPPROTO_TCP ||
	    s->kind & KIND_FRAGMENT || s->tcp_flags & (offered ? TCP_SYN : TCP_SYN | TCP_RST))
		return 0;
	return who_waits(ctx, s->family, e) == WAITS_NOBODY;
}
