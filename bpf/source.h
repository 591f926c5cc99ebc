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
MAP(sources, ARRAY, struct source_set, SOURCE_SETS, BPF_F_MMAPABLE); // so that a set begins with a cache line

// Stamps are 16 bits in units of 2^16 ns, which wrap after 4 s: those of more than a second are taken for one second
// whenever a batch is complete, and all of them when no batch was in the last second. The times in a log's state are in
// units of 2^20 ns.
#define UNIT	     16
#define UNITS_SECOND 15259 // not less than a second
#define AHEAD	     1024  // units that another CPU's stamp may be ahead
#define ROUGH	     4	   // a rough unit is 2^4 of them
#define ROUGH_SECOND 955
#define ROUGH_AHEAD  (AHEAD >> ROUGH)
#define A_SECOND_OLD ((UNITS_SECOND + AHEAD) * LANES)

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

// Rough units since a time of which the lower bits were kept.
AI __u32 rough_since(__u32 now, __u32 then, __u32 mask)
{
	return ((now >> ROUGH) + ROUGH_AHEAD - then) & mask;
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
	return below(rough_since(now, l->state >> STATE_SEEN, SEEN_MASK), ROUGH_SECOND + ROUGH_AHEAD) &
	       differ(l->state, 0);
}

// All ones when a batch was complete in the last second.
AI __u64 young(struct source *l, __u32 now)
{
	return below(rough_since(now, l->state >> STATE_NEWEST, NEWEST_MASK), ROUGH_SECOND + ROUGH_AHEAD);
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
	l->state = (__u64)(((now >> ROUGH) - ROUGH_SECOND) & NEWEST_MASK) << STATE_NEWEST;
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
	__u64 load; // in the last second
};

AI void age(struct aged *a, struct source *l, __u32 now)
{
	__u64 fresh = young(l, now);
	a->ages[0] = (lanes_min(lane_ages(l->stamp[0], now), A_SECOND_OLD) & fresh) | (A_SECOND_OLD & ~fresh);
	a->ages[1] = (lanes_min(lane_ages(l->stamp[1], now), A_SECOND_OLD) & fresh) | (A_SECOND_OLD & ~fresh);
	a->seen = rough_since(now, l->state >> STATE_SEEN, SEEN_MASK);
	a->filled = l->state & FILLED_MASK;
}

AI __u64 least(__u64 a, __u64 b)
{
	return b ^ ((a ^ b) & below(a, b));
}

// The same log with its batch at hand taken for complete.
AI struct aged complete(struct aged *a)
{
	return (struct aged){
		.ages = {a->ages[0] << 16 | (a->seen << ROUGH & 0x7fff), a->ages[1] << 16 | a->ages[0] >> 48},
		.seen = a->seen,
	};
}

// The log of a and b together: for each batch the later time, so that since any time it has no fewer connections than
// either. Put in `to` if it has less in the last second than what is there.
AI void join(struct aged *to, struct aged *a, struct aged *b)
{
	struct aged both = {
		.ages = {lanes_min(a->ages[0], b->ages[0]), lanes_min(a->ages[1], b->ages[1])},
		.seen = least(a->seen, b->seen),
		.filled = ~least(~a->filled, ~b->filled),
	};
	both.load = (__u64)(lanes_below(both.ages[0], UNITS_SECOND + AHEAD) +
			    lanes_below(both.ages[1], UNITS_SECOND + AHEAD))
			    << STATE_PLACE |
		    both.filled;
	__u64 less = below(both.load, to->load);
	to->ages[0] ^= (to->ages[0] ^ both.ages[0]) & less;
	to->ages[1] ^= (to->ages[1] ^ both.ages[1]) & less;
	to->filled ^= (to->filled ^ both.filled) & less;
	to->load ^= (to->load ^ both.load) & less;
}

// Keeps in `left` what a source logged that leaves. When the connections in the batch at hand came is not known, and
// there are three ways to put up with that. This and the functions below that are not inlined are so that the verifier
// looks at them once.
__noinline int leave_log(struct source *left, struct source *l, __u32 now)
{
	if (!left || !l || !heard(l, now))
		return 0;
	struct aged a, b, to = {.load = ~0ULL >> 1};
	age(&a, l, now);
	if (heard(left, now)) {
		age(&b, left, now);
		struct aged a_complete = complete(&a), b_complete = complete(&b);
		join(&to, &a, &b);
		join(&to, &a_complete, &b);
		join(&to, &a, &b_complete);
		to.seen = least(a.seen, b.seen);
	} else {
		to = a;
	}
	__u64 at = (__u64)((now + AHEAD) & 0xffff) * LANES, rough = (now >> ROUGH) + ROUGH_AHEAD;
	left->stamp[0] = lanes_minus(at, to.ages[0]);
	left->stamp[1] = lanes_minus(at, to.ages[1]);
	left->state = (to.filled & FILLED_MASK) |
		      ((rough - ((to.ages[0] & 0xffff) >> ROUGH)) & NEWEST_MASK) << STATE_NEWEST |
		      ((rough - to.seen) & SEEN_MASK) << STATE_SEEN;
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
	return a_second_since(t, (now + AHEAD - ((now + AHEAD - stamp) & 0xffff)) << UNIT);
}

AI void complete_batch(struct source *l, struct instant *t)
{
	make_exact(t);
	__u32 done = (t->now >> UNIT) + 1, place = ((l->state >> STATE_PLACE) + 1) & PLACE_MASK;
	__u64 at = (__u64)((done + AHEAD) & 0xffff) * LANES, most = A_SECOND_OLD + LANES, fresh = young(l, done);
	__u64 ages0 = (lanes_min(lane_ages(l->stamp[0], done), most) & fresh) | (most & ~fresh);
	__u64 ages1 = (lanes_min(lane_ages(l->stamp[1], done), most) & fresh) | (most & ~fresh);
	l->stamp[0] = lanes_minus(at, ages0);
	l->stamp[1] = lanes_minus(at, ages1);
	l->stamp[1] = l->stamp[1] << 16 | l->stamp[0] >> 48;
	l->stamp[0] = l->stamp[0] << 16 | (done & 0xffff);
	l->state = (place ? l->state & STATE_AFTER : 0) | place << STATE_PLACE |
		   (__u64)(((done >> ROUGH) + 1) & NEWEST_MASK) << STATE_NEWEST;
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
	__u64 seen = ((t->now + t->lag) >> (UNIT + ROUGH)) + 1;
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

// Asks for the four cache lines of a set at once: which of them are needed is known only when the first is there.
AI void fetch_set(struct source_set *set)
{
	*(volatile __u64 *)&set->way[0].stamp[0];
	*(volatile __u64 *)&set->way[2].state;
	*(volatile __u64 *)&set->way[5].stamp[1];
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
	__u32 place = a->key >> 49;
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
_Static_assert(SOURCE_SETS == 1 << 15, "place");
