// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "parse.h"
#include "seats.h"
#include "tally.h"
#include "tenant.h"

// Flows: connections as a node sees them that meets the client's half only. One begins with a SYN, and counts until the
// client's FIN and a minute, its RST, or silence. It is found by a keyed hash in a set of one cache line.

MAP(tally_sets, ARRAY, struct set, TALLY_SETS, BPF_F_MMAPABLE);
MAP(tally_names, ARRAY, struct seat_name, TALLY_SETS *SET_WAYS, BPF_F_MMAPABLE);

#define FLOW_FIN 0x01
#define FLOW_RST 0x04

struct flow {
	__u64 entry; // 0 = not known
	__u64 tag;   // in place
	__u32 set;
	__u32 way;
	__u32 now; // tick
	__u32 vip;
};

AI __u32 vip_at_hand(struct scratch *s)
{
	return s->has_vip && !(s->vip.flags & VIP_ADDRESS) ? s->vip.num & (VIPS - 1) : 0;
}

AI __u64 flow_key(struct scratch *s, __u32 vip)
{
	__u64 h = conn_key[1] ^ ((__u64)vip << 32 | s->ports);
	if (s->family == 4)
		return mix(mix(h) ^ ((__u64)s->src4 << 32 | s->dst4) ^ conn_key[0]);
	h = mix(h) ^ s->src6[0];
	h = mix(h) ^ s->src6[1];
	h = mix(h) ^ s->dst6[0];
	return mix((h ^ conn_key[0]) * MIX1 ^ s->dst6[1]);
}

AI __u32 flow_alive(__u64 entry, __u32 now)
{
	return entry && (((__u32)entry - now) & FLOW_ENDS_MASK) < (FLOW_ENDS_MASK + 1) / 2;
}

AI __u64 flow_entry(__u64 old, __u32 state, __u32 ends)
{
	old &= ~(__u64)(FLOW_ENDS_MASK | 3 << FLOW_STATE_SHIFT);
	return old | (ends & FLOW_ENDS_MASK) | state << FLOW_STATE_SHIFT;
}

AI struct set *find_flow(struct scratch *s, struct flow *f)
{
	__u64 h = flow_key(s, f->vip);
	f->set = h & (FLOW_SETS - 1);
	f->tag = h >> FLOW_TAG_SHIFT << FLOW_TAG_SHIFT;
	f->entry = 0;
	f->way = SET_WAYS;
	struct set *set = bpf_map_lookup_elem(&flows, &f->set);
	if (!set)
		return 0;
	__u64 hits = 0;
#pragma clang loop unroll(full)
	for (__u32 i = 0; i < SET_WAYS; i++) {
		__u64 entry = *(volatile __u64 *)&set->entry[i], differs = (entry ^ f->tag) >> FLOW_TAG_SHIFT;
		hits |= ((differs - 1) >> 63 & nonzero(entry)) << i;
	}
	if (!hits)
		return set;
	__u32 way = lowest(hits);
	f->entry = *(volatile __u64 *)&set->entry[way];
	f->way = way;
	return set;
}

// The tally of the source of the packet at hand by one way to tell sources apart; TALLIES = it has none.
FUNCTION __u32 tally_of_source(struct scratch *s, struct lens *l, int claim, __u32 until)
{
	if (!s || !l)
		return TALLIES;
	__u32 vip = vip_at_hand(s);
	if (!l->id || (l->by_vip && !vip))
		return TALLIES;
	struct seat_name n = {.lens = l->id, .vip = l->by_vip ? vip : 0};
	name_source(&n, s->family, s->src6, l->prefix4, l->prefix6);
	__u64 hash = name_hash(&n);
	__u32 place = hash >> 32 & (TALLY_SETS - 1), first = place * SET_WAYS;
	struct set *set = bpf_map_lookup_elem(&tally_sets, &place);
	if (!set)
		return TALLIES;
	__u32 ways = ways_of(set, hash);
	if (ways)
		return TALLY_SOURCES + first + lowest(ways);
	if (!claim)
		return TALLIES;
	for (__u32 i = 0; i < SET_WAYS; i++) {
		__u32 at = TALLY_SOURCES + first + i, name_at = first + i;
		struct tally *x = bpf_map_lookup_elem(&tallies, &at);
		__u64 old = *(volatile __u64 *)&set->entry[i];
		if (old && x)
			turn_tally(x, until);
		if (!x || (old && *(volatile __u32 *)&x->sum))
			continue;
		if (__sync_val_compare_and_swap(&set->entry[i], old, hash) != old)
			continue;
		struct seat_name *name = bpf_map_lookup_elem(&tally_names, &name_at);
		if (name)
			*name = n;
		return at;
	}
	return TALLIES;
}

// Moves a flow from where it was counted to where it is now; gone = it is not counted any more.
AI void move_in_tally(__u32 place, __u64 from, __u64 to, __u32 until)
{
	struct tally *x = bpf_map_lookup_elem(&tallies, &place);
	if (!x)
		return;
	if (!to) {
		leave_tally(place, bucket_of(from));
		return;
	}
	if (*(volatile __u32 *)&x->tick != until)
		turn_tally(x, until);
	add_to_bucket(x, bucket_of(to), 1);
	add_to_bucket(x, bucket_of(from), -1);
}

// What a packet of a known flow makes of its entry; 0 = the flow is over.
AI __u64 flow_goes_on(struct scratch *s, struct connlimit *x, struct flow *f, int syn)
{
	__u32 state = f->entry >> FLOW_STATE_SHIFT & 3;
	if (syn)
		return state == FLOW_OPEN ? f->entry : flow_entry(f->entry, FLOW_BEGINS, f->now + FLOW_BEGINS_FOR);
	if (s->tcp_flags & FLOW_RST)
		return 0;
	if (state == FLOW_ENDS)
		return f->entry;
	if (s->tcp_flags & FLOW_FIN)
		return flow_entry(f->entry, FLOW_ENDS, f->now + FLOW_ENDS_FOR);
	// To the end of a bucket, so that a flow is written once in its width.
	return flow_entry(f->entry, FLOW_OPEN, (f->now + x->idle) | ((1 << TALLY_FAR_SHIFT) - 1));
}

// The tally of the tenant whose VIP it is; TALLIES = it has none.
AI __u32 tally_of_tenant(struct scratch *s, __u32 vip)
{
	__u32 tenant = tenant_of(s->version, vip);
	return tenant ? tenant : TALLIES;
}

FUNCTION int continue_flow(struct scratch *s, struct connlimit *x, struct flow *f, int syn)
{
	if (!s || !x || !f)
		return 0;
	__u32 set = f->set, way = f->way & (SET_WAYS - 1), until = f->now - 2;
	__u64 next = flow_goes_on(s, x, f, syn);
	struct set *there = bpf_map_lookup_elem(&flows, &set);
	if (dry) {
		saw(s, SAW_FLOW, f->entry, 0);
		return 1;
	}
	if (next == f->entry || !there)
		return 1;
	if (__sync_val_compare_and_swap(&there->entry[way], f->entry, next) != f->entry)
		return 1; // a packet on another CPU did the same
	move_in_tally(VIPS + (f->entry >> FLOW_CHAIN_SHIFT & (CHAINS - 1)), f->entry, next, until);
	if (f->vip)
		move_in_tally(f->vip, f->entry, next, until);
	if (x->tenants)
		move_in_tally(tally_of_tenant(s, f->vip), f->entry, next, until);
	for (__u32 i = 0; i < LENSES; i++)
		if (f->entry >> (FLOW_LENS_SHIFT + i) & 1)
			move_in_tally(tally_of_source(s, &x->lens[i], 0, until), f->entry, next, until);
	return 1;
}

// How many flows there may be of what the packet at hand belongs to.
struct most { // 0 = no limit
	__u32 chain;
	__u32 vip;
	__u32 source[LENSES];
	__u32 tenant;
};

FUNCTION int find_most(struct scratch *s, struct connlimit *x, struct most *m)
{
	if (!s || !x || !m)
		return 0;
	__u32 of_vip = vip_at_hand(s), of_tenant = x->tenants ? tenant_of(s->version, of_vip) : 0;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < CONN_LIMITS && i < x->count; i++) {
		struct conn_limit *l = &x->limit[i];
		__u32 vip = l->by_vip == BY_TENANT ? of_tenant : of_vip;
		if ((l->by_vip && !vip) || (l->vip && l->vip != vip))
			continue;
		__u32 slot = l->slot & (LENSES - 1);
		if (l->lens)
			m->source[slot] = l->max;
		else if (l->by_vip == BY_TENANT)
			m->tenant = l->max;
		else if (l->by_vip)
			m->vip = l->max;
		else
			m->chain = l->max;
	}
	return 1;
}

// Counts one more in a tally, unless it has as many as it may. User space may have taken one too many off that of a
// tenant for a while, so it may be below 0.
AI int enter_tally(__u32 place, __u32 most, __u32 until)
{
	struct tally *x = bpf_map_lookup_elem(&tallies, &place);
	if (!x)
		return 1;
	if (dry)
		return !most || (__s32)tally_sum(x, until) < (__s32)most;
	if (*(volatile __u32 *)&x->tick != until && !turn_tally(x, until) && most)
		return 0;
	if (most && *(volatile __s32 *)&x->sum >= (__s32)most)
		return 0;
	if ((__s32)__sync_fetch_and_add(&x->sum, 1) < (__s32)most || !most)
		return 1;
	__sync_fetch_and_add(&x->sum, -1);
	return 0;
}

// Whether a flow that has no tally by one way to tell sources apart should have one.
AI int lacks_tally(struct lens *l, __u32 vip)
{
	return l->id && (vip || !l->by_vip);
}

// Counts a flow that did not begin for want of an entry, or that began and is not counted for its source.
AI void count_lack(int unheld)
{
	struct counters *c = counters_of_this_cpu();
	if (c && unheld)
		c->conn_full++;
	else if (c)
		c->conn_unplaced++;
}

AI void leave_sum(__u32 place)
{
	struct tally *x = bpf_map_lookup_elem(&tallies, &place);
	if (x)
		__sync_fetch_and_add(&x->sum, -1);
}

AI void count_flow_passage(struct scratch *s, __u32 which, int over)
{
	struct counters *c = counters_of_this_cpu();
	if (dry || !c || (which > 1 && which != HELD_OF_TENANT))
		return;
	__u32 vip = vip_at_hand(s);
	if (which == HELD_OF_TENANT)
		vip = tenant_of(s->version, vip);
	struct admission *p = which ? &c->conn_vip[vip & (VIPS - 1)] : &c->conn_chain[s->chain & (CHAINS - 1)];
	struct count *n = over ? &p->over : &p->passed;
	n->packets++;
	n->bytes += s->bytes;
}

// Writes the entry of a new flow: over its own older one, a free one, or one that has ended. Returns 0 where there is
// none.
FUNCTION int write_flow(struct flow *f, struct scratch *s)
{
	if (!f || !s)
		return 0;
	__u32 place = f->set;
	struct set *set = bpf_map_lookup_elem(&flows, &place);
	if (!set)
		return 0;
	for (__u32 i = 0; i < SET_WAYS; i++) {
		__u32 way = (f->way + i) & (SET_WAYS - 1);
		__u64 old = *(volatile __u64 *)&set->entry[way];
		if (flow_alive(old, f->now))
			continue;
		if (__sync_val_compare_and_swap(&set->entry[way], old, f->entry) != old)
			continue;
		s->held = place * SET_WAYS + way + 1;
		s->held_entry = f->entry;
		return 1;
	}
	return 0;
}

// Whether write_flow would find a place, in a dry run.
FUNCTION int has_way(struct flow *f, struct scratch *s)
{
	if (!f || !s)
		return 0;
	__u32 place = f->set;
	struct set *set = bpf_map_lookup_elem(&flows, &place);
	for (__u32 i = 0; set && i < SET_WAYS; i++)
		if (!flow_alive(*(volatile __u64 *)&set->entry[i], f->now))
			return 1;
	saw(s, SAW_NO_ROOM, 0, 0);
	return 0;
}

AI void saw_tally(struct scratch *s, __u64 which, __u32 most, __u32 until)
{
	__u32 place = which;
	struct tally *x = dry ? bpf_map_lookup_elem(&tallies, &place) : 0;
	if (x)
		saw(s, SAW_TALLY, which, most | (__u64)tally_sum(x, until) << 32);
}

// Lets a flow begin, if it may. Returns the reason why not, or 0.
FUNCTION int begin_flow(struct scratch *s, struct connlimit *x, struct flow *f, int limited)
{
	struct most m = {};
	__u32 reason = 0, n = 0, unplaced = 0, until;
	if (!s || !x || !f)
		return 0;
	until = f->now - 2;
	if (limited)
		find_most(s, x, &m);
	f->entry = f->tag | (__u64)(s->chain & (CHAINS - 1)) << FLOW_CHAIN_SHIFT;
	f->entry = flow_entry(f->entry, FLOW_BEGINS, f->now + FLOW_BEGINS_FOR);
#pragma clang loop unroll(full)
	for (__u32 i = 0; i < HELD_TALLIES; i++) {
		__u32 place = i == 0 ? VIPS + (s->chain & (CHAINS - 1)) : f->vip ? f->vip : TALLIES;
		if (i == HELD_OF_TENANT)
			place = x->tenants ? tally_of_tenant(s, f->vip) : TALLIES;
		else if (i > 1)
			place = tally_of_source(s, &x->lens[i - 2], !dry, until);
		__u32 most = i == 0 ? m.chain : i == 1 ? m.vip : i == HELD_OF_TENANT ? m.tenant : m.source[i - 2];
		s->held_tally[i] = place;
		if (reason)
			continue;
		int of_source = i > 1 && i < HELD_OF_TENANT;
		if (of_source && place != TALLIES)
			f->entry |= 1ULL << (FLOW_LENS_SHIFT + i - 2);
		else if (of_source)
			unplaced |= lacks_tally(&x->lens[i - 2], f->vip);
		int room = enter_tally(place, most, until);
		if (most)
			saw_tally(s, place | (__u64)i << 32 | (__u64)room << 40, most, until);
		if (room) {
			if (most)
				count_flow_passage(s, i, 0);
			n = i + 1;
			continue;
		}
		count_flow_passage(s, i, 1);
		reason = of_source ? REASON_SOURCE_CONN_LIMITED : REASON_CONN_LIMITED;
	}
	if (dry)
		return reason || has_way(f, s) ? reason : REASON_CONN_LIMITED;
	if (!reason && !write_flow(f, s)) {
		count_lack(1);
		reason = REASON_CONN_LIMITED;
	} else if (!reason && unplaced) {
		count_lack(0);
	}
#pragma clang loop unroll(full)
	for (__u32 i = 0; i < HELD_TALLIES; i++) {
		struct tally *at = bpf_map_lookup_elem(&tallies, &s->held_tally[i]);
		if (at && reason && i < n)
			leave_sum(s->held_tally[i]);
		else if (at && !reason)
			add_to_bucket(at, bucket_of(f->entry), 1);
	}
	return reason;
}

// What becomes of a TCP packet where flows are counted: the reason not to let it pass, or 0. Not limited, a flow begins
// however many there are.
AI enum reason limit_flow(struct scratch *s, struct connlimit *x, int syn, int limited)
{
	struct flow f = {.now = x->clock ? x->clock : (__u32)(coarse_now(s) >> 30), .vip = vip_at_hand(s)};
	if (s->given_back && !dry)
		release_flow(s, f.now);
	if (!find_flow(s, &f))
		return 0;
	if (flow_alive(f.entry, f.now)) {
		continue_flow(s, x, &f, syn);
		return 0;
	}
	return syn ? begin_flow(s, x, &f, limited) : 0;
}
