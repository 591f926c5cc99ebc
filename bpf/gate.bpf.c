// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//go:build ignore

#include <linux/errno.h>
#include "map.h"

MAP(control, ARRAY, struct control, 1, BPF_F_MMAPABLE);

// The gate: the only writer of `control`. It runs as a system call of the owner (BPF_PROG_TEST_RUN), checks who asks
// and from where, and arms the way back before it switches, so that no death of any process leaves a change unguarded.

#define CLOCK_MONOTONIC 1

struct alarm {
	struct bpf_timer timer;
};

// In a map of its own, which user space never writes: a write would cancel the timer silently.
MAP(alarms, ARRAY, struct alarm, 1, 0);

#define PENDING (1ULL << 32)

// One atomic step from one word of active and pending to another. Fails when the other side, a run of the gate or the
// timer, was first.
AI int step(struct control *c, __u64 from, __u64 to, __u64 now)
{
	if (__sync_val_compare_and_swap(&c->live, from, to) != from)
		return 0;
	__u32 old = from, new = to;
	if (old != new) {
		c->left[old & (GENERATIONS - 1)] = now;
		c->switched = now;
	}
	return 1;
}

// Nobody confirmed in time, perhaps because nobody is left.
static int go_back(void *map, __u32 *key, struct alarm *alarm)
{
	__u32 zero = 0;
	struct control *c = bpf_map_lookup_elem(&control, &zero);
	if (!c)
		return 0;
	for (int i = 0; i < 4; i++) { // again when an apply that builds on the change came between
		__u64 live = *(volatile __u64 *)&c->live;
		if (!(live & PENDING))
			return 0;
		if (step(c, live, c->confirmed, bpf_ktime_get_ns()))
			break;
	}
	__sync_fetch_and_add(&c->fallbacks, 1);
	return 0;
}

AI enum gate_result start_alarm(struct alarm *a, __u64 after)
{
	long err = bpf_timer_init(&a->timer, &alarms, CLOCK_MONOTONIC);
	if (err && err != -EBUSY) // busy: it was made before, by an earlier change
		return GATE_NOTIMER;
	if (bpf_timer_set_callback(&a->timer, go_back) || bpf_timer_start(&a->timer, after, 0))
		return GATE_NOTIMER;
	return GATE_DONE;
}

AI enum gate_result activate(struct control *c, struct alarm *a, struct gate_args *args)
{
	__u64 now = bpf_ktime_get_ns(), from = args->from, to = args->to, live = c->live;
	if (to >= GENERATIONS)
		return GATE_INVALID;
	if ((__u32)live != from)
		return GATE_MOVED;
	if (live & PENDING) // builds on a change that is not confirmed: both go back at the first deadline
		return step(c, live, to | PENDING, now) ? GATE_DONE : GATE_LATE;
	if (!args->deadline_ns) {
		step(c, from, to, now);
		c->confirmed = to;
		return GATE_DONE;
	}
	c->deadline = now + args->deadline_ns;
	step(c, from, from | PENDING, now);
	if (start_alarm(a, args->deadline_ns) != GATE_DONE) {
		step(c, from | PENDING, from, now);
		return GATE_NOTIMER;
	}
	return step(c, from | PENDING, to | PENDING, now) ? GATE_DONE : GATE_LATE;
}

// Only the cancel itself can say whether it came in time.
AI enum gate_result confirm(struct control *c, struct alarm *a)
{
	if (!c->pending)
		return GATE_LATE; // it went back: what the caller would call confirmed is not live
	if (bpf_timer_cancel(&a->timer) != 1)
		return GATE_LATE;
	c->confirmed = c->active;
	*(volatile __u32 *)&c->pending = 0;
	return GATE_DONE;
}

AI enum gate_result revert(struct control *c, struct alarm *a)
{
	if (!c->pending)
		return GATE_LATE;
	if (bpf_timer_cancel(&a->timer) != 1)
		return GATE_LATE;
	return step(c, c->live, c->confirmed, bpf_ktime_get_ns()) ? GATE_DONE : GATE_LATE;
}

AI enum gate_result decide(struct control *c, struct alarm *a, struct gate_args *args)
{
	if (args->op == GATE_TAKE) {
		if (args->epoch <= c->epoch)
			return GATE_EPOCH;
		c->epoch = args->epoch;
		return GATE_DONE;
	}
	if (args->epoch != c->epoch)
		return GATE_EPOCH;
	if (args->op == GATE_ACTIVATE)
		return activate(c, a, args);
	if (args->op == GATE_CONFIRM)
		return confirm(c, a);
	if (args->op == GATE_REVERT)
		return revert(c, a);
	return GATE_INVALID;
}

SEC("syscall")
int gate(struct gate_args *args)
{
	__u32 zero = 0;
	struct control *c = bpf_map_lookup_elem(&control, &zero);
	struct alarm *a = bpf_map_lookup_elem(&alarms, &zero);
	if (!c || !a)
		return GATE_INVALID;
	if (__sync_val_compare_and_swap(&c->busy, 0, 1))
		return GATE_BUSY;
	enum gate_result result = decide(c, a, args);
	__sync_val_compare_and_swap(&c->busy, 1, 0);
	return result;
}

char _license[] SEC("license") = "Dual BSD/GPL";
