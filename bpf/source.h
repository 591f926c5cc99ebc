// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "instant.h"
#include "map.h"

// How many connections a source began in the last second: a log as in window.h, of eight batches, in 24 bytes.
//
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

// A log. Its stamps mean something only when a batch was complete in the last second.
struct source {
	struct stamps stamps;
	__u64 state;
};

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
AI __u64 heard(__u64 state, __u32 now)
{
	return below(rough_since(now, state >> STATE_SEEN, SEEN_MASK), ROUGH_SECOND + ROUGH_AHEAD) & differ(state, 0);
}

// All ones when a batch was complete in the last second.
AI __u64 young(__u64 state, __u32 now)
{
	return below(rough_since(now, state >> STATE_NEWEST, NEWEST_MASK), ROUGH_SECOND + ROUGH_AHEAD);
}

// The state of a log with nothing in the last second.
AI __u64 begin_log(__u32 now)
{
	return (__u64)(((now >> ROUGH) - ROUGH_SECOND) & NEWEST_MASK) << STATE_NEWEST;
}

// When the newest connection of a log came that comes now, as its state has it.
AI __u64 seen_at(__u32 rough)
{
	return (__u64)(rough & SEEN_MASK) << STATE_SEEN;
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
	__u64 batches = lanes_below(lane_ages(l->stamps.of[0], now), UNITS_SECOND + AHEAD) +
			lanes_below(lane_ages(l->stamps.of[1], now), UNITS_SECOND + AHEAD);
	batches &= young(l->state, now);
	return (batches << STATE_PLACE | (l->state & FILLED_MASK) | 1U << 17) & heard(l->state, now);
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
	__u64 fresh = young(l->state, now);
	a->ages[0] = (lanes_min(lane_ages(l->stamps.of[0], now), A_SECOND_OLD) & fresh) | (A_SECOND_OLD & ~fresh);
	a->ages[1] = (lanes_min(lane_ages(l->stamps.of[1], now), A_SECOND_OLD) & fresh) | (A_SECOND_OLD & ~fresh);
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
	if (!left || !l || !heard(l->state, now))
		return 0;
	struct aged a, b, to = {.load = ~0ULL >> 1};
	age(&a, l, now);
	if (heard(left->state, now)) {
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
	left->stamps.of[0] = lanes_minus(at, to.ages[0]);
	left->stamps.of[1] = lanes_minus(at, to.ages[1]);
	left->state = (to.filled & FILLED_MASK) |
		      ((rough - ((to.ages[0] & 0xffff) >> ROUGH)) & NEWEST_MASK) << STATE_NEWEST |
		      seen_at(rough - to.seen);
	return 0;
}

// The state of the log that a new source begins with; the stamps are the same. Its batches may not lie as those of the
// logs that it came from: until eight are its own, they have the smallest size.
AI __u64 begin_after(__u64 left, __u32 now)
{
	return heard(left, now) ? left | STATE_AFTER : begin_log(now);
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
	if (!young(l->state, now))
		return 1;
	__u32 back = rate < SOURCE_SLOTS ? rate - 1 : SOURCE_SLOTS - 1;
	__u32 stamp = (back & 4 ? l->stamps.of[1] : l->stamps.of[0]) >> (back & 3) * 16;
	return a_second_since(t, (now + AHEAD - ((now + AHEAD - stamp) & 0xffff)) << UNIT);
}

AI void complete_batch(struct source *l, struct instant *t)
{
	make_exact(t);
	__u32 done = (t->now >> UNIT) + 1, place = ((l->state >> STATE_PLACE) + 1) & PLACE_MASK;
	__u64 at = (__u64)((done + AHEAD) & 0xffff) * LANES, most = A_SECOND_OLD + LANES, fresh = young(l->state, done);
	__u64 ages0 = (lanes_min(lane_ages(l->stamps.of[0], done), most) & fresh) | (most & ~fresh);
	__u64 ages1 = (lanes_min(lane_ages(l->stamps.of[1], done), most) & fresh) | (most & ~fresh);
	l->stamps.of[0] = lanes_minus(at, ages0);
	l->stamps.of[1] = lanes_minus(at, ages1);
	l->stamps.of[1] = l->stamps.of[1] << 16 | l->stamps.of[0] >> 48;
	l->stamps.of[0] = l->stamps.of[0] << 16 | (done & 0xffff);
	l->state = (place ? l->state & STATE_AFTER : 0) | place << STATE_PLACE |
		   (__u64)(((done >> ROUGH) + 1) & NEWEST_MASK) << STATE_NEWEST;
}

// The state of a log of which no batch was complete in the last second, with one connection more; 0 = it has one, or
// the batch at hand is complete with this connection.
AI __u64 add_plainly(__u64 state, __u32 rate, struct instant *t)
{
	if (young(state, t->now >> UNIT) || (state & FILLED_MASK) + 1 >= source_batch(state, rate))
		return 0;
	state = (state + 1) | STATE_OPEN;
	return (state & ~seen_at(SEEN_MASK)) | seen_at(((t->now + t->lag) >> (UNIT + ROUGH)) + 1);
}

// Logs a connection and returns 1, or returns 0 when it would be one too many. With offered, logs it also then.
AI int log_take(struct source *l, struct at_source *a, struct instant *t)
{
	int fits = 1;
	if (!(l->state & STATE_OPEN) || a->offered)
		fits = source_fits(l, a->rate, t);
	if (!fits && !a->offered)
		return 0;
	if ((l->state & FILLED_MASK) + 1 < source_batch(l->state, a->rate))
		l->state = (l->state + 1) | STATE_OPEN;
	else
		complete_batch(l, t);
	l->state = (l->state & ~seen_at(SEEN_MASK)) | seen_at(((t->now + t->lag) >> (UNIT + ROUGH)) + 1);
	return fits;
}
