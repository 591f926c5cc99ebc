// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "chain.h"

// Numbers that a kernel function counts of its own, beside the reasons: what each of them is, engine/datapath/own.go
// says.

#define OWN_COUNTS 4 // of a stage

// What one CPU counted, by chain and account.
struct own_counts {
	__u64 stage[CHAINS][POSITIONS][OWN_COUNTS];
};
_Static_assert(sizeof(struct own_counts) == 65536, "own_counts");

MAP(own_counts, ARRAY, struct own_counts, 1, BPF_F_MMAPABLE);

AI void count_own(struct scratch *s, __u32 which)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct own_counts *c = bpf_map_lookup_elem(&own_counts, &cpu);
	if (!dry && c)
		c->stage[s->chain & (CHAINS - 1)][account_at_hand(s)][which & (OWN_COUNTS - 1)]++;
}
