// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "abi.h"

// The part of the ABI that is about ports on which only TLS may be spoken.

#define TLSWALLS    32 // elements of settings; 0 says nothing
#define WALL_SETS   32768
#define WALL_WAYS   4
#define WALL_ALLOWS 64

// Addresses that may say what they like.
struct wall_allow {
	__u64 address[2]; // as on the wire; of IPv4, the first half of the first
	__u64 mask[2];
	__u64 family; // 4, 6
};
_Static_assert(sizeof(struct wall_allow) == 40, "wall_allow");

// What a tlswall stage goes by.
struct tlswall {
	__u64 port[1024]; // a bit for each, in host order
	__u64 vip[VIPS / 64];
	__u64 wait; // ns for which a flow whose client is silent is remembered
	__u32 flags;
	__u32 allows;
	struct wall_allow allow[WALL_ALLOWS];
};
_Static_assert(sizeof(struct tlswall) == 8192 + 1024 + 16 + WALL_ALLOWS * 40, "tlswall");
#define TLSWALL_RESET  1 // answers what it refuses
#define TLSWALL_STRICT 2 // refuses connections that it cannot remember
#define TLSWALL_OF_VIP 4 // only those in vip

// A flow whose first bytes are awaited, or were seen a while ago.
struct wall_flow {
	__u64 key; // upper half of its hash, and the number of the first byte that its client sends
	__u64 at;  // ns of CLOCK_MONOTONIC when it was used; its two lowest bits are enum wall_state; 0 = free
};

enum wall_state {
	WALL_BEGUN = 0,	  // a SYN, which may be forged
	WALL_OPEN = 1,	  // its client answered the server's SYN, or sent some of its first bytes
	WALL_SEEN = 2,	  // they were seen, and are TLS, or it ended without
	WALL_REFUSED = 3, // they were not
};
#define WALL_STATES 3

// One cache line.
struct wall_set {
	struct wall_flow flow[WALL_WAYS];
};
_Static_assert(sizeof(struct wall_set) == 64, "wall_set");

// What a stage counts of its own.
#define WALL_HELLOS 0 // flows that began with TLS
#define WALL_UNHELD 1 // flows that could not be remembered
