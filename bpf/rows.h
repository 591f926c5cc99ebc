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

// One case of jump(). The constants keep the compiler from making one call of all of them.
#define JUMP(number)                                                                                                   \
	case number:                                                                                                   \
		asm volatile("r1 = %[ctx]\n\tr2 = %[rows]\n\tr3 = %[place]\n\tr3 += %[row]\n\tcall 12"                 \
			     :                                                                                         \
			     : [ctx] "r"(ctx), [rows] "r"(&rows), [place] "r"(place),                                  \
			       [row] "i"(number * CHAINS * POSITIONS)                                                  \
			     : "r0", "r1", "r2", "r3", "r4", "r5", "memory");                                          \
		break

// Calls the program at a place of a generation's rows: chain × POSITIONS + position, a constant once the program is
// loaded. The kernel makes a tail call whose index it knows a direct jump; any other is indirect, and takes 14 ns
// instead of one where the processor needs retpolines. Returns only when nothing is there.
AI void jump(void *ctx, __u32 generation, __u64 place)
{
	switch (generation) {
		JUMP(0);
		JUMP(1);
		JUMP(2);
		JUMP(3);
		JUMP(4);
		JUMP(5);
		JUMP(6);
		JUMP(7);
		JUMP(8);
		JUMP(9);
		JUMP(10);
		JUMP(11);
		JUMP(12);
		JUMP(13);
		JUMP(14);
		JUMP(15);
	}
}
_Static_assert(GENERATIONS == 16, "jump");
