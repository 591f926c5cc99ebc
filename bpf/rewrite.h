// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "parse.h"

// One address of a packet is replaced by another of its family, wherever it stands, and every checksum over it is kept
// right by what changes. Places are bytes from the frame's beginning; 0 = not there.
struct rewrite {
	__u32 to[4];
	__u32 diff;	  // that the new address makes in a sum of 32-bit words
	__u32 sum_diff;	  // that everything makes in the sum of TCP, UDP or ICMP
	__u16 address;	  // in the IP header
	__u16 header_sum; // of IPv4
	__u16 sum;	  // of TCP, UDP or ICMP
	__u16 quoted;	  // the address in what an ICMP error quotes
	__u16 quoted_header_sum;
	__u16 quoted_sum;
	__u8 pseudo;	 // the sum covers the addresses
	__u8 may_be_off; // a sum of 0 is none (UDP)
	__u8 family;
};

#define PLACE_MASK 0x1ff

AI __u32 fold32(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	return sum + (sum >> 32);
}

AI __u32 diff_of(const __u32 *from, const __u32 *to, int words)
{
	__u64 sum = 0;
	for (int i = 0; i < words; i++)
		sum += (__u64)(__u32)~from[i] + to[i];
	return fold32(sum);
}

// Changes a checksum in place; 0 never results where it means that there is none.
AI void fix_sum(__u16 *sum, __u32 diff, int may_be_off)
{
	__u64 s = (__u16) ~*sum;
	if (may_be_off && !*sum)
		return;
	s += diff;
	s = (s & 0xffff) + (s >> 16);
	s = (s & 0xffff) + (s >> 16);
	s = (s & 0xffff) + (s >> 16);
	*sum = ~s;
	if (may_be_off && !*sum)
		*sum = 0xffff;
}

// At XDP the packet is written as it lies there. Returns 0 where it is done.
AI int fix_at(void *data, void *end, __u32 place, __u32 diff, int may_be_off)
{
	__u16 *sum = data + (place & PLACE_MASK);
	if (!place)
		return 0;
	if ((void *)(sum + 1) > end)
		return -1;
	fix_sum(sum, diff, may_be_off);
	return 0;
}

AI int put_at(void *data, void *end, __u32 place, struct rewrite *r)
{
	__u32 *at = data + (place & PLACE_MASK);
	if (!place)
		return 0;
	if ((void *)(at + 1) > end)
		return -1;
	at[0] = r->to[0];
	if (r->family == 4)
		return 0;
	if ((void *)(at + 4) > end)
		return -1;
	at[1] = r->to[1];
	at[2] = r->to[2];
	at[3] = r->to[3];
	return 0;
}

FUNCTION int rewrite_xdp(struct xdp_md *ctx, struct rewrite *r)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	if (!r)
		return -1;
	return put_at(data, end, r->address, r) || put_at(data, end, r->quoted, r) ||
	       fix_at(data, end, r->header_sum, r->diff, 0) || fix_at(data, end, r->quoted_header_sum, r->diff, 0) ||
	       fix_at(data, end, r->quoted_sum, r->diff, r->may_be_off) ||
	       fix_at(data, end, r->sum, r->sum_diff, r->may_be_off && !r->quoted);
}

#define KNOWS_IPV6 (1ULL << 7) // BPF_F_IPV6, from Linux 6.16

// At tc the kernel does it: a sum may be one that the NIC is to complete, or that it has computed over the whole
// packet. Addresses of IPv6 leave that one as it was, which newer kernels want to be told.
AI long fix_sum_tc(struct __sk_buff *ctx, struct rewrite *r, __u32 place, __u32 diff, __u64 flags)
{
	if (!place)
		return 0;
	if (r->family == 6 && flags & BPF_F_PSEUDO_HDR && !bpf_l4_csum_replace(ctx, place, 0, diff, flags | KNOWS_IPV6))
		return 0;
	return bpf_l4_csum_replace(ctx, place, 0, diff, flags);
}

AI long put_tc(struct __sk_buff *ctx, struct rewrite *r, __u32 place)
{
	if (!place)
		return 0;
	return r->family == 4 ? bpf_skb_store_bytes(ctx, place, r->to, 4, 0)
			      : bpf_skb_store_bytes(ctx, place, r->to, 16, 0);
}

FUNCTION int rewrite_tc(struct __sk_buff *ctx, struct rewrite *r)
{
	if (!r)
		return -1;
	__u64 off = r->may_be_off ? BPF_F_MARK_MANGLED_0 : 0, pseudo = r->pseudo ? BPF_F_PSEUDO_HDR : 0;
	return put_tc(ctx, r, r->address) || put_tc(ctx, r, r->quoted) ||
	       (r->header_sum && bpf_l3_csum_replace(ctx, r->header_sum, 0, r->diff, 0)) ||
	       (r->quoted_header_sum && bpf_l3_csum_replace(ctx, r->quoted_header_sum, 0, r->diff, 0)) ||
	       (r->quoted_sum && bpf_l4_csum_replace(ctx, r->quoted_sum, 0, r->diff, off)) ||
	       fix_sum_tc(ctx, r, r->sum, r->sum_diff, pseudo | (r->quoted ? 0 : off));
}
