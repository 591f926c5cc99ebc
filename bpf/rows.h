// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "map.h"

// What root found out: which generation the whole packet sees, and on which chain. Small and apart from scratch,
// because root stays when scratch's layout changes.
struct entry {
	__u32 generation;
	__u32 chain;
	struct count lost[CHAINS]; // packets that found no row: the reason no_generation
};

MAP(entry, PERCPU_ARRAY, struct entry, 1, 0);

// The rows of stages: (generation × CHAINS + chain) × POSITIONS + position. One map for XDP, one for tc, one for dry
// runs.
MAP(rows, PROG_ARRAY, __u32, GENERATIONS *CHAINS *POSITIONS, 0);

AI __u32 row_of(__u32 generation, __u32 chain)
{
	return (generation * CHAINS + chain) * POSITIONS;
}
