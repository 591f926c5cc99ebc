// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include <linux/types.h>

// The part of the ABI that is about events.

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
	__u8 pad[6];
	__u8 src[16]; // IPv4 in the first four
	__u8 dst[16];
};
_Static_assert(sizeof(struct drop_event) == 64, "drop_event");
