// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include <linux/types.h>

// Captures: packets copied to user space, as they came into a chain and as they left it. The captor is a program that
// stands in front of a chain while somebody looks; see capture.bpf.c.

#define CAPTURES     6	  // at a time
#define CAPTURE_SNAP 2048 // bytes of a frame, at most

enum captor {
	CAPTOR_AROUND = 0,  // calls the chain, and sees its packets before and after
	CAPTOR_BETWEEN = 1, // is called after each stage, for packets that are captured
	CAPTORS = 2,
};

// Where a packet is copied.
#define POINT_CAME    1
#define POINT_LEFT    2
#define POINT_BETWEEN 4

// One capture. User space writes what stands first, the programs the rest.
struct capture {
	__u64 until;	  // ns of CLOCK_MONOTONIC; set on by whoever reads the capture, so that it ends with him
	__u64 most;	  // records
	__u64 most_bytes; // of records
	__u64 chains[2];  // bit c: of chain c
	__u32 one_in;	  // of how many packets one is looked at
	__u16 snap;	  // bytes of a frame; 0 = its headers
	__u8 points;	  // POINT_*
	__u8 pad;
	__u64 taken; // records, also those for which there was no room
	__u64 taken_bytes;
	__u64 lost;	 // records that found no room in the ring buffer
	__u8 after[128]; // by chain, the account of the stage after which packets are copied; 0 = none
};
_Static_assert(sizeof(struct capture) == 200, "capture");

// How a packet left, for filters that ask for it.
struct ending {
	__u32 verdict; // enum fate
	__u32 reason;
	__u32 stage;  // chain × POSITIONS + account of the stage at which it was at last
	__u32 layers; // LAYER_*
};

enum fate {
	FATE_DROP = 1,
	FATE_PASS = 2,
	FATE_FORWARD = 3,
};

#define LAYER_OUTER 1 // there is a header around the packet, before or behind the chain
#define LAYER_INNER 2 // and a packet within it

// What looking costs, and what it saw. Counters of one CPU.
struct capture_tally {
	__u64 seen;    // packets of chains at which somebody looks
	__u64 matched; // of these, packets that were copied for a closer look
	__u64 torn;    // packets during which another one came by on the same CPU
	__u64 ns;      // that the captor took for the packets that were measured
	__u64 measured;
	__u64 clock; // ns that a look at the clock took
};

// A record of the ring buffer: what follows is the frame as it came, and then as it left or as it was between.
struct captured {
	__u64 time;	  // ns of CLOCK_MONOTONIC at which the packet came
	__u64 packet;	  // number of the packet on its CPU; its records have the same
	__u32 came_bytes; // of the frame
	__u32 left_bytes;
	__u16 came_snap; // bytes that follow; 0 = not copied
	__u16 left_snap;
	__u16 cpu;
	__u16 vip;
	__u32 one_in;
	__s32 verdict; // of the hook
	__u8 chain;
	__u8 capture; // which one
	__u8 point;   // POINT_BETWEEN, or 0
	__u8 reason;  // 0 = between
	__u8 account; // of the stage that it was at last
	__u8 fate;    // enum fate
	__u8 generation;
	__u8 pad;
	__u16 headers; // bytes of the frame as it came that are headers
	__u16 pad2[3];
};
_Static_assert(sizeof(struct captured) == 56, "captured");
