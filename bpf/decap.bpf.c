// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//go:build ignore

#include <linux/pkt_cls.h>
#include "parse.h"
#include "vip.h"

// The agent's side: takes GUE (variant 1) and IPIP off packets whose inner destination is a VIP of this backend, and
// gives them to the local stack.

// What was found behind the outer header.
struct inner {
	__u32 outer; // bytes to take off, from the outer IP header on
	__be16 eth_proto;
	enum reason reason; // to leave with, when there is nothing to take off
};

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

// Asks the VIP table for the inner destination, which must be one of this backend's.
AI void find_inner4(struct scratch *s, struct iphdr *ip, __u32 room, struct inner *in)
{
	__u32 total = bpf_ntohs(ip->tot_len);
	in->eth_proto = bpf_htons(ETH_P_IP);
	if (ip->ihl < 5 || total < ip->ihl * 4 || total > room)
		in->reason = REASON_INNER_MALFORMED;
	else if (!(s->has_vip = find_vip4(s, ip->daddr, 0, 0)))
		in->reason = REASON_FOREIGN_VIP;
}

AI void find_inner6(struct scratch *s, struct ipv6hdr *ip, __u32 room, struct inner *in)
{
	in->eth_proto = bpf_htons(ETH_P_IPV6);
	if (sizeof(*ip) + bpf_ntohs(ip->payload_len) > room) {
		in->reason = REASON_INNER_MALFORMED;
		return;
	}
	__u64 *dst = (void *)&ip->daddr, address[2] = {dst[0], dst[1]};
	if (!(s->has_vip = find_vip6(s, address, 0, 0)))
		in->reason = REASON_FOREIGN_VIP;
}

AI struct inner find_inner(struct scratch *s, void *data, void *end)
{
	struct inner in = {.outer = outer_len(s), .reason = 0};
	if (!in.outer) {
		in.reason = REASON_NOT_ENCAPSULATED;
		return in;
	}
	__u32 outer = in.outer & 0x7f;
	void *at = data + sizeof(struct ethhdr) + outer;
	__u32 room = s->l3_len - outer;
	struct iphdr *ip4 = at;
	struct ipv6hdr *ip6 = at;
	if ((void *)(ip4 + 1) > end || s->l3_len < outer + sizeof(*ip4)) {
		in.reason = REASON_INNER_MALFORMED;
		return in;
	}
	int version = s->l4_proto == IPPROTO_UDP ? ip4->version : s->l4_proto == IPPROTO_IPIP ? 4 : 6;
	if (version == 4 && ip4->version == 4)
		find_inner4(s, ip4, room, &in);
	else if (version == 6 && ip4->version == 6 && (void *)(ip6 + 1) <= end && room >= sizeof(*ip6))
		find_inner6(s, ip6, room, &in);
	else
		in.reason = REASON_INNER_MALFORMED;
	return in;
}

AI void count_decapsulated(struct scratch *s)
{
	struct counters *c = counters_of_this_cpu();
	if (dry || !c)
		return;
	struct count *vip = &c->vip[s->vip.num & (VIPS - 1)];
	vip->packets++;
	vip->bytes += s->bytes;
}

SEC("xdp")
int decap(struct xdp_md *ctx)
{
	struct scratch *s = scratch_of_this_cpu();
	if (!s)
		return XDP_PASS;
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct inner in = find_inner(s, data, end);
	if (in.reason == REASON_NOT_ENCAPSULATED)
		return leave(s, XDP_PASS, in.reason);
	if (in.reason)
		return leave_dropped(s, XDP_DROP, in.reason);
	if (data + sizeof(struct ethhdr) > end)
		return leave_dropped(s, XDP_DROP, REASON_INTERNAL);
	saw(s, SAW_INNER, in.outer, bpf_ntohs(in.eth_proto));
	__u64 mac_head = *(__u64 *)data;
	__u32 mac_tail = *(__u32 *)(data + 8);
	if (bpf_xdp_adjust_head(ctx, in.outer & 0x7f))
		return leave_dropped(s, XDP_DROP, REASON_INTERNAL);
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if (data + sizeof(struct ethhdr) > end)
		return leave_dropped(s, XDP_DROP, REASON_INTERNAL);
	*(__u64 *)data = mac_head;
	*(__u32 *)(data + 8) = mac_tail;
	*(__be16 *)(data + 12) = in.eth_proto;
	count_decapsulated(s);
	return leave(s, XDP_PASS, REASON_DECAPSULATED);
}

// The kernel goes by the protocol that it noted; whoever reads the frame, by the one in the Ethernet header. Changing
// the former lengthens or shortens the outer header as if it were translated.
#define FAMILY_GROWTH ((int)(sizeof(struct ipv6hdr) - sizeof(struct iphdr)))

AI long change_family(struct __sk_buff *ctx, __be16 eth_proto)
{
	long err = bpf_skb_change_proto(ctx, eth_proto, 0);
	return err ? err : bpf_skb_store_bytes(ctx, offsetof(struct ethhdr, h_proto), &eth_proto, 2, 0);
}

// The same at tc ingress, where the NIC cannot run XDP. The kernel moves the Ethernet header itself.
SEC("tc")
int decap_tc(struct __sk_buff *ctx)
{
	struct scratch *s = scratch_of_this_cpu();
	if (!s)
		return TC_ACT_UNSPEC;
	struct inner in = find_inner(s, (void *)(long)ctx->data, (void *)(long)ctx->data_end);
	if (in.reason == REASON_NOT_ENCAPSULATED)
		return leave(s, TC_ACT_UNSPEC, in.reason);
	if (in.reason)
		return leave_dropped(s, TC_ACT_SHOT, in.reason);
	int to4 = in.eth_proto == bpf_htons(ETH_P_IP), surplus = in.outer & 0x7f;
	if ((s->family == 4) != to4) {
		if (change_family(ctx, in.eth_proto))
			return leave_dropped(s, TC_ACT_SHOT, REASON_INTERNAL);
		surplus += to4 ? -FAMILY_GROWTH : FAMILY_GROWTH;
	}
	if (bpf_skb_adjust_room(ctx, -surplus, BPF_ADJ_ROOM_MAC, 0))
		return leave_dropped(s, TC_ACT_SHOT, REASON_INTERNAL);
	count_decapsulated(s);
	return leave(s, TC_ACT_UNSPEC, REASON_DECAPSULATED);
}

char _license[] SEC("license") = "Dual BSD/GPL";
