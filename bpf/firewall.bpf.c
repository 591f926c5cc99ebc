// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//go:build ignore

#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include "prefix.h"

// Drops what is on a list of prefixes, by source or destination. Rules before that drop, pass or count what their
// filters match.

// What each firewall goes by.
MAP(firewalls, ARRAY, struct firewall, FIREWALLS, BPF_F_MMAPABLE);

AI struct firewall *firewall_at_hand(struct scratch *s)
{
	__u32 i = settings_at_hand(s);
	return bpf_map_lookup_elem(&firewalls, &i);
}

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

// What becomes of a packet: the verdict, and the reason if it leaves here.
AI enum reason judge(struct scratch *s)
{
	struct firewall *f = firewall_at_hand(s);
	enum reason reason = f ? listed(s, f) : 0;
	return reason && refuses(s, reason) ? reason : 0;
}

SEC("xdp")
int firewall(struct xdp_md *ctx)
{
	struct scratch *s = scratch_of_this_cpu();
	if (!s)
		return XDP_PASS;
	enum reason reason = judge(s);
	if (reason)
		return leave_dropped(s, XDP_DROP, reason);
	next_stage(ctx, s);
	return leave_at_end(s, XDP_PASS);
}

SEC("tc")
int firewall_tc(struct __sk_buff *ctx)
{
	struct scratch *s = scratch_of_this_cpu();
	if (!s)
		return TC_ACT_UNSPEC;
	enum reason reason = judge(s);
	if (reason)
		return leave_dropped(s, TC_ACT_SHOT, reason);
	next_stage(ctx, s);
	return leave_at_end(s, TC_ACT_UNSPEC);
}

char _license[] SEC("license") = "Dual BSD/GPL";
