// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//go:build ignore

#include <linux/pkt_cls.h>
#include "packet.h"

// The captor is called in front of the chain, and calls it: so the packet comes by a second time. In one packet of 64
// it is seen how long that takes.
AI void call_captor(void *ctx, struct scratch *s)
{
	__u32 by = s->captured & CAPTURED_BY;
	if (!by) {
		s->captured &= CAPTURED_TOOK;
		if (!s->captured && !(bpf_get_prandom_u32() & 63)) {
			s->captured = CAPTURED_TIMED;
			s->seq = bpf_ktime_get_ns();
		}
		bpf_tail_call_static(ctx, &captors, CAPTOR_AROUND); // returns only when there is none
		s->captured = 0;
		return;
	}
	s->captured &= ~CAPTURED_BY;
	if (s->captured & CAPTURED_TIMED) {
		s->seq = bpf_ktime_get_ns() - s->seq;
		s->captured ^= CAPTURED_TIMED | CAPTURED_TOOK;
	}
}

// Somebody looks at this generation.
AI void look(void *ctx, struct scratch *s, __u32 flags)
{
	if (dry)
		return;
	if (flags & GENERATION_CAPTURED)
		call_captor(ctx, s);
	else
		s->captured = 0;
	if (flags & GENERATION_WATCHED)
		measure_some(s);
	if (!s->stamp && s->captured & CAPTURED_BETWEEN)
		s->stamp = NO_STAMP;
}

// Position 0 of every row: the packet is parsed once, its VIP looked up once.
AI enum reason parse_once(void *ctx, int tc, struct scratch *s, void *data, void *end, __u32 bytes)
{
	__u32 zero = 0;
	struct entry *e = bpf_map_lookup_elem(&entry, &zero);
	if (!e)
		return REASON_EMPTY_SLOT;
	__u32 generation = e->generation;
	struct generation *g = bpf_map_lookup_elem(&generations, &generation);
	if (!g)
		return REASON_EMPTY_SLOT;
	s->next = row_of(generation, e->chain) + 1;
	s->chain = e->chain;
	s->passed = 0;
	s->held = 0;
	s->stamp = dry; // which is timed
	if (g->flags & (GENERATION_WATCHED | GENERATION_CAPTURED))
		look(ctx, s, g->flags);
	return read_packet(ctx, tc, s, g, data, end, bytes);
}

SEC("xdp")
int parse(struct xdp_md *ctx)
{
	struct scratch *s = scratch_of_this_cpu();
	if (!s)
		return XDP_PASS;
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	enum reason reason = parse_once(ctx, 0, s, data, end, end - data);
	if (reason) {
		s->bytes = frame_bytes(ctx);
		return leave(s, XDP_PASS, reason);
	}
	next_stage(ctx, s);
	return leave_at_end(s, XDP_PASS);
}

SEC("tc")
int parse_tc(struct __sk_buff *ctx)
{
	struct scratch *s = scratch_of_this_cpu();
	if (!s)
		return TC_ACT_UNSPEC;
	bpf_skb_pull_data(ctx, ctx->len < HEADERS ? ctx->len : HEADERS); // what cannot be pulled parses as truncated
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	enum reason reason = parse_once(ctx, 1, s, data, end, ctx->len);
	if (reason)
		return leave(s, TC_ACT_UNSPEC, reason);
	next_stage(ctx, s);
	return leave_at_end(s, TC_ACT_UNSPEC);
}

char _license[] SEC("license") = "Dual BSD/GPL";
