// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "abi.h"

// The part of the ABI that is about copies of packets for a collector.

#define MIRRORS	    64	       // elements of settings; 0 says nothing
#define MIRROR_SNAP 2048       // bytes of a frame at most
#define MIRROR_MARK 0x68710000 // of the socket that sends copies, which are not copied again

// What a mirror goes by.
struct mirror {
	__u64 id;    // says to user space whose the copies are
	__u64 rules; // names the program that has its filter; 0 = it copies every packet
	__u32 one_in;
	__u32 snap; // bytes of a frame that are copied
	__u32 rate; // copies of one CPU in 2^30 ns
	__u32 pad;
};
_Static_assert(sizeof(struct mirror) == 32, "mirror");

// A record of the ring buffer, which the frame follows.
struct mirrored {
	__u64 id;
	__u32 bytes; // of the whole frame
	__u16 l2_len;
	__u16 pad;
};
_Static_assert(sizeof(struct mirrored) == 16, "mirrored");

// What a stage counts of its own.
#define MIRROR_COPIED 0 // packets that were copied
#define MIRROR_LOST   1 // copies for which there was no room
#define MIRROR_OVER   2 // packets above the rate, not copied
