// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "option.h"
#include "settle.h"

// VIPs that do not choose by the tuple of addresses and ports alone. Each thing here is asked of few packets, behind
// one branch.

#define QUIC_LONG	 0x80 // a header with both connection ids
#define QUIC_TYPE	 0x30
#define QUIC_VERSION2	 0x6b3343cf
#define QUIC_ID_BYTES	 5   // of a connection id that may say which server it is of
#define QUIC_DEEPEST	 128 // behind VLAN tags and options
#define QUIC_SHORTEST_ID 8   // what is shorter says nothing

#define OPTION_SERVER	    0xb7 // behind its kind and length, the id, its lowest byte first
#define OPTION_SERVER_BYTES 6

#define PAYLOAD_SERVER	     0x52 // its id is in the three bytes behind this one, the highest first
#define PAYLOAD_SERVER_BYTES 8	  // which the head of such a payload has

// The head of a long header. Connection ids follow, each behind its length.
struct quic_long {
	__u8 first;
	__be32 version;
	__u8 id_len;
	__u8 id[QUIC_ID_BYTES];
} __attribute__((packed));

struct quic_short {
	__u8 first;
	__u8 id[QUIC_SHORTEST_ID];
};

// The servers that packets name: version × QUIC_PARTS + part, each an open-addressed table.
VIP_STORE(quic_servers, GENERATIONS *QUIC_PARTS, quic_table);

// The server's id that a connection id holds, by the layout that its first two bits name; 0 where they name none.
AI __u32 server_id(const __u8 *id)
{
	switch (id[0] >> 6) {
	case 1:
		return (id[0] & 0x3f) << 10 | id[1] << 2 | id[2] >> 6;
	case 2:
		return (__u32)id[1] << 16 | id[2] << 8 | id[3];
	case 3:
		return (__u32)id[1] << 24 | id[2] << 16 | id[3] << 8 | id[4];
	}
	return 0;
}

// Whether the client chose the id of a long header itself: of its first packets, before it has heard of a server.
AI int chosen_by_client(struct quic_long *l)
{
	__u8 type = (l->first & QUIC_TYPE) >> 4;
	if (l->version == bpf_htonl(QUIC_VERSION2))
		type = (type + 3) & 3; // its types begin with one that clients never send
	return type < 2;	       // Initial, 0-RTT
}

// The server's id that a packet of QUIC names, or 0.
AI __u32 quic_server(struct xdp_md *ctx, struct scratch *s)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 at = s->l2_len + s->l4_off + sizeof(struct udphdr);
	if (at > QUIC_DEEPEST)
		return 0;
	struct quic_long *l = data + at;
	struct quic_short *q = data + at;
	if ((void *)(q + 1) > end)
		return 0;
	if (!(q->first & QUIC_LONG))
		return server_id(q->id);
	if ((void *)(l + 1) > end || l->id_len < QUIC_SHORTEST_ID || chosen_by_client(l))
		return 0;
	return server_id(l->id);
}

// The server's id in an option of a packet's TCP header, or 0. A SYN begins a connection, so it is nobody's yet.
FUNCTION __u32 option_server(struct xdp_md *ctx, struct scratch *s)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	if (!s || s->tcp_flags & TCP_SYN)
		return 0;
	__u8 *tcp = data + (s->l2_len & 0x1f) + (s->l4_off & 0x7f);
	__u32 at = find_option(tcp, end, OPTION_SERVER, OPTION_SERVER_BYTES);
	__u8 *o = tcp + (at & 0x3f);
	if (!at || (void *)(o + OPTION_SERVER_BYTES) > end)
		return 0;
	return o[2] | o[3] << 8 | o[4] << 16 | (__u32)o[5] << 24;
}

// The server's id at the beginning of a packet's UDP payload, or 0.
FUNCTION __u32 payload_server(struct xdp_md *ctx, struct scratch *s)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	if (!s || s->l3_len < s->l4_off + sizeof(struct udphdr) + PAYLOAD_SERVER_BYTES)
		return 0; // it is not of the packet, but of what fills the frame
	__u8 *p = data + (s->l2_len & 0x1f) + (s->l4_off & 0x7f) + sizeof(struct udphdr);
	if ((void *)(p + PAYLOAD_SERVER_BYTES) > end || *p != PAYLOAD_SERVER)
		return 0;
	return (__u32)p[1] << 16 | p[2] << 8 | p[3];
}

// The server's id that a packet names, or 0.
AI __u32 named_server(struct xdp_md *ctx, struct scratch *s)
{
	if (s->vip.flags & VIP_QUIC)
		return quic_server(ctx, s);
	return s->l4_proto == IPPROTO_TCP ? option_server(ctx, s) : payload_server(ctx, s);
}

// The backend that a server's id belongs to, or 0.
AI __u32 find_server(struct scratch *s, __u32 server)
{
	__u64 key = server | (__u64)s->vip.num << QUIC_NUM_SHIFT, hash = vip_hash(key, s->vip_seed);
	__u32 part = s->version * QUIC_PARTS + (hash >> 40 & s->quic_parts), zero = 0, home = hash >> 52;
	void *inner = bpf_map_lookup_elem(&quic_servers, &part);
	if (!inner)
		return 0;
	struct quic_table *table = bpf_map_lookup_elem(inner, &zero);
	if (!table)
		return 0;
#pragma clang loop unroll(full)
	for (__u32 i = 0; i < VIP_CHAIN; i++) {
		__u64 entry = table->entry[(home + i) & (VIP_TABLE - 1)];
		if (!entry)
			return 0;
		if ((entry & QUIC_KEY) == key)
			return entry >> QUIC_BACKEND_SHIFT & SLOT_ID;
	}
	return 0;
}

// The backend whose server a packet names, or 0 where the ring decides.
AI __u32 choose_server(struct xdp_md *ctx, struct scratch *s)
{
	__u32 server = named_server(ctx, s);
	if (!server)
		return 0;
	__u32 id = find_server(s, server);
	if (id && backend_flags(id) & BACKEND_GONE)
		id = 0;
	if (dry)
		saw(s, SAW_SERVER, server, id);
	struct counters *c = counters_of_this_cpu();
	if (!c || dry)
		return id;
	struct quic *n = &c->quic[s->vip.num & (VIPS - 1)];
	if (id)
		n->known++;
	else
		n->unknown++;
	return id;
}

// Whether a socket of this host is there for a packet.
AI int served_here(struct xdp_md *ctx, struct scratch *s)
{
	struct bpf_sock_tuple t = {};
	__u32 size = sizeof(t.ipv4);
	if (s->family == 4) {
		t.ipv4.saddr = s->src4;
		t.ipv4.daddr = s->dst4;
		t.ipv4.sport = s->src_port;
		t.ipv4.dport = s->dst_port;
	} else {
		size = sizeof(t.ipv6);
		__builtin_memcpy(t.ipv6.saddr, s->src6, sizeof(t.ipv6.saddr));
		__builtin_memcpy(t.ipv6.daddr, s->dst6, sizeof(t.ipv6.daddr));
		t.ipv6.sport = s->src_port;
		t.ipv6.dport = s->dst_port;
	}
	struct bpf_sock *sock;
	if (s->l4_proto == IPPROTO_TCP)
		sock = bpf_skc_lookup_tcp(ctx, &t, size, BPF_F_CURRENT_NETNS, 0);
	else
		sock = bpf_sk_lookup_udp(ctx, &t, size, BPF_F_CURRENT_NETNS, 0);
	if (!sock)
		return 0;
	bpf_sk_release(sock);
	return 1;
}

#define SERVED_HERE 0x10000 // no backend's id

// What a VIP says beside its ring: the backend of a packet, SERVED_HERE, or 0 where the ring decides, by a hash that
// may be another now. What is not of the flow's own packets, but about it or a later piece, names no server.
FUNCTION int choose_specially(struct xdp_md *ctx, struct scratch *s, int own)
{
	if (!s)
		return 0;
	if (s->vip.flags & VIP_LOCAL && served_here(ctx, s))
		return SERVED_HERE;
	if (s->vip.flags & VIP_HASH)
		s->slot_hash = hash_by(s, (s->vip.flags & VIP_HASH) >> VIP_HASH_SHIFT) >> 32;
	return s->vip.flags & (VIP_QUIC | VIP_ID) && own ? choose_server(ctx, s) : 0;
}
