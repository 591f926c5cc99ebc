// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//go:build ignore

#include <linux/pkt_cls.h>
#include "inner.h"

// The agent's side: takes GUE and IPIP off packets whose inner destination is hosted here, and gives them on as they
// are. Where addresses are translated, or packets looked into, snat.bpf.c stands in its place.

SEC("xdp")
int decap(struct xdp_md *ctx)
{
	struct scratch *s = scratch_of_this_cpu();
	if (!s)
		return XDP_PASS;
	struct agent_settings *a = agent_at_hand(s);
	if (!a)
		return leave(s, XDP_PASS, REASON_INTERNAL);
	struct inner in = find_inner(s, a->scope, (void *)(long)ctx->data, (void *)(long)ctx->data_end);
	if (in.reason == REASON_NOT_ENCAPSULATED)
		return leave(s, XDP_PASS, in.reason);
	if (in.reason)
		return leave_dropped(s, XDP_DROP, in.reason);
	if (take_off(ctx, &in))
		return leave_dropped(s, XDP_DROP, REASON_INTERNAL);
	saw(s, SAW_INNER, in.outer, bpf_ntohs(in.eth_proto));
	count_decapsulated(s);
	return leave(s, XDP_PASS, REASON_DECAPSULATED);
}

SEC("tc")
int decap_tc(struct __sk_buff *ctx)
{
	struct scratch *s = scratch_of_this_cpu();
	if (!s)
		return TC_ACT_UNSPEC;
	struct agent_settings *a = agent_at_hand(s);
	if (!a)
		return leave(s, TC_ACT_UNSPEC, REASON_INTERNAL);
	struct inner in = find_inner(s, a->scope, (void *)(long)ctx->data, (void *)(long)ctx->data_end);
	if (in.reason == REASON_NOT_ENCAPSULATED)
		return leave(s, TC_ACT_UNSPEC, in.reason);
	if (in.reason)
		return leave_dropped(s, TC_ACT_SHOT, in.reason);
	if (take_off_tc(ctx, s, &in))
		return leave_dropped(s, TC_ACT_SHOT, REASON_INTERNAL);
	count_decapsulated(s);
	return leave(s, TC_ACT_UNSPEC, REASON_DECAPSULATED);
}

char _license[] SEC("license") = "Dual BSD/GPL";
