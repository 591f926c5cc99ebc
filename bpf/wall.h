// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "abi_tlswall.h"
#include "clock.h"
#include "keyed.h"

// Flows whose first bytes are awaited: sets of one cache line, found by a keyed hash. A flow enters by its SYN and
// stays until its place is needed: those that were seen leave first, then those of which only a SYN came, then those
// that were refused, each the oldest first. Who waits for his client to speak is never replaced, so that a flood of
// forged SYNs locks nobody out and lets nobody in. Two CPUs may take the same place at once; then one of two flows is
// not judged.
MAP(wall_flows, ARRAY, struct wall_set, WALL_SETS, BPF_F_MMAPABLE);

struct wall_place {
	struct wall_set *set;
	__u64 tag;   // in place: nothing else set
	__u32 hits;  // a bit for each entry with that tag
	__u32 begun; // the packet is a SYN, and its entry the only hit
};

AI int find_wall_flows(struct scratch *s, struct wall_place *p)
{
	__u64 h = ends_hash(s, s->ports);
	__u32 place = h & (WALL_SETS - 1);
	p->tag = h >> 32 << 32;
	p->set = bpf_map_lookup_elem(&wall_flows, &place);
	if (!p->set)
		return 0;
#pragma clang loop unroll(full)
	for (__u32 i = 0; i < WALL_WAYS; i++) {
		__u64 differs = (p->set->flow[i].key ^ p->tag) >> 32;
		p->hits |= (differs - 1) >> 63 << i;
	}
	return 1;
}

AI void set_wall_flow(struct scratch *s, struct wall_flow *f, enum wall_state state)
{
	if (!dry)
		*(volatile __u64 *)&f->at = (s->now & ~(__u64)WALL_STATES) | state;
}

AI void forget_wall_flow(struct wall_flow *f)
{
	if (dry)
		return;
	*(volatile __u64 *)&f->key = 0;
	*(volatile __u64 *)&f->at = 0;
}

// How willingly a place is given up: the less, the sooner. ~0 = never.
AI __u64 wall_worth(struct wall_flow *f, __u64 now, __u64 wait)
{
	__u64 at = f->at, age = now - at;
	if (!at || ((__s64)age > 0 && age >= wait))
		return 0;
	switch (at & WALL_STATES) {
	case WALL_SEEN:
		return at;
	case WALL_BEGUN:
		return at | 1ULL << 62;
	case WALL_REFUSED:
		return at | 2ULL << 62;
	}
	return ~0ULL;
}

// Remembers a flow by its SYN. Returns whether there was room.
AI int remember_wall_flow(struct scratch *s, struct wall_place *p, __u32 first, __u64 wait)
{
	__u64 key = p->tag | first, least = ~0ULL;
	__u32 way = WALL_WAYS;
#pragma clang loop unroll(full)
	for (__u32 i = 0; i < WALL_WAYS; i++) {
		struct wall_flow *f = &p->set->flow[i];
		if (f->key == key && f->at) { // sent again
			p->hits = 1 << i;
			p->begun = 1;
			return 1;
		}
		__u64 worth = wall_worth(f, s->now, wait);
		if (!(p->hits >> i & 1))
			worth = worth ?: 1;
		else if ((f->at & WALL_STATES) ==
			 WALL_SEEN) // the flow before with these ends, which may come by its numbers
			worth = 0;
		if (worth < least) {
			least = worth;
			way = i;
		}
	}
	if (way == WALL_WAYS)
		return 0;
	if (!dry) {
		*(volatile __u64 *)&p->set->flow[way & (WALL_WAYS - 1)].key = key;
		set_wall_flow(s, &p->set->flow[way & (WALL_WAYS - 1)], WALL_BEGUN);
	}
	p->hits = 1 << way;
	p->begun = 1;
	return 1;
}
