// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "chain.h"

#define SECOND 1000000000ULL

// What is known of the time: that it is now or later, and in most cases that is enough to know.
struct instant {
	__u64 now;  // ns of CLOCK_MONOTONIC
	__u64 lag;  // at most so much later
	__u64 told; // the exact time, where it is not to be asked for
};

AI void make_exact(struct instant *t)
{
	if (!t->lag)
		return;
	t->now = t->told ? t->told : bpf_ktime_get_ns();
	t->lag = 0;
}

// Whether a second has passed since then. The exact clock costs 20 ns, and is asked only when the coarse one cannot
// tell.
AI int a_second_since(struct instant *t, __u64 then)
{
	__u64 over = then + SECOND;
	if (t->now >= over)
		return 1;
	if (t->now + t->lag < over)
		return 0;
	make_exact(t);
	return t->now >= over;
}
