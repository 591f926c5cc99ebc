// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "answer.h"

// What a client is told whose packet does not fit once it is encapsulated: how large it may be (RFC 1191, RFC 8201). It
// comes from the VIP, and quotes as much of the packet as such messages do.

#define QUOTE4	   548	// 576 bytes in all (RFC 1812)
#define QUOTE6	   1232 // 1280 bytes in all (RFC 4443)
#define LEAST_MTU6 1280
#define CHUNK	   512 // what a checksum is made of at a time

AI int wants_advice(struct scratch *s, void *ip, void *end, __u32 fits)
{
	if (s->kind & KIND_ICMP || (s->kind & KIND_FRAGMENT && !(s->kind & KIND_FIRST)) || !is_unicast(s))
		return 0;
	if (s->family == 6)
		return fits >= LEAST_MTU6;
	struct iphdr *ip4 = ip;
	return (void *)(ip4 + 1) <= end && ip4->frag_off & bpf_htons(0x4000) && s->l3_len >= QUOTE4;
}

AI int put_advice4(struct scratch *s, void *at, void *end, __u32 fits)
{
	struct icmp *icmp = at + sizeof(struct iphdr);
	if ((void *)icmp + sizeof(*icmp) + QUOTE4 > end)
		return 0;
	*(__u32 *)icmp = 3 | 4 << 8;
	icmp->rest = bpf_htonl(fits);
	__u64 sum = bpf_csum_diff(0, 0, (void *)icmp, CHUNK, 0);
	sum = bpf_csum_diff(0, 0, (void *)icmp + CHUNK, sizeof(*icmp) + QUOTE4 - CHUNK, sum);
	icmp->check = fold(sum);
	__u32 *word = at, length = sizeof(struct iphdr) + sizeof(*icmp) + QUOTE4;
	word[0] = bpf_htons(0x4500) | (__u32)bpf_htons(length) << 16;
	word[1] = (__u32)bpf_htons(0x4000) << 16; // don't fragment
	word[2] = ECHO_TTL | IPPROTO_ICMP << 8;
	word[3] = s->dst4;
	word[4] = s->src4;
	((struct iphdr *)at)->check = fold(sum_words(word[0]) + sum_words(word[1]) + sum_words(word[2]) +
					   sum_words(word[3]) + sum_words(word[4]));
	return 1;
}

AI int put_advice6(struct scratch *s, void *at, void *end, __u32 fits)
{
	struct icmp *icmp = at + sizeof(struct ipv6hdr);
	__u32 length = sizeof(*icmp) + QUOTE6;
	if ((void *)icmp + sizeof(*icmp) + QUOTE6 > end)
		return 0;
	*(__u32 *)icmp = 2;
	icmp->rest = bpf_htonl(fits);
	*(__u32 *)at = bpf_htonl(0x60000000);
	*(__u32 *)(at + 4) = bpf_htons(length) | (__u32)bpf_htons(IPPROTO_ICMPV6 << 8 | ECHO_TTL) << 16;
	__u64 *address = at + offsetof(struct ipv6hdr, saddr);
	address[0] = s->dst6[0];
	address[1] = s->dst6[1];
	address[2] = s->src6[0];
	address[3] = s->src6[1];
	__u64 sum = bpf_csum_diff(0, 0, (void *)address, 32, 0);
	sum = bpf_csum_diff(0, 0, (void *)icmp, CHUNK, sum);
	sum = bpf_csum_diff(0, 0, (void *)icmp + CHUNK, CHUNK, sum);
	sum = bpf_csum_diff(0, 0, (void *)icmp + 2 * CHUNK, sizeof(*icmp) + QUOTE6 - 2 * CHUNK, sum);
	icmp->check = fold(sum + bpf_htons(length) + bpf_htons(IPPROTO_ICMPV6));
	return 1;
}

// Ends a packet that does not fit, and tells its sender what does where that helps.
FUNCTION int leave_too_big(struct xdp_md *ctx, struct scratch *s, __u32 fits)
{
	if (!s)
		return XDP_DROP;
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 l2 = s->l2_len & 0x1f;
	int quote = s->family == 4 ? QUOTE4 : QUOTE6;
	int grow = sizeof(struct icmp) + (s->family == 4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr));
	if (data + LINK_MOST > end || end - data < (int)l2 + quote || !wants_advice(s, data + l2, end, fits) ||
	    !may_answer(s, &s->advice))
		return leave_dropped(s, XDP_DROP, REASON_TOO_BIG);
	turn_ethernet(data);
	__u64 mac_head = *(__u64 *)data;
	__u32 mac_tail = *(__u32 *)(data + 8);
	struct tags tags = read_tags(data);
	// From here on the packet is changed: what goes wrong is a drop.
	if (bpf_xdp_adjust_tail(ctx, (int)l2 + quote - (int)frame_bytes(ctx)))
		return leave_dropped(s, XDP_DROP, REASON_INTERNAL);
	if (bpf_xdp_adjust_head(ctx, -grow))
		return leave_dropped(s, XDP_DROP, REASON_NO_HEADROOM);
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if (data + LINK_MOST > end)
		return leave_dropped(s, XDP_DROP, REASON_INTERNAL);
	*(__u64 *)data = mac_head;
	*(__u32 *)(data + 8) = mac_tail;
	put_tags(tags, data);
	if (!(s->family == 4 ? put_advice4(s, data + l2, end, fits) : put_advice6(s, data + l2, end, fits)))
		return leave_dropped(s, XDP_DROP, REASON_INTERNAL);
	return leave_dropped(s, XDP_TX, REASON_TOO_BIG_TOLD);
}
