// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "chain.h"

// The coarse clock moves once a jiffy. So it is asked once a jiffy: the call takes longer than the search in a table.
AI __u64 coarse_now(struct scratch *s)
{
	__u64 jiffies = bpf_jiffies64();
	if (s->jiffies != jiffies) {
		s->jiffies = jiffies;
		s->now = bpf_ktime_get_coarse_ns();
	}
	return s->now;
}
