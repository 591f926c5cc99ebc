// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "abi_connlimit.h"
#include "map.h"
#include "scratch.h"

// Tallies: how many flows there are of a chain, a VIP or a source, by the tick at which each ends unless it is seen
// again. When time passes a bucket, what is in it falls out of the sum: whoever comes next sees to that, so nothing has
// to be swept. A tick is 2^30 ns. Everything here may happen on several CPUs at a time.

MAP(flows, ARRAY, struct set, FLOW_SETS, BPF_F_MMAPABLE);
MAP(tallies, ARRAY, struct tally, TALLIES, BPF_F_MMAPABLE);

// The bucket of a flow: one a tick while its end is near, one for 32 ticks while it is idle at most.
AI __u32 bucket_of(__u64 entry)
{
	__u32 ends = entry & FLOW_ENDS_MASK;
	if ((entry >> FLOW_STATE_SHIFT & 3) == FLOW_OPEN)
		return TALLY_NEAR + (ends >> TALLY_FAR_SHIFT & (TALLY_FAR - 1));
	return ends & (TALLY_NEAR - 1);
}

AI void drop_bucket(struct tally *x, __u32 i)
{
	__u32 *bucket = &x->bucket[i & (TALLY_NEAR + TALLY_FAR - 1)];
	if (!*(volatile __u32 *)bucket)
		return;
	__u32 n = __sync_lock_test_and_set(bucket, 0);
	__sync_fetch_and_add(&x->sum, -n);
}

#define FAR_WIDTH (1 << TALLY_FAR_SHIFT)

// Drops what ended after `from`, by `until`: at most a cycle later. Near ends are never TALLY_NEAR ticks ahead.
FUNCTION int drop_ended(struct tally *x, __u32 from, __u32 until)
{
	if (!x)
		return 0;
	__u32 far = (from + 1) >> TALLY_FAR_SHIFT, far_end = (until + 1) >> TALLY_FAR_SHIFT;
#pragma clang loop unroll(disable)
	for (__u32 i = 1; i <= TALLY_NEAR && i <= until - from; i++)
		drop_bucket(x, (from + i) & (TALLY_NEAR - 1));
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i <= TALLY_FAR && i < far_end - far; i++)
		drop_bucket(x, TALLY_NEAR + ((far + i) & (TALLY_FAR - 1)));
	return 1;
}

#define TURN_TRIES 16
#define TURN_WAITS 1024

FUNCTION int await_turn(struct tally *x)
{
	if (!x)
		return 0;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < TURN_WAITS; i++)
		if (!(*(volatile __u32 *)&x->tick & TALLY_TURNS))
			return 1;
	return 0;
}

// Drops what ended by a tick; a bucket goes a whole tick after the last packet that may still move a flow out of it.
// One CPU does so while the others wait, for what they would count meanwhile may be in a bucket that is about to be
// dropped: some microseconds, of a tally that nobody came by for long. Returns 0 where it takes longer than that.
FUNCTION int turn_tally(struct tally *x, __u32 until)
{
	if (!x)
		return 0;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < TURN_TRIES; i++) {
		__u32 tick = *(volatile __u32 *)&x->tick;
		if (tick & TALLY_TURNS) {
			await_turn(x);
			continue;
		}
		if ((__s32)(until - tick) <= 0)
			return 1;
		if (__sync_val_compare_and_swap(&x->tick, tick, tick | TALLY_TURNS) != tick)
			continue;
		if (*(volatile __u32 *)&x->sum)
			drop_ended(x, until - tick > TALLY_CYCLE ? until - TALLY_CYCLE : tick, until);
		__sync_lock_test_and_set(&x->tick, until);
		return 1;
	}
	return 0;
}

// The sum of a tally without what has ended by a tick, for dry runs, which drop nothing.
FUNCTION __u32 tally_sum(struct tally *x, __u32 until)
{
	if (!x)
		return 0;
	__u32 from = x->tick & ~TALLY_TURNS, sum = x->sum;
	if ((__s32)(until - from) <= 0)
		return sum;
	if (until - from > TALLY_CYCLE)
		from = until - TALLY_CYCLE;
	__u32 far = (from + 1) >> TALLY_FAR_SHIFT, far_end = (until + 1) >> TALLY_FAR_SHIFT;
#pragma clang loop unroll(disable)
	for (__u32 i = 1; i <= TALLY_NEAR && i <= until - from; i++)
		sum -= x->bucket[(from + i) & (TALLY_NEAR - 1)];
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < TALLY_FAR && i < far_end - far; i++)
		sum -= x->bucket[TALLY_NEAR + ((far + i) & (TALLY_FAR - 1))];
	return sum;
}

AI void add_to_bucket(struct tally *x, __u32 i, __u32 n)
{
	__sync_fetch_and_add(&x->bucket[i & (TALLY_NEAR + TALLY_FAR - 1)], n);
}

AI void leave_tally(__u32 place, __u32 bucket)
{
	struct tally *x = bpf_map_lookup_elem(&tallies, &place);
	if (!x)
		return;
	add_to_bucket(x, bucket, -1);
	__sync_fetch_and_add(&x->sum, -1);
}

// Takes back the flow that an earlier packet began on this CPU, since that packet did not get out. It is the next one
// of the stage that does it, so that the tables of flows are this stage's alone; without one, a flow that begins is
// soon forgotten by itself.
FUNCTION int release_flow(struct scratch *s, __u32 now)
{
	if (!s)
		return 0;
	__u32 held = s->given_back - 1, set = held / SET_WAYS, way = held % SET_WAYS;
	s->given_back = 0;
	struct set *there = bpf_map_lookup_elem(&flows, &set);
	if (!there || __sync_val_compare_and_swap(&there->entry[way], s->held_entry, 0) != s->held_entry)
		return 0; // another packet has taken it on
	if (((__u32)s->held_entry - now & FLOW_ENDS_MASK) > FLOW_ENDS_MASK / 2)
		return 1; // it has ended meanwhile, and fell out of the sums by itself
#pragma clang loop unroll(full)
	for (__u32 i = 0; i < HELD_TALLIES; i++)
		leave_tally(s->held_tally[i], bucket_of(s->held_entry));
	return 1;
}
