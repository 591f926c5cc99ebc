// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "abi.h"

// The part of the ABI that is about dry runs: what a packet that never was leaves behind.

#define SIGHTS		 64 // of a packet
#define GENERATION_ASIDE 32 // a flag of generations: written only to be asked by dry runs

// One thing that a stage saw or decided. What a and b are, enum sight_kind says.
struct sight {
	__u8 position; // of the stage in its row
	__u8 kind;     // enum sight_kind
	__u8 pad[6];
	__u64 a;
	__u64 b;
};
_Static_assert(sizeof(struct sight) == 24, "sight");

// The newest dry run of one CPU.
struct trail {
	struct note note;
	__u32 count;		// of sights
	__u32 clock;		// ns that a look at the clock costs, which is in each of the times below
	__u64 began[POSITIONS]; // ns of CLOCK_MONOTONIC at which the stage there began; 0 = it was not reached
	__u64 left;		// the same at which the packet left; 0 = a program that is not ours ended it
	struct sight sight[SIGHTS];
};
_Static_assert(sizeof(struct trail) == 24 + 8 + POSITIONS * 8 + 8 + SIGHTS * 24, "trail");

// What is seen, and what a and b say of it. Bits of a word count from 0. engine/datapath/sights.go makes values of
// them.
enum sight_kind {
	SAW_VIP = 1,	   // parse, decap of what is inside: a = kind of packet | has_vip << 8, b = num | flags << 16
	SAW_RULE = 2,	   // firewall: rule a was true; b = its action
	SAW_LISTED = 3,	   // firewall: on a list; a = 0 by source, 1 by destination
	SAW_SHADOW = 4,	   // a stage in shadow would have dropped it with reason a
	SAW_EXCEPTED = 5,  // a limit is not asked, since a rule let the packet pass
	SAW_WINDOW = 6,	   // ratelimit: a = window | room << 32, b = its rate
	SAW_SOURCE = 7,	   // ratelimit: a = key of the source, b = rate | scope << 32 | room << 40
	SAW_SEAT = 8,	   // connlimit: a = seat | limit << 32 | room << 40, b = max | taken << 32
	SAW_TALLY = 9,	   // connlimit: a = tally | which << 32 | room << 40, b = max | its sum << 32
	SAW_FLOW = 10,	   // connlimit: the flow is known, a = its entry
	SAW_NO_ROOM = 11,  // connlimit, tlswall: its set of the flow table is full of others
	SAW_SLOT = 12,	   // balancer: a = hash of the slot | size of the ring << 32, b = what the slot says
	SAW_BEFORE = 13,   // balancer: the slot of the ring before, as SAW_SLOT
	SAW_ENTRY = 14,	   // balancer: the connection table knows the flow; a = its entry, b = 1 when that counts
	SAW_BACKEND = 15,  // balancer: a = id | flags << 32, b = mtu | chain << 16 | family << 32
	SAW_INNER = 16,	   // decap: a = bytes to take off, b = EtherType of what is inside, in host order
	SAW_EXTERNAL = 17, // a = number of the program that is called
	SAW_RETURNED = 18, // that program gave the packet back
	SAW_ANSWERED = 19, // a limit answers with a reset
	SAW_SPECIAL = 20,  // balancer: the backend was not looked up in the ring
	SAW_SERVER = 21,   // balancer: the packet names server a, which is backend b; 0 = of none
	SAW_OFFER = 22,	   // balancer: backend a may have the flow as well, and the packet names it
	SAW_OFFERED = 23,  // decap: the packet names another backend, a and b are its address, of IPv4 within IPv6
	SAW_HELLO = 24,	   // tlswall: a = which first bytes | how many << 8 | they fit << 16, b = the bytes
	SAW_MIRRORED = 25, // mirror: one in a packets is copied, up to b bytes
	SAW_NAT = 26, // decap, snat: the flow is known; a = what its entry says, b = 1 when it is the packet's VIP's
	SAW_NAT_NEW = 27,    // decap, snat: it is not known; a = the reason that it is refused for, 0 = it is taken on
	SAW_LOCAL = 28,	     // decap: the packet goes on to a local address, a and b are it as of SAW_OFFERED
	SAW_ORIGIN = 29,     // snat: the answer comes from a VIP's address, a and b as of SAW_OFFERED
	SAW_STEER_RULE = 30, // steer: rule a is true of it
	SAW_STEER_UNKNOWN = 31, // steer: whether rule a is, its mark or cgroup decides, which no dry packet has
	SAW_STEER_PATH = 32,	// steer: path a was asked; b = enum steer_way | NIC << 32
	SAW_STEER_HOT = 33,	// steer: a flow that XDP forwards, by path a and NIC b
};
