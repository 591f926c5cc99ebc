// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//go:build ignore

#include "inner.h"
#include "packet.h"

// Decap in front of a balancer. What is hosted here goes up; what a tunnel brings for a VIP of the balancer is taken
// off, read again, and goes on to it. So does what came by no tunnel, or by one that ends elsewhere.

// A VIP may take the port of GUE: the balancer says what becomes of its packets.
AI int ends_here(struct scratch *s)
{
	return outer_len(s) && !s->has_vip;
}

AI void note_outer(struct scratch *s)
{
	s->outer_src[0] = s->family == 4 ? s->src4 : s->src6[0];
	s->outer_src[1] = s->family == 4 ? 0 : s->src6[1];
}

// The packet inside, read as one that came alone. In all counts it stays as long as it came, so that what comes in is
// what goes out.
AI enum reason read_inside(struct xdp_md *ctx, struct scratch *s)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 generation = (s->next - 1) / (CHAINS * POSITIONS) & (GENERATIONS - 1), counted = s->bytes;
	struct generation *g = bpf_map_lookup_elem(&generations, &generation);
	if (!g)
		return REASON_INTERNAL;
	enum reason reason = read_packet(ctx, 0, s, g, data, end, end - data);
	s->kind |= KIND_INNER;
	s->bytes = counted;
	saw_vip(s);
	if (reason)
		return REASON_INNER_MALFORMED;
	if (s->has_vip)
		return 0;
	__u64 address[2] = {s->family == 4 ? s->dst4 : s->dst6[0], s->family == 4 ? 0 : s->dst6[1]};
	count_stranger(s->family, address);
	return REASON_FOREIGN_VIP;
}

SEC("xdp")
int decap_rebalance(struct xdp_md *ctx)
{
	struct scratch *s = scratch_of_this_cpu();
	if (!s)
		return XDP_PASS;
	if (ends_here(s)) {
		struct inner in = find_inside(s, 0, (void *)(long)ctx->data, (void *)(long)ctx->data_end, 0);
		if (in.reason && in.reason != REASON_FOREIGN_VIP)
			return leave_dropped(s, XDP_DROP, in.reason);
		note_outer(s);
		if (take_off(ctx, &in))
			return leave_dropped(s, XDP_DROP, REASON_INTERNAL);
		saw(s, SAW_INNER, in.outer, bpf_ntohs(in.eth_proto));
		if (!in.reason) {
			count_decapsulated(s);
			return leave(s, XDP_PASS, REASON_DECAPSULATED);
		}
		enum reason reason = read_inside(ctx, s);
		if (reason)
			return leave_dropped(s, XDP_DROP, reason);
	}
	next_stage(ctx, s);
	return leave_at_end(s, XDP_PASS);
}

char _license[] SEC("license") = "Dual BSD/GPL";
