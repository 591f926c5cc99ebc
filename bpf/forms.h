// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "answer.h"
#include "fragment.h"
#include "quote.h"
#include "wide.h"

// Packets for a VIP's address that are not a whole TCP or UDP packet: what flow they go with.

// Whether the packet is one of the flow's own, with its flags, and not about it, or a later piece.
AI int is_own(struct scratch *s)
{
	return !(s->kind & KIND_ICMP) && (!(s->kind & KIND_FRAGMENT) || s->kind & KIND_FIRST);
}

AI enum reason find_service_again(struct scratch *s)
{
	find_any(s, s->l4_proto);
	return s->has_vip ? 0 : REASON_NO_VIP;
}

AI enum reason understand_fragment(struct scratch *s)
{
	if (is_bad_fragment(s))
		return REASON_BAD_FRAGMENT;
	if (s->kind & KIND_FIRST) {
		remember_ports(s);
		if (!(s->vip.flags & VIP_ADDRESS))
			return 0;
		s->has_vip = 0;
		return REASON_NO_VIP;
	}
	if ((s->l4_proto != IPPROTO_TCP && s->l4_proto != IPPROTO_UDP) || !recall_ports(s))
		return REASON_FRAGMENT;
	return find_service_again(s);
}

AI enum reason understand_icmp(struct xdp_md *ctx, struct scratch *s)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct icmp *icmp = data + (s->l2_len & 0x1f) + (s->l4_off & 0x7f);
	if ((void *)(icmp + 1) > end || s->l3_len < (__u32)s->l4_off + sizeof(*icmp))
		return REASON_ICMP;
	if (is_error(s, icmp->type))
		return follow_quote(ctx, s) ? find_service_again(s) : REASON_ICMP;
	if (icmp->type == (s->family == 4 ? ECHO_REQUEST4 : ECHO_REQUEST6) && !icmp->code && s->vip.num != AGENT_NUM)
		return answer_echo(ctx, s);
	return REASON_ICMP;
}

// Whether a packet is our own encapsulation already: a VIP takes the port of GUE, and what is inside is for a VIP too.
// A backend whose address is a VIP, here or on another load balancer, would have it go round and grow until it is too
// big.
FUNCTION int is_looped(struct xdp_md *ctx, struct scratch *s)
{
	if (!s || s->l4_proto != IPPROTO_UDP || s->dst_port != s->vip.encap_port)
		return 0;
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct iphdr *ip4 = data + (s->l2_len & 0x1f) + (s->l4_off & 0x7f) + sizeof(struct udphdr);
	struct ipv6hdr *ip6 = (void *)ip4;
	struct vip vip = s->vip;
	int ours = 0;
	if ((void *)(ip4 + 1) > end)
		return 0;
	if (ip4->version == 4) {
		ours = find_vip4(s, ip4->daddr, 0, 0);
	} else if (ip4->version == 6 && (void *)(ip6 + 1) <= end) {
		__u64 *dst = (void *)&ip6->daddr, address[2] = {dst[0], dst[1]};
		ours = find_vip6(s, address, 0, 0);
	}
	s->vip = vip; // the packet counts for the one that it came to
	return ours;
}

// Finds the flow of a packet. Returns what becomes of it where there is none, or 0.
FUNCTION int understand(struct xdp_md *ctx, struct scratch *s)
{
	if (!s)
		return REASON_INTERNAL;
	if (s->kind & KIND_EXTENSION)
		return REASON_EXTENSION_HEADER;
	if (s->kind & KIND_FRAGMENT)
		return understand_fragment(s);
	if (s->kind & KIND_ICMP)
		return understand_icmp(ctx, s);
	return 0; // tags alone
}
