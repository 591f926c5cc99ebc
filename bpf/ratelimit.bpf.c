// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//go:build ignore

#include <linux/pkt_cls.h>
#include "mix.h"
#include "reset.h"
#include "sources.h"
#include "tenant.h"
#include "window.h"

// The rate limit: lets so many new connections a second pass, of a whole chain, of each VIP, of each tenant, of each
// source. A new connection is a TCP SYN without ACK; all other packets go on as they are.

_Static_assert(RATELIMIT_VIPS == VIPS, "vips");

MAP(ratelimits, ARRAY, struct ratelimit, RATELIMITS, BPF_F_MMAPABLE);

// The sources that were refused.
MAP(offenders, ARRAY, struct offenders, 1, BPF_F_MMAPABLE);

#define TCP_SYN 0x02
#define TCP_ACK 0x10

#define FORGOTTEN (10 * SECOND)

AI int begins_connection(struct scratch *s)
{
	return s->l4_proto == IPPROTO_TCP && (s->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN && !s->passed;
}

AI void count_judged(__u32 window, int passed)
{
	struct counters *c = counters_of_this_cpu();
	if (dry || !c)
		return;
	struct judged *j = &c->window[window & (WINDOWS - 1)];
	if (passed)
		j->passed++;
	else
		j->refused++;
}

// What a packet falls under: limits of its VIP, of its NIC, and of its VIP's tenant.
struct limited {
	struct ratelimit *by;
	struct vip_rates *vip;
	struct vip_rates *tenant; // 0 = there is none
};

#define WINDOWS_EACH 3 // at most

AI int windows_of(struct limited *l)
{
	return l->tenant ? WINDOWS_EACH : WINDOWS_EACH - 1;
}

// The place and rate of one of them.
AI __u32 window_of(struct limited *l, int i, __u32 *rate)
{
	__u32 place = l->vip->window, number = l->vip->rate;
	if (i == 1) {
		place = l->by->nic_window;
		number = l->by->nic_rate;
	} else if (i == 2 && l->tenant) {
		place = l->tenant->window;
		number = l->tenant->rate;
	}
	*rate = l->by->rate[number & (RATES - 1)];
	return place;
}

// Whether one of the windows is full, before anything is logged anywhere: what the VIP's limit refuses is not to count
// for the source.
AI enum reason find_full(struct scratch *s, struct limited *l, struct instant *t)
{
#pragma clang loop unroll(disable)
	for (int i = 0; i < WINDOWS_EACH && i < windows_of(l); i++) {
		__u32 rate, place = window_of(l, i, &rate);
		if (!place)
			continue;
		struct window *w = bpf_map_lookup_elem(&windows, &place);
		if (w && window_full(w, rate, t)) {
			saw(s, SAW_WINDOW, place | (__u64)i << 33, rate);
			count_judged(place, 0);
			return REASON_RATE_LIMITED;
		}
	}
	return 0;
}

// Unrolled: each of the three is its own few instructions, and most have one.
AI enum reason take_windows(struct scratch *s, struct limited *l, struct instant *t)
{
	struct ratelimit *r = l->by;
	enum reason reason = 0;
#pragma clang loop unroll(full)
	for (int i = 0; i < WINDOWS_EACH && i < windows_of(l); i++) {
		__u32 rate, place = window_of(l, i, &rate);
		if (!place)
			continue;
		struct window *w = bpf_map_lookup_elem(&windows, &place);
		if (!w)
			continue;
		int passed = window_take(w, rate, r->flags & RATELIMIT_OFFERED, t);
		saw(s, SAW_WINDOW, place | (__u64)passed << 32 | (__u64)i << 33, rate);
		count_judged(place, passed);
		if (passed)
			continue;
		reason = REASON_RATE_LIMITED;
		if (!(r->flags & RATELIMIT_OFFERED))
			break;
	}
	return reason;
}

// Keeps the sources in mind that are refused most: one that comes more often takes the place of one that comes less.
AI void note_offender(struct scratch *s, struct scope *scope, __u32 number, __u64 key, __u64 now)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct offenders *all = bpf_map_lookup_elem(&offenders, &cpu);
	if (dry || !all)
		return;
	struct offender *o = &all->of[key & (OFFENDERS - 1)];
	if (o->key == key) {
		o->weight++;
		o->refused++;
		o->at = now;
		return;
	}
	if (o->weight && now - o->at < FORGOTTEN) {
		o->weight--;
		return;
	}
	*o = (struct offender){.key = key, .identity = scope->identity, .refused = 1, .at = now, .weight = 1};
	o->vip = s->has_vip ? s->vip.num : 0;
	o->family = s->family;
	o->scope = number;
	if (s->family == 4) {
		o->address[0] = s->src4 & scope->mask4;
	} else {
		o->address[0] = s->src6[0] & scope->mask6[0];
		o->address[1] = s->src6[1] & scope->mask6[1];
	}
}

AI __u64 source_key(struct scratch *s, struct scope *scope, __u32 vip)
{
	__u64 h = conn_key[0] ^ scope->identity ^ vip;
	if (s->family == 4)
		return mix(mix(h) ^ (s->src4 & scope->mask4) ^ conn_key[1]);
	h = mix(h + 1) ^ (s->src6[0] & scope->mask6[0]);
	return mix((h ^ conn_key[1]) * MIX1 ^ (s->src6[1] & scope->mask6[1]));
}

AI enum reason take_sources(struct scratch *s, struct ratelimit *r, struct vip_rates *v, struct instant *t)
{
	enum reason reason = 0;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < SCOPES && i < r->scopes; i++) {
		__u32 number = v->source[i] & (RATES - 1);
		if (!number)
			continue;
		struct scope *scope = &r->scope[i];
		struct at_source a = {.rate = r->rate[number], .offered = r->flags & RATELIMIT_OFFERED};
		a.key = source_key(s, scope, v->vips >> i & 1 ? s->vip.num : 0);
		int passed = source_take(&a, t);
		saw(s, SAW_SOURCE, a.key, a.rate | (__u64)i << 32 | (__u64)passed << 40);
		count_judged(scope->window, passed);
		if (passed)
			continue;
		note_offender(s, scope, i, a.key, t->now);
		reason = REASON_SOURCE_RATE_LIMITED;
		if (!a.offered)
			break;
	}
	return reason;
}

// Why a new connection is refused, or 0. It must be within every limit that it falls under.
AI enum reason judge(struct scratch *s, struct ratelimit *r)
{
	__u32 num = s->has_vip ? s->vip.num & (VIPS - 1) : 0;
	struct vip_rates *v = &r->vip[num];
	struct limited l = {.by = r, .vip = v};
	struct instant t = {.now = coarse_now(s), .lag = r->lag};
	enum reason reason = 0, other;
	if (r->flags & RATELIMIT_TENANTS) {
		num = tenant_of(s->version, num);
		l.tenant = num ? &r->vip[num] : 0;
	}
	if ((r->flags & (RATELIMIT_SEVERAL | RATELIMIT_OFFERED)) == RATELIMIT_SEVERAL)
		reason = find_full(s, &l, &t);
	if (!reason && r->scopes)
		reason = take_sources(s, r, v, &t);
	if (!reason || r->flags & RATELIMIT_OFFERED) {
		other = take_windows(s, &l, &t);
		reason = reason ? reason : other;
	}
	return reason;
}

AI enum reason limit(struct scratch *s, struct ratelimit **settings)
{
	if (!begins_connection(s))
		return 0;
	__u32 element = settings_at_hand(s);
	struct ratelimit *r = bpf_map_lookup_elem(&ratelimits, &element);
	if (!r)
		return 0;
	*settings = r;
	enum reason reason = judge(s, r);
	return reason && refuses(s, reason) ? reason : 0;
}

SEC("xdp")
int ratelimit(struct xdp_md *ctx)
{
	struct scratch *s = scratch_of_this_cpu();
	struct ratelimit *r = 0;
	if (!s)
		return XDP_PASS;
	enum reason reason = limit(s, &r);
	if (!reason) {
		next_stage(ctx, s);
		return leave_at_end(s, XDP_PASS);
	}
	int answered = r && r->flags & RATELIMIT_RESET && may_reset(s) && make_reset(ctx, s);
	if (answered)
		saw(s, SAW_ANSWERED, 0, 0);
	return leave_dropped(s, answered ? XDP_TX : XDP_DROP, reason);
}

SEC("tc")
int ratelimit_tc(struct __sk_buff *ctx)
{
	struct scratch *s = scratch_of_this_cpu();
	struct ratelimit *r = 0;
	if (!s)
		return TC_ACT_UNSPEC;
	enum reason reason = limit(s, &r);
	if (reason)
		return leave_dropped(s, TC_ACT_SHOT, reason);
	next_stage(ctx, s);
	return leave_at_end(s, TC_ACT_UNSPEC);
}

char _license[] SEC("license") = "Dual BSD/GPL";
