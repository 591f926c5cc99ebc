// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "source.h"

// The logs of many sources, in sets that a keyed hash leads to, so that nobody outside can aim at one.
//
// A set has room for seven. When an eighth comes, the one with the fewest connections in the last second leaves, and
// what it logged is kept in the last log: for each batch and all that left, the latest time. A source that comes begins
// with that log. So one that left and comes back has never more than its rate, a flood of sources pushes out none that
// sends more than they do, and a new source loses only what the sources of a whole set have sent in vain.
MAP(sources, ARRAY, struct source_set, SOURCE_SETS, BPF_F_MMAPABLE); // so that a set begins with a cache line

#define SOURCE_SET_SHIFT 50 // the upper bits of a key say which set
_Static_assert(SOURCE_SETS == 1 << (64 - SOURCE_SET_SHIFT), "set");

#define LEFT	   SOURCE_WAYS // the log of those that had to leave
#define LOCK_TRIES 32

AI void read_log(struct source *l, struct source_set *set, __u32 way)
{
	l->state = set->state[way & 7];
	l->stamps = set->stamps[way & 7];
}

AI void write_log(struct source_set *set, __u32 way, struct source *l)
{
	set->state[way & 7] = l->state;
	set->stamps[way & 7] = l->stamps;
}

// The way of a key; SOURCE_WAYS = none.
AI __u32 find_source(struct source_set *set, __u64 key)
{
	__u64 way = SOURCE_WAYS;
#pragma clang loop unroll(full)
	for (__u64 i = 0; i < SOURCE_WAYS; i++)
		way -= (SOURCE_WAYS - i) & ~differ(set->key[i], key);
	return way;
}

// The way with the least in the last second, by their stamps.
__noinline int find_least(struct source_set *set, __u32 now)
{
	__u64 way = ~0ULL >> 1;
	struct source l;
	if (!set)
		return 0;
#pragma clang loop unroll(full)
	for (__u64 i = 0; i < SOURCE_WAYS; i++) {
		read_log(&l, set, i);
		way = least(weight(&l, now) << 3 | i, way);
	}
	return way & 7;
}

#define HAS_BATCH (1U << 18)

// The same. Who had no batch complete in the last second has less than who had one, and its state says how much.
AI __u32 find_leaver(struct source_set *set, __u32 now)
{
	__u64 way = ~0ULL >> 1;
#pragma clang loop unroll(full)
	for (__u64 i = 0; i < SOURCE_WAYS; i++) {
		__u64 state = set->state[i], load = (state & FILLED_MASK) | 1U << 17 | (young(state, now) & HAS_BATCH);
		way = least((load & heard(state, now)) << 3 | i, way);
	}
	return way & HAS_BATCH << 3 ? find_least(set, now) : way & 7;
}

// Makes place for a new source in a way, and returns the log that it begins with.
__noinline int replace_log(struct source_set *set, __u32 way, struct source *l, __u32 now)
{
	struct source left;
	if (!set || !l)
		return 0;
	read_log(&left, set, LEFT);
	read_log(l, set, way);
	leave_log(&left, l, now);
	l->stamps = left.stamps;
	l->state = begin_after(left.state, now);
	if (!dry)
		write_log(set, LEFT, &left);
	return 1;
}

// The same where neither log has a batch in the last second: only their states count.
AI __u64 replace_state(struct source_set *set, __u32 way, __u32 now)
{
	__u64 left = set->state[LEFT], leaves = set->state[way & 7];
	if (heard(leaves, now)) {
		__u64 since = rough_since(now, leaves >> STATE_SEEN, SEEN_MASK), filled = leaves & FILLED_MASK;
		if (heard(left, now)) {
			since = least(since, rough_since(now, left >> STATE_SEEN, SEEN_MASK));
			filled = ~least(~filled, ~(left & FILLED_MASK));
		}
		left = begin_log(now) | filled | seen_at((now >> ROUGH) + ROUGH_AHEAD - since);
		if (!dry)
			set->state[LEFT] = left;
	}
	return begin_after(left, now);
}

// The same for a source, whose log may have to be begun.
AI int set_take(struct source_set *set, struct at_source *a, struct instant *t)
{
	struct source l;
	__u32 way = find_source(set, a->key), now = t->now >> UNIT;
	int replaced = 0;
	if (way < SOURCE_WAYS) {
		l.state = set->state[way & 7];
		if (!heard(l.state, now))
			l.state = begin_log(now);
	} else {
		way = find_leaver(set, now);
		replaced =
			young(set->state[way & 7], now) | (young(set->state[LEFT], now) & heard(set->state[LEFT], now));
		if (replaced)
			replace_log(set, way, &l, now);
		else
			l.state = replace_state(set, way, now);
		if (!dry)
			set->key[way & 7] = a->key;
	}
	__u64 plain = add_plainly(l.state, a->rate, t);
	if (plain) {
		if (!dry)
			set->state[way & 7] = plain;
		return 1;
	}
	if (!replaced)
		l.stamps = set->stamps[way & 7];
	int fits = log_take(&l, a, t);
	if (!dry)
		write_log(set, way, &l);
	return fits;
}

// Asks for the second cache line of a set while the first, which has the lock, is on its way.
AI void fetch_set(struct source_set *set)
{
	*(volatile __u64 *)&set->state[0];
}

AI int lock_set(struct source_set *set)
{
#pragma clang loop unroll(disable)
	for (int i = 0; i < LOCK_TRIES; i++) {
		if (!*(volatile __u32 *)&set->lock && !__sync_val_compare_and_swap(&set->lock, 0, 1))
			return 1;
	}
	return 0;
}

// The same under the set's lock. A lock that another CPU holds for too long refuses.
__noinline int source_take(struct at_source *a, struct instant *t)
{
	if (!a || !t)
		return 0;
	__u32 place = a->key >> SOURCE_SET_SHIFT;
	struct source_set *set = bpf_map_lookup_elem(&sources, &place);
	if (!set)
		return 0;
	fetch_set(set);
	if (!dry && !lock_set(set))
		return 0;
	int fits = set_take(set, a, t);
	if (!dry)
		__sync_lock_test_and_set(&set->lock, 0);
	return fits;
}
