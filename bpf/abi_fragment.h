// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include <linux/types.h>

// Packets of which the first fragment came by: sets of one cache line, the newest in front. An entry, from bit 0: ports
// 32, as on the wire, or with snat the number of the VIP that the packet comes from, 0 for none; age 8, in ticks of
// 2^30 ns (1.1 s); tag 24. It is 0 when free.
#define FRAGMENT_SETS	   4096
#define FRAGMENT_AGE_SHIFT 32
#define FRAGMENT_AGE_MASK  0xff
#define FRAGMENT_TAG_SHIFT 40
#define FRAGMENT_LIFE	   28 // ticks: as long as hosts wait for the rest
