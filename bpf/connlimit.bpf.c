// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//go:build ignore

#include <linux/pkt_cls.h>
#include "flow.h"
#include "reset.h"
#include "tenant.h"

// The limit of connections: refuses a SYN while as many TCP sockets are open as may be. Other packets pass.

MAP(connlimits, ARRAY, struct connlimit, CONN_SETTINGS, BPF_F_MMAPABLE);

#define TCP_SYN_OF(flags) (((flags)&0x16) == 0x02) // SYN without ACK and RST

// The element of seats that a limit counts in, for the packet at hand; SEATS = the limit is not for it, or its source
// cannot be counted.
AI __u32 seat_for(struct scratch *s, struct conn_limit *l, __u32 base, __u32 tick)
{
	__u32 vip = s->has_vip && !(s->vip.flags & VIP_ADDRESS) ? s->vip.num & (VIPS - 1) : 0;
	if (l->by_vip == BY_TENANT)
		vip = tenant_of(s->version, vip);
	if (((l->by_vip || base) && !vip) || (l->vip && l->vip != vip))
		return SEATS;
	if (!l->lens)
		return base + (l->by_vip ? vip : 0);
	struct seat_name n = {.lens = l->lens, .vip = l->by_vip ? vip : 0};
	name_source(&n, s->family, s->src6, l->prefix4, l->prefix6);
	__u32 seat = seat_of(&n, !dry, tick, 0);
	return seat ? seat : SEATS;
}

AI void count_passage(struct scratch *s, struct conn_limit *l, __u32 vip, int over)
{
	struct counters *c = counters_of_this_cpu();
	if (dry || !c || l->lens)
		return;
	struct admission *p = l->by_vip ? &c->conn_vip[vip & (VIPS - 1)] : &c->conn_chain[s->chain & (CHAINS - 1)];
	struct count *n = over ? &p->over : &p->passed;
	n->packets++;
	n->bytes += s->bytes;
}

#define NOT_MEANT (-1)
#define NO_ROOM	  (-2)

// Takes a place within one limit. Returns the element of seats, or one of the above.
FUNCTION int take_one(struct scratch *s, struct conn_limit *l, __u32 base, __u32 tick, __u32 number)
{
	if (!s || !l)
		return NOT_MEANT;
	__u32 seat = seat_for(s, l, base, tick);
	struct seats *at = bpf_map_lookup_elem(&seats, &seat);
	if (!at)
		return NOT_MEANT;
	int room = take_seat(at, l->max, tick);
	if (dry) {
		__u64 taken = at->open + pending_sum(pending_at(at->pending, tick));
		saw(s, SAW_SEAT, seat | (__u64)number << 32 | (__u64)room << 40, l->max | taken << 32);
	}
	count_passage(s, l, seat - base, !room);
	if (room)
		return seat;
	if (l->lens && !dry)
		__sync_fetch_and_add(&at->over, 1);
	return NO_ROOM;
}

// The seats that a packet has taken so far, by limit; SEATS = none.
struct taken {
	__u32 seat[CONN_LIMITS];
};

FUNCTION int give_back(struct taken *t, __u32 count)
{
	if (!t)
		return 0;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < CONN_LIMITS && i < count; i++)
		leave_seat(bpf_map_lookup_elem(&seats, &t->seat[i]));
	return 0;
}

// Takes a place within every limit. Returns the reason not to pass, and then no place is taken.
AI enum reason take_seats(struct scratch *s, struct connlimit *x)
{
	__u32 tick = coarse_now(s) >> 32 & 0xffff;
	struct taken t;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < CONN_LIMITS && i < x->count; i++) {
		struct conn_limit *l = &x->limit[i];
		int seat = take_one(s, l, x->base, tick, i);
		t.seat[i] = seat == NOT_MEANT ? SEATS : seat;
		if (seat != NO_ROOM)
			continue;
		if (i && !dry)
			give_back(&t, i);
		return l->lens ? REASON_SOURCE_CONN_LIMITED : REASON_CONN_LIMITED;
	}
	return 0;
}

// Whether a packet that a limit is against is refused; reason is 0 where none is.
AI enum reason refused(struct scratch *s, enum reason reason)
{
	if (reason && s->passed)
		saw(s, SAW_EXCEPTED, 0, 0);
	return reason && !s->passed && refuses(s, reason) ? reason : 0;
}

AI struct connlimit *limits_at_hand(struct scratch *s)
{
	__u32 i = settings_at_hand(s);
	return bpf_map_lookup_elem(&connlimits, &i);
}

// Why the packet at hand is not let pass where sockets are counted, here or by agents; 0 = it is.
AI enum reason judge_sockets(struct scratch *s, __u32 *reset)
{
	if (s->l4_proto != IPPROTO_TCP || !TCP_SYN_OF(s->tcp_flags))
		return 0;
	struct connlimit *x = limits_at_hand(s);
	if (!x)
		return 0;
	*reset = x->reset;
	return refused(s, take_seats(s, x));
}

// The same where flows are counted, which every packet of theirs keeps alive.
AI enum reason judge_flows(struct scratch *s, __u32 *reset)
{
	if (s->l4_proto != IPPROTO_TCP || !s->ports) // the latter of a later fragment
		return 0;
	struct connlimit *x = limits_at_hand(s);
	if (!x)
		return 0;
	*reset = x->reset;
	enum reason reason = limit_flow(s, x, TCP_SYN_OF(s->tcp_flags), 1) & (REASONS - 1);
	if (!reason)
		return 0;
	reason = refused(s, reason);
	if (!reason)
		limit_flow(s, x, 1, 0);
	return reason;
}

AI int go_on(struct xdp_md *ctx, struct scratch *s, enum reason reason, __u32 reset)
{
	if (reason) {
		int answered = reset && may_reset(s) && make_reset(ctx, s);
		if (answered)
			saw(s, SAW_ANSWERED, 0, 0);
		return leave_dropped(s, answered ? XDP_TX : XDP_DROP, reason);
	}
	next_stage(ctx, s);
	return leave_at_end(s, XDP_PASS);
}

AI int go_on_tc(struct __sk_buff *ctx, struct scratch *s, enum reason reason)
{
	if (reason)
		return leave_dropped(s, TC_ACT_SHOT, reason);
	next_stage(ctx, s);
	return leave_at_end(s, TC_ACT_UNSPEC);
}

SEC("xdp")
int connlimit(struct xdp_md *ctx)
{
	struct scratch *s = scratch_of_this_cpu();
	__u32 reset = 0;
	return s ? go_on(ctx, s, judge_sockets(s, &reset), reset) : XDP_PASS;
}

SEC("xdp")
int connlimit_flows(struct xdp_md *ctx)
{
	struct scratch *s = scratch_of_this_cpu();
	__u32 reset = 0;
	return s ? go_on(ctx, s, judge_flows(s, &reset), reset) : XDP_PASS;
}

SEC("tc")
int connlimit_tc(struct __sk_buff *ctx)
{
	struct scratch *s = scratch_of_this_cpu();
	__u32 reset = 0;
	return s ? go_on_tc(ctx, s, judge_sockets(s, &reset)) : TC_ACT_UNSPEC;
}

SEC("tc")
int connlimit_flows_tc(struct __sk_buff *ctx)
{
	struct scratch *s = scratch_of_this_cpu();
	__u32 reset = 0;
	return s ? go_on_tc(ctx, s, judge_flows(s, &reset)) : TC_ACT_UNSPEC;
}

char _license[] SEC("license") = "Dual BSD/GPL";
