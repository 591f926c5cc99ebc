// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "clock.h"
#include "link.h"
#include "parse.h"
#include "sum.h"

// ICMP that a VIP sends by itself, back the way that a packet came. What is answered may be forged: how much is sent is
// bounded.

#define ANSWERS		    128 // a CPU and window: about 950 in a second
#define ANSWER_WINDOW_SHIFT 27	// ns: 134 ms

struct icmp {
	__u8 type;
	__u8 code;
	__u16 check;
	__be32 rest;
};

AI int may_answer(struct scratch *s, struct answers *a)
{
	__u64 window = coarse_now(s) >> ANSWER_WINDOW_SHIFT;
	if (a->since != window) {
		a->since = window;
		a->sent = 0;
	}
	return a->sent++ < ANSWERS;
}

// A source that is nobody's own is not answered.
AI int is_unicast(struct scratch *s)
{
	__u8 first = s->src4;
	if (s->family == 4)
		return first && first != 127 && first < 224;
	return first != 0xff && (s->src6[0] || s->src6[1] & bpf_cpu_to_be64(~1ULL));
}

// The sum moves by the difference of what changed in it (RFC 1624).
AI __u16 moved_sum(__u16 check, __u16 from, __u16 to)
{
	return fold((__u16)~check + (__u16)~from + to);
}

#define ECHO_REQUEST4 8
#define ECHO_REQUEST6 128
#define ECHO_TTL      64

// Of the two sums that say the same, 0xffff holds for a message of nothing but zeros too.
AI void turn_echo(struct icmp *icmp, __u8 type)
{
	__u16 was = *(__u16 *)icmp;
	icmp->type = type;
	__u16 check = moved_sum(icmp->check, was, *(__u16 *)icmp);
	icmp->check = check ? check : 0xffff;
}

AI enum reason answer_echo4(struct scratch *s, void *data, void *end)
{
	struct iphdr *ip = data + (s->l2_len & 0x1f);
	if ((void *)(ip + 1) + sizeof(struct icmp) > end || s->l4_off != sizeof(*ip))
		return REASON_ICMP;
	if (!may_answer(s, &s->echoes))
		return REASON_ECHO_LIMITED;
	turn_ethernet(data);
	turn_echo((void *)(ip + 1), 0);
	ip->check = moved_sum(ip->check, s->ttl, ECHO_TTL); // in the low byte of its word, as it lies in memory
	ip->ttl = ECHO_TTL;
	ip->saddr = s->dst4;
	ip->daddr = s->src4;
	return REASON_ECHO_ANSWERED;
}

AI enum reason answer_echo6(struct scratch *s, void *data, void *end)
{
	struct ipv6hdr *ip = data + (s->l2_len & 0x1f);
	if ((void *)(ip + 1) + sizeof(struct icmp) > end || s->l4_off != sizeof(*ip))
		return REASON_ICMP;
	if (!may_answer(s, &s->echoes))
		return REASON_ECHO_LIMITED;
	turn_ethernet(data);
	turn_echo((void *)(ip + 1), ECHO_REQUEST6 + 1);
	ip->hop_limit = ECHO_TTL;
	__u64 *address = (void *)&ip->saddr;
	address[0] = s->dst6[0];
	address[1] = s->dst6[1];
	address[2] = s->src6[0];
	address[3] = s->src6[1];
	return REASON_ECHO_ANSWERED;
}

// Makes a frame with an echo request its answer (RFC 792, RFC 4443). Options and extension headers are not turned.
AI enum reason answer_echo(struct xdp_md *ctx, struct scratch *s)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	if (data + sizeof(struct ethhdr) > end || !is_unicast(s))
		return REASON_ICMP;
	return s->family == 4 ? answer_echo4(s, data, end) : answer_echo6(s, data, end);
}
