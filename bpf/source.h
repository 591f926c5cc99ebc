// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "instant.h"
#include "mix.h"

// How many connections each source began in the last second: a log as in window.h, of eight batches, in 24 bytes.
// Sources are found by a keyed hash, so that nobody outside can aim at a set.
//
// A set has room for seven. When an eighth comes, the one with the fewest connections in the last second leaves, and
// what it logged is kept in `left`: for each batch and all that left, the latest time. A source that comes begins with
// that log. So one that left and comes back has never more than its rate, a flood of sources pushes out none that sends
// more than they do, and a new source loses only what the sources of a whole set have sent in vain.
MAP(sources, ARRAY, struct source_set, SOURCE_SETS, 0);

// A unit is 2^18 ns. Stamps are 16 bits of it, which wrap after 17 s: between two batches less than a second passes, or
// else all stamps are made anew.
#define UNIT	     18
#define UNITS_SECOND 3815 // not less than a second
#define AHEAD	     256  // units that another CPU's stamp may be ahead

#define STATE_PLACE  13
#define STATE_NEWEST 16
#define STATE_SEEN   39
#define STATE_AFTER  (1ULL << 62)
#define STATE_OPEN   (1ULL << 63)
#define FILLED_MASK  0x1fff
#define PLACE_MASK   0x7
#define NEWEST_MASK  0x7fffff
#define SEEN_MASK    0x7fffff

#define LANES	   0x0001000100010001ULL
#define LANES_HIGH 0x8000800080008000ULL

#define LOCK_TRIES 32

struct at_source {
	__u64 key;
	__u32 rate;
	__u32 offered;
};

// Units since a time of which the lower bits were kept.
AI __u32 units_since(__u32 now, __u32 then, __u32 mask)
{
	return (now + AHEAD - then) & mask;
}

// All ones when a is below b, else 0. In what looks at many logs there is no branch, of which the verifier would follow
// both ways for each.
AI __u64 below(__u64 a, __u64 b)
{
	__u64 mask = (__s64)(a - b) >> 63;
	asm volatile("" : "+r"(mask)); // or the compiler makes a branch of it
	return mask;
}

// All ones when a and b differ, else 0.
AI __u64 differ(__u64 a, __u64 b)
{
	__u64 mask = (__s64)((a ^ b) | -(a ^ b)) >> 63;
	asm volatile("" : "+r"(mask));
	return mask;
}

// All ones when a source began a connection in the last second.
AI __u64 heard(struct source *l, __u32 now)
{
	return below(units_since(now, l->state >> STATE_SEEN, SEEN_MASK), UNITS_SECOND + AHEAD) & differ(l->state, 0);
}

// All ones when a batch was complete in the last second.
AI __u64 young(struct source *l, __u32 now)
{
	return below(units_since(now, l->state >> STATE_NEWEST, NEWEST_MASK), UNITS_SECOND + AHEAD);
}

// Stamps that are all a second old.
AI __u64 old_stamps(__u32 now)
{
	return (__u64)((now - UNITS_SECOND) & 0xffff) * LANES;
}

// A log with nothing in the last second.
AI void begin_log(struct source *l, __u32 now)
{
	l->stamp[0] = l->stamp[1] = old_stamps(now);
	l->state = (__u64)((now - UNITS_SECOND) & NEWEST_MASK) << STATE_NEWEST;
}

// a - b in each of four lanes.
AI __u64 lanes_minus(__u64 a, __u64 b)
{
	return ((a | LANES_HIGH) - (b & ~LANES_HIGH)) ^ ((a ^ ~b) & LANES_HIGH);
}

// The smaller one in each of four lanes that are all below 2^15.
AI __u64 lanes_min(__u64 a, __u64 b)
{
	__u64 bits = ((a | LANES_HIGH) - b) & LANES_HIGH, ge = (bits >> 15) * 0xffff;
	return (b & ge) | (a & ~ge);
}

// How many of four lanes are below limit; all are below 2^15.
AI __u32 lanes_below(__u64 a, __u32 limit)
{
	__u64 not_below = ((a | LANES_HIGH) - limit * LANES) & LANES_HIGH;
	return 4 - ((not_below >> 15) * LANES >> 48);
}

// Units since each batch was complete.
AI __u64 lane_ages(__u64 stamps, __u32 now)
{
	return lanes_minus((__u64)((now + AHEAD) & 0xffff) * LANES, stamps);
}

// How much of a log lies in the last second: what leaves first has least.
AI __u64 weight(struct source *l, __u32 now)
{
	__u64 batches = lanes_below(lane_ages(l->stamp[0], now), UNITS_SECOND + AHEAD) +
			lanes_below(lane_ages(l->stamp[1], now), UNITS_SECOND + AHEAD);
	batches &= young(l, now);
	return (batches << STATE_PLACE | (l->state & FILLED_MASK) | 1U << 17) & heard(l, now);
}

// A log as it is compared with another: the ages of its batches, newest lowest, and of its newest connection.
struct aged {
	__u64 ages[2];
	__u64 seen;
	__u64 filled;
};

AI void age(struct aged *a, struct source *l, __u32 now)
{
	__u64 fresh = young(l, now), old = (UNITS_SECOND + AHEAD) * LANES;
	a->ages[0] = (lane_ages(l->stamp[0], now) & fresh) | (old & ~fresh);
	a->ages[1] = (lane_ages(l->stamp[1], now) & fresh) | (old & ~fresh);
	a->seen = units_since(now, l->state >> STATE_SEEN, SEEN_MASK);
	a->filled = l->state & FILLED_MASK;
}

// All ones when no batch of a is older than that of b.
AI __u64 none_older(__u64 a0, __u64 a1, __u64 b0, __u64 b1)
{
	return ~(differ(lanes_min(a0, b0), a0) | differ(lanes_min(a1, b1), a1));
}

// All ones when a has no fewer connections than b since any time: batch by batch, or when b's batch at hand is taken
// for complete.
AI __u64 no_fewer(struct aged *a, struct aged *b)
{
	__u64 as_is = none_older(a->ages[0], a->ages[1], b->ages[0], b->ages[1]) & ~below(a->filled, b->filled);
	__u64 complete = none_older(a->ages[0], a->ages[1], b->ages[0] << 16 | (b->seen & 0xffff),
				    b->ages[1] << 16 | b->ages[0] >> 48);
	return as_is | complete;
}

AI __u64 least(__u64 a, __u64 b)
{
	return b ^ ((a ^ b) & below(a, b));
}

// Keeps in `left` what a source logged that leaves: the larger of both logs, or where neither is, the larger of each
// part. This and the functions below that are not inlined are so that the verifier looks at them once.
__noinline int leave_log(struct source *left, struct source *l, __u32 now)
{
	if (!left || !l || !heard(l, now))
		return 0;
	struct aged a, b;
	age(&a, l, now);
	age(&b, left, now);
	__u64 both = heard(left, now), keep = both & no_fewer(&b, &a), take = ~both | (no_fewer(&a, &b) & ~keep);
	__u64 mixed = ~(keep | take), at = (__u64)((now + AHEAD) & 0xffff) * LANES;
	__u64 ages0 = (b.ages[0] & keep) | (a.ages[0] & take) | (lanes_min(a.ages[0], b.ages[0]) & mixed);
	__u64 ages1 = (b.ages[1] & keep) | (a.ages[1] & take) | (lanes_min(a.ages[1], b.ages[1]) & mixed);
	__u64 filled = (b.filled & keep) | (a.filled & take) | (~least(~a.filled, ~b.filled) & mixed);
	__u64 seen = (a.seen & ~both) | (least(a.seen, b.seen) & both);
	left->stamp[0] = lanes_minus(at, ages0);
	left->stamp[1] = lanes_minus(at, ages1);
	left->state = (filled & FILLED_MASK) | ((now + AHEAD - (ages0 & 0xffff)) & NEWEST_MASK) << STATE_NEWEST |
		      ((now + AHEAD - seen) & SEEN_MASK) << STATE_SEEN;
	return 0;
}

// The log that a new source begins with. Its batches may not lie as those of the logs that it came from: until eight
// are its own, they have the smallest size.
AI void begin_after(struct source *l, struct source *left, __u32 now)
{
	if (!heard(left, now)) {
		begin_log(l, now);
		return;
	}
	*l = *left;
	l->state |= STATE_AFTER;
}

AI __u32 source_batch(__u64 state, __u32 rate)
{
	__u32 place = state >> STATE_PLACE & PLACE_MASK;
	if (rate < SOURCE_SLOTS)
		return 1;
	if (state & STATE_AFTER)
		return rate / SOURCE_SLOTS;
	return (place + 1) * rate / SOURCE_SLOTS - place * rate / SOURCE_SLOTS;
}

// Whether the batch that lies a whole rate back was complete a second ago.
AI int source_fits(struct source *l, __u32 rate, struct instant *t)
{
	__u64 now = t->now >> UNIT;
	if (!young(l, now))
		return 1;
	__u32 back = rate < SOURCE_SLOTS ? rate - 1 : SOURCE_SLOTS - 1;
	__u32 stamp = (back & 4 ? l->stamp[1] : l->stamp[0]) >> (back & 3) * 16;
	return a_second_since(t, (now + AHEAD - units_since(now, stamp, 0xffff)) << UNIT);
}

AI void complete_batch(struct source *l, struct instant *t)
{
	make_exact(t);
	__u32 done = (t->now >> UNIT) + 1, place = ((l->state >> STATE_PLACE) + 1) & PLACE_MASK;
	if (!young(l, done))
		l->stamp[0] = l->stamp[1] = old_stamps(done - 1);
	l->stamp[1] = l->stamp[1] << 16 | l->stamp[0] >> 48;
	l->stamp[0] = l->stamp[0] << 16 | (done & 0xffff);
	l->state = (place ? l->state & STATE_AFTER : 0) | place << STATE_PLACE |
		   (__u64)(done & NEWEST_MASK) << STATE_NEWEST;
}

// Logs a connection and returns 1, or returns 0 when it would be one too many. With offered, logs it also then.
AI int log_take(struct source *l, struct at_source *a, struct instant *t)
{
	if (!heard(l, t->now >> UNIT))
		begin_log(l, t->now >> UNIT);
	int fits = 1;
	if (!(l->state & STATE_OPEN) || a->offered)
		fits = source_fits(l, a->rate, t);
	if (!fits && !a->offered)
		return 0;
	if ((l->state & FILLED_MASK) + 1 < source_batch(l->state, a->rate))
		l->state = (l->state + 1) | STATE_OPEN;
	else
		complete_batch(l, t);
	__u64 seen = ((t->now + t->lag) >> UNIT) + 1;
	l->state = (l->state & ~((__u64)SEEN_MASK << STATE_SEEN)) | (seen & SEEN_MASK) << STATE_SEEN;
	return fits;
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

// The way with the least in the last second.
AI __u32 find_least(struct source_set *set, __u32 now)
{
	__u64 way = ~0ULL >> 1;
#pragma clang loop unroll(full)
	for (__u64 i = 0; i < SOURCE_WAYS; i++)
		way = least(weight(&set->way[i], now) << 3 | i, way);
	return way & 7;
}

// The same for a source, whose log may have to be begun.
__noinline int set_take(struct source_set *set, struct at_source *a, struct instant *t)
{
	if (!set || !a || !t)
		return 0;
	struct source l;
	__u32 way = find_source(set, a->key), now = t->now >> UNIT;
	if (way < SOURCE_WAYS) {
		l = set->way[way & 7];
	} else {
		way = find_least(set, now);
		struct source left = set->left, leaves = set->way[way & 7];
		leave_log(&left, &leaves, now);
		begin_after(&l, &left, now);
		if (!dry) {
			set->left = left;
			set->key[way & 7] = a->key;
		}
	}
	int fits = log_take(&l, a, t);
	if (!dry)
		set->way[way & 7] = l;
	return fits;
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
	__u32 place = a->key >> 50;
	struct source_set *set = bpf_map_lookup_elem(&sources, &place);
	if (!set || (!dry && !lock_set(set)))
		return 0;
	int fits = set_take(set, a, t);
	if (!dry)
		__sync_lock_test_and_set(&set->lock, 0);
	return fits;
}
_Static_assert(SOURCE_SETS == 1 << 14, "place");
