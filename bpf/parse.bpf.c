// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//go:build ignore

#include <linux/pkt_cls.h>
#include "packet.h"

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
	s->stamp = 0;
	if (g->flags & GENERATION_WATCHED)
		measure_some(s);
	enum reason reason = read_packet(ctx, tc, s, g, data, end, bytes);
	saw(s, SAW_VIP, s->kind | s->has_vip << 8, s->vip.num | (__u32)s->vip.flags << 16);
	return reason;
}

SEC("xdp")
int parse(struct xdp_md *ctx)
{
	struct scratch *s = scratch_of_this_cpu();
	if (!s)
		return XDP_PASS;
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	enum reason reason = parse_once(ctx, 0, s, data, end, end - data);
	if (reason)
		return leave(s, XDP_PASS, reason);
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
