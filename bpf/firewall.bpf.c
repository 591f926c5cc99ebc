// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//go:build ignore

#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include "prefix.h"

// Drops what is on a list of prefixes, by source or destination. Rules before that drop, pass or count what their
// filters match.

// What each firewall goes by.
MAP(firewalls, ARRAY, struct firewall, FIREWALLS, BPF_F_MMAPABLE);

// The reason to drop a packet because of its addresses, or 0.
AI enum reason listed(struct scratch *s, struct firewall *f)
{
	if (s->family == 4) {
		if (f->src4 && prefix_listed4(f->src4, s->src4))
			return REASON_FIREWALL_SOURCE;
		if (f->dst4 && prefix_listed4(f->dst4, s->dst4))
			return REASON_FIREWALL_DESTINATION;
		return 0;
	}
	if (f->src6 && prefix_listed6(f->src6, s->src6))
		return REASON_FIREWALL_SOURCE;
	if (f->dst6 && prefix_listed6(f->dst6, s->dst6))
		return REASON_FIREWALL_DESTINATION;
	return 0;
}

// Bit i is set when rule i is true of the packet; behind the first that decides, no rule is asked. What stands here is
// for firewalls whose rules are still to come: engine/datapath/rules.go puts the filters in its place.
__attribute__((weak, noinline)) __u64 marks(struct scratch *s)
{
	asm volatile("" : "+r"(s));
	return 0;
}

AI void count_rule(struct scratch *s, __u32 counter)
{
	struct counters *c = counters_of_this_cpu();
	if (dry || !c)
		return;
	struct count *n = &c->rule[counter & (RULE_COUNTERS - 1)];
	n->packets++;
	n->bytes += s->bytes;
}

// What the rules say of a packet: DECIDED, that no list is asked; or the reason to drop it; or nothing.
#define DECIDED REASONS

AI __u32 ask_rules(struct scratch *s, struct firewall *f)
{
	__u64 left = marks(s);
#pragma clang loop unroll(disable)
	for (int i = 0; i < RULES && left; i++) {
		__u32 rule = ones((left & -left) - 1) & (RULES - 1);
		left &= left - 1;
		count_rule(s, f->counter[rule]);
		saw(s, SAW_RULE, rule, f->action[rule]);
		if (f->action[rule] == RULE_DROP)
			return REASON_FIREWALL_RULE;
		if (f->action[rule] == RULE_PASS)
			return DECIDED;
	}
	return 0;
}

// The reason to drop a packet, or 0. Rules are asked before lists, so that they can make exceptions. In shadow mode
// nothing comes of anything but counts.
AI enum reason judge(struct scratch *s, int has_rules)
{
	struct row *r = row_at_hand(s);
	if (!r)
		return 0;
	__u32 at = position(s), i = r->settings[at], shadow = r->shadow >> at & 1;
	struct firewall *f = bpf_map_lookup_elem(&firewalls, &i);
	if (!f)
		return 0;
	__u32 said = has_rules ? ask_rules(s, f) : 0;
	if (said == DECIDED) {
		if (!shadow)
			s->passed = 1;
		return 0;
	}
	enum reason reason = said ? said : listed(s, f);
	if (reason == REASON_FIREWALL_SOURCE || reason == REASON_FIREWALL_DESTINATION)
		saw(s, SAW_LISTED, reason == REASON_FIREWALL_DESTINATION, 0);
	return reason && (!shadow || refuses(s, reason)) ? reason : 0;
}

AI int at_xdp(struct xdp_md *ctx, int has_rules)
{
	struct scratch *s = scratch_of_this_cpu();
	if (!s)
		return XDP_PASS;
	enum reason reason = judge(s, has_rules);
	if (reason)
		return leave_dropped(s, XDP_DROP, reason);
	next_stage(ctx, s);
	return leave_at_end(s, XDP_PASS);
}

AI int at_tc(struct __sk_buff *ctx, int has_rules)
{
	struct scratch *s = scratch_of_this_cpu();
	if (!s)
		return TC_ACT_UNSPEC;
	enum reason reason = judge(s, has_rules);
	if (reason)
		return leave_dropped(s, TC_ACT_SHOT, reason);
	next_stage(ctx, s);
	return leave_at_end(s, TC_ACT_UNSPEC);
}

SEC("xdp")
int firewall(struct xdp_md *ctx)
{
	return at_xdp(ctx, 0);
}

SEC("xdp")
int firewall_rules(struct xdp_md *ctx)
{
	return at_xdp(ctx, 1);
}

SEC("tc")
int firewall_tc(struct __sk_buff *ctx)
{
	return at_tc(ctx, 0);
}

SEC("tc")
int firewall_rules_tc(struct __sk_buff *ctx)
{
	return at_tc(ctx, 1);
}

char _license[] SEC("license") = "Dual BSD/GPL";
