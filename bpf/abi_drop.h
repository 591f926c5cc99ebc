// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include <linux/types.h>

// Drops as events.

// Which drops for a reason are told: of each tick of 32 jiffies one in 2^shift, which follows how many there are.
struct told {
	__u32 skip; // drops until the next that is told
	__u16 tick;
	__u8 shift;
	__u8 told; // in this tick, less where there were many
};
_Static_assert(sizeof(struct told) == 8, "told");

// Drops that are told of a tick and CPU, at least, where there are so many. Up to twice as many are, and some more
// while a flood begins.
#define TOLD 4

// One dropped packet of many.
struct drop_event {
	__u64 time; // ns of CLOCK_MONOTONIC
	__u32 chain;
	__u32 bytes;
	__u16 vip;
	__be16 src_port;
	__be16 dst_port;
	__u8 reason; // enum reason
	__u8 family; // 4, 6; 0 = not IP
	__u8 l4_proto;
	__u8 tcp_flags;
	__u8 pad[2];
	__u32 one_in; // of so many drops for this reason it is one
	__u8 src[16]; // IPv4 in the first four
	__u8 dst[16];
};
_Static_assert(sizeof(struct drop_event) == 64, "drop_event");
