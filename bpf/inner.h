// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "agent.h"
#include "parse.h"
#include "vip.h"

// What decap finds behind an outer header: GUE of both variants, which FOU is one of, and IPIP.

struct inner {
	__u32 outer; // bytes to take off, from the outer IP header on
	__be16 eth_proto;
	__u8 outer_ecn;
	__u8 strangers;	    // what nobody here hosts is counted
	enum reason reason; // to leave with, when there is nothing to take off
};

#define OUTER_MASK  0xff
#define ECN_MASK    3
#define ECN_ECT1    1
#define ECN_ECT0    2
#define ECN_CE	    3
#define GUE_WORD    4 // bytes of the header of variant 0, and of each word behind it
#define GUE_CONTROL 0x20
#define GUE_HLEN    0x1f

AI __u32 outer_len(struct scratch *s)
{
	if (s->kind & (KIND_FRAGMENT | KIND_EXTENSION | KIND_ICMP | KIND_VLAN))
		return 0;
	if (s->l4_proto == IPPROTO_UDP && s->dst_port == s->decap_port)
		return s->l4_off + sizeof(struct udphdr);
	if (s->l4_proto == IPPROTO_IPIP || s->l4_proto == IPPROTO_IPV6)
		return s->l4_off;
	return 0;
}

// Whether an address is one that packets may come for: of the host, or of the tap whose scope it is.
AI int hosted4(struct scratch *s, __be32 address, __u16 scope)
{
	s->has_vip = find_vip4(s, address, scope, 0) && s->vip.num == AGENT_NUM;
	return s->has_vip;
}

AI int hosted6(struct scratch *s, const __u64 *address, __u16 scope)
{
	s->has_vip = find_vip6(s, address, scope, 0) && s->vip.num == AGENT_NUM;
	return s->has_vip;
}

// Asks the VIP table for the inner destination.
AI void find_inner4(struct scratch *s, struct iphdr *ip, __u32 room, __u16 scope, struct inner *in)
{
	__u32 total = bpf_ntohs(ip->tot_len);
	in->eth_proto = bpf_htons(ETH_P_IP);
	if (ip->ihl < 5 || total < ip->ihl * 4 || total > room)
		in->reason = REASON_INNER_MALFORMED;
	else if (in->outer_ecn == ECN_CE && !(ip->tos & ECN_MASK))
		in->reason = REASON_CONGESTED;
	else if (!hosted4(s, ip->daddr, scope)) {
		__u64 address[2] = {ip->daddr, 0};
		if (in->strangers)
			count_stranger(4, address);
		in->reason = REASON_FOREIGN_VIP;
	}
}

AI void find_inner6(struct scratch *s, struct ipv6hdr *ip, __u32 room, __u16 scope, struct inner *in)
{
	__u64 *dst = (void *)&ip->daddr, address[2] = {dst[0], dst[1]};
	in->eth_proto = bpf_htons(ETH_P_IPV6);
	if (sizeof(*ip) + bpf_ntohs(ip->payload_len) > room)
		in->reason = REASON_INNER_MALFORMED;
	else if (in->outer_ecn == ECN_CE && !(bpf_ntohl(*(__u32 *)ip) >> 20 & ECN_MASK))
		in->reason = REASON_CONGESTED;
	else if (!hosted6(s, address, scope)) {
		if (in->strangers)
			count_stranger(6, address);
		in->reason = REASON_FOREIGN_VIP;
	}
}

// The IP version of what follows UDP. The header of variant 0 says it; in variant 1 there is none, and the IP header
// does. Control messages, and flags, which would say how to read it, are for others.
AI int gue_version(struct scratch *s, void *data, void *end, struct inner *in)
{
	__u8 *gue = data + sizeof(struct ethhdr) + (in->outer & OUTER_MASK);
	if ((void *)(gue + GUE_WORD) > end || s->l3_len < in->outer + GUE_WORD)
		return 0;
	if (*gue >> 6)
		return *gue >> 4;
	if (*gue & GUE_CONTROL || *(__be16 *)(gue + 2))
		return 0;
	in->outer += GUE_WORD + (*gue & GUE_HLEN) * GUE_WORD;
	return gue[1] == IPPROTO_IPIP ? 4 : gue[1] == IPPROTO_IPV6 ? 6 : 0;
}

AI void find_behind(struct scratch *s, int version, __u16 scope, void *data, void *end, struct inner *in)
{
	void *at = data + sizeof(struct ethhdr) + (in->outer & OUTER_MASK);
	struct iphdr *ip4 = at;
	struct ipv6hdr *ip6 = at;
	in->reason = REASON_INNER_MALFORMED;
	if (in->outer > OUTER_MASK || (void *)(ip4 + 1) > end || s->l3_len < in->outer + sizeof(*ip4))
		return;
	__u32 room = s->l3_len - in->outer;
	if (version == 4 && ip4->version == 4) {
		in->reason = 0;
		find_inner4(s, ip4, room, scope, in);
	} else if (version == 6 && ip4->version == 6 && (void *)(ip6 + 1) <= end && room >= sizeof(*ip6)) {
		in->reason = 0;
		find_inner6(s, ip6, room, scope, in);
	}
}

AI struct inner find_inside(struct scratch *s, __u16 scope, void *data, void *end, int strangers)
{
	struct inner in = {.outer = outer_len(s), .strangers = strangers, .reason = 0};
	if (!in.outer) {
		in.reason = REASON_NOT_ENCAPSULATED;
		return in;
	}
	in.outer_ecn = (s->family == 4 ? s->first_word >> 8 : bpf_ntohl(s->first_word) >> 20) & ECN_MASK;
	int version = s->l4_proto == IPPROTO_IPIP ? 4 : 6;
	if (s->l4_proto == IPPROTO_UDP)
		version = gue_version(s, data, end, &in);
	find_behind(s, version, scope, data, end, &in);
	return in;
}

AI struct inner find_inner(struct scratch *s, __u16 scope, void *data, void *end)
{
	return find_inside(s, scope, data, end, 1);
}

// What the inner packet says of congestion, after what the outer one has seen on its way (RFC 6040). That a sender
// which cannot hear of it met congestion has been refused before.
AI __u8 ecn_after(__u8 inner, __u8 outer)
{
	if (outer == ECN_CE || (outer == ECN_ECT1 && inner == ECN_ECT0))
		return outer;
	return inner;
}

// Writes it into a header; for IPv4, with its checksum. ip has room for the first 12 bytes.
AI void put_ecn(void *ip, __be16 eth_proto, __u8 outer)
{
	__u32 *word = ip;
	int shift = eth_proto == bpf_htons(ETH_P_IP) ? 16 : 20;
	__u32 first = bpf_ntohl(*word), ecn = first >> shift & ECN_MASK, after = ecn_after(ecn, outer);
	if (ecn == after)
		return;
	if (shift == 16) {
		__u16 *check = ip + offsetof(struct iphdr, check);
		__u32 sum = (__u16) ~*check + (__u16)~bpf_htons(ecn) + bpf_htons(after);
		sum = (sum & 0xffff) + (sum >> 16);
		*check = ~((sum & 0xffff) + (sum >> 16));
	}
	*word = bpf_htonl(first ^ (ecn ^ after) << shift);
}

// The outer Ethernet header is put in front of what is inside. Returns 0 where it is done; after it, the packet is
// another.
AI int take_off(struct xdp_md *ctx, struct inner *in)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	if (data + sizeof(struct ethhdr) > end)
		return -1;
	__u64 mac_head = *(__u64 *)data;
	__u32 mac_tail = *(__u32 *)(data + 8);
	if (bpf_xdp_adjust_head(ctx, in->outer & OUTER_MASK))
		return -1;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if (data + sizeof(struct ethhdr) + sizeof(struct iphdr) > end)
		return -1;
	*(__u64 *)data = mac_head;
	*(__u32 *)(data + 8) = mac_tail;
	*(__be16 *)(data + 12) = in->eth_proto;
	if (in->outer_ecn & ECN_ECT1) // or CE
		put_ecn(data + sizeof(struct ethhdr), in->eth_proto, in->outer_ecn);
	return 0;
}

// The kernel goes by the protocol that it noted; whoever reads the frame, by the one in the Ethernet header. Changing
// the former lengthens or shortens the outer header as if it were translated.
#define FAMILY_GROWTH ((int)(sizeof(struct ipv6hdr) - sizeof(struct iphdr)))

AI long change_family(struct __sk_buff *ctx, __be16 eth_proto)
{
	long err = bpf_skb_change_proto(ctx, eth_proto, 0);
	return err ? err : bpf_skb_store_bytes(ctx, offsetof(struct ethhdr, h_proto), &eth_proto, 2, 0);
}

// The same at tc, where the NIC cannot run XDP. The kernel moves the Ethernet header itself.
AI int take_off_tc(struct __sk_buff *ctx, struct scratch *s, struct inner *in)
{
	int to4 = in->eth_proto == bpf_htons(ETH_P_IP), surplus = in->outer & OUTER_MASK;
	if ((s->family == 4) != to4) {
		if (change_family(ctx, in->eth_proto))
			return -1;
		surplus += to4 ? -FAMILY_GROWTH : FAMILY_GROWTH;
	}
	if (bpf_skb_adjust_room(ctx, -surplus, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO))
		return -1;
	if (!(in->outer_ecn & ECN_ECT1))
		return 0;
	__u8 head[12];
	if (bpf_skb_load_bytes(ctx, sizeof(struct ethhdr), head, sizeof(head)))
		return -1;
	put_ecn(head, in->eth_proto, in->outer_ecn);
	return bpf_skb_store_bytes(ctx, sizeof(struct ethhdr), head, sizeof(head), to4 ? 0 : BPF_F_RECOMPUTE_CSUM);
}
