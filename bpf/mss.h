// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "option.h"
#include "parse.h"
#include "orphan.h"
#include "rewrite.h"

// The most that one side says the other may send in a segment (RFC 9293, MSS): lowered to what fits the way between
// them, encapsulation included.

#define OPTION_MSS	 2
#define OPTION_MSS_BYTES 4

struct mss {
	__u32 place; // of the value, from the frame's beginning; 0 = none, or none that is too large
	__be16 was;
	__be16 now;
	__u32 sum; // place of TCP's
};

AI void find_mss(struct scratch *s, void *data, void *end, __u16 most, struct mss *m)
{
	__u32 l4 = (s->l2_len + s->l4_off) & PLACE_MASK;
	__u8 *tcp = data + l4;
	m->place = 0;
	if (!most || s->l4_proto != IPPROTO_TCP || !(s->tcp_flags & TCP_SYN))
		return;
	__u32 at = find_option(tcp, end, OPTION_MSS, OPTION_MSS_BYTES);
	__u8 *o = tcp + (at & 0x3f);
	if (!at || (void *)(o + OPTION_MSS_BYTES) > end)
		return;
	__u16 was = (__u16)o[2] << 8 | o[3];
	if (was <= most)
		return;
	m->place = l4 + at + 2;
	m->was = bpf_htons(was);
	m->now = bpf_htons(most);
	m->sum = l4 + offsetof(struct tcphdr, check);
}

FUNCTION int find_mss_xdp(struct xdp_md *ctx, __u32 most, struct mss *m)
{
	struct scratch *s = scratch_of_this_cpu();
	if (s && m)
		find_mss(s, (void *)(long)ctx->data, (void *)(long)ctx->data_end, most, m);
	return 0;
}

FUNCTION int find_mss_tc(struct __sk_buff *ctx, __u32 most, struct mss *m)
{
	struct scratch *s = scratch_of_this_cpu();
	if (s && m)
		find_mss(s, (void *)(long)ctx->data, (void *)(long)ctx->data_end, most, m);
	return 0;
}

// At an odd place, the bytes of the value belong to two words of the sum.
AI __u32 mss_diff(struct mss *m)
{
	__u16 was = m->was, now = m->now;
	if (m->place & 1) {
		was = bpf_htons(was);
		now = bpf_htons(now);
	}
	return (__u32)(__u16)~was + now;
}

AI int lower_mss(struct xdp_md *ctx, struct mss *m)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u8 *at = data + (m->place & PLACE_MASK);
	if (!m->place)
		return 0;
	if ((void *)(at + 2) > end)
		return -1;
	*(__be16 *)at = m->now;
	return fix_at(data, end, m->sum, mss_diff(m), 0);
}

AI long lower_mss_tc(struct __sk_buff *ctx, struct mss *m)
{
	if (!m->place)
		return 0;
	return bpf_skb_store_bytes(ctx, m->place, &m->now, 2, 0) || bpf_l4_csum_replace(ctx, m->sum, 0, mss_diff(m), 0);
}
