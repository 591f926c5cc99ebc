// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "parse.h"

// ICMP errors: a router or the client says what became of a packet of a VIP, and quotes its begin. They go to the
// backend that sent it, which is found by the flow that the quote belongs to, turned round. Some quote only 8 bytes of
// it.

AI int is_error(struct scratch *s, __u8 type)
{
	if (s->family == 4)
		return type == 3 || type == 11 || type == 12; // unreachable, time exceeded, parameter problem
	return type >= 1 && type <= 4;			      // the same, and packet too big
}

AI int read_quote4(struct cursor *c, struct scratch *s, __u32 room)
{
	struct iphdr *ip = c->at;
	if (room < sizeof(*ip) || (void *)(ip + 1) > c->end)
		return 0;
	__u32 header = ip->ihl * 4;
	if (ip->version != 4 || header < sizeof(*ip) || room < header + sizeof(s->ports) || ip->saddr != s->dst4 ||
	    ip->frag_off & bpf_htons(FRAG_OFFSET))
		return 0;
	s->l4_proto = ip->protocol;
	s->src4 = ip->daddr;
	c->at += header;
	return 1;
}

AI int read_quote6(struct cursor *c, struct scratch *s, __u32 room)
{
	struct ipv6hdr *ip = c->at;
	if (room < sizeof(*ip) || (void *)(ip + 1) > c->end)
		return 0;
	__u64 *address = (void *)&ip->saddr, dst[2] = {address[2], address[3]};
	if (ip->version != 6 || address[0] != s->dst6[0] || address[1] != s->dst6[1])
		return 0;
	struct extensions x = {.next = ip->nexthdr, .room = room - sizeof(*ip)};
	c->at += sizeof(*ip);
	if (skip_extensions(c, &x) || x.at || x.room < sizeof(s->ports))
		return 0;
	s->l4_proto = x.next;
	s->src6[0] = dst[0];
	s->src6[1] = dst[1];
	return 1;
}

// Makes the flow of the packet at hand the one that its quote belongs to. Returns 0 where there is none to be found.
AI int follow_quote(struct xdp_md *ctx, struct scratch *s)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 l2 = s->l2_len & 0x1f, at = (s->l4_off & 0x7f) + 8;
	struct cursor c = {.at = data + l2 + at, .end = end};
	if (s->l3_len < at)
		return 0;
	__u32 room = s->l3_len - at;
	if (!(s->family == 4 ? read_quote4(&c, s, room) : read_quote6(&c, s, room)))
		return 0;
	__u32 *ports = c.at;
	if ((void *)(ports + 1) > end || (s->l4_proto != IPPROTO_TCP && s->l4_proto != IPPROTO_UDP))
		return 0;
	s->ports = *ports >> 16 | *ports << 16;
	s->no_sum = 1;
	return 1;
}
