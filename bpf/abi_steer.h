// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "abi.h"

// The part of the ABI that is about flows that leave by other ways than the ordinary one.

#define STEERS		  32  // elements of settings; 0 says nothing
#define STEER_RULES	  32  // of one stage, one for each pair of prefixes
#define STEER_PATHS	  256 // of the node; 0 is none
#define STEER_GROUPS	  64  // likewise
#define STEER_GROUP_PATHS 8
#define STEER_SLOTS	  251 // of a group's ring
#define STEER_CGROUPS	  64
#define STEER_SETS	  16384 // of flows
#define STEER_WAYS	  4
#define STEER_HOTS	  4096
#define STEER_DEVICES	  64	     // NICs by which XDP may send
#define STEER_MARK	  0x68720000 // | path: of sockets that measure, whose packets go by that path

// A rule is true of a packet if all that it says is.
struct steer_rule {
	__u64 from[2]; // of IPv4 the first word's lower half
	__u64 from_mask[2];
	__u64 to[2];
	__u64 to_mask[2];
	__u64 dscp; // bit d: it is true of code point d
	__u32 mark;
	__u32 mark_mask;
	__u16 vip;    // num of the VIP that packets are from or for; 0 = any
	__u16 cgroup; // element of the cgroups; 0 = any
	__u16 group;  // that chooses a path; 0 = there is one
	__u16 path;
	__u8 family; // of the prefixes; 0 = there are none
	__u8 flags;
	__u8 number; // in the spec
	__u8 pad[5];
};
_Static_assert(sizeof(struct steer_rule) == 96, "steer_rule");
#define STEER_STRICT 1 // a packet that no path takes is dropped

// What a stage goes by.
struct steer {
	__u32 rules;
	__u32 hot; // packets of a flow in 2^30 ns from which on XDP forwards it; 0 = never
	__u32 flags;
	__u32 pad;
	struct steer_rule rule[STEER_RULES];
};
_Static_assert(sizeof(struct steer) == 16 + STEER_RULES * 96, "steer");
#define STEER_ASKS_SOURCE 1 // some rule asks for a VIP

// A way out. Up to nic it is what the spec says and never changes; ifindex and flags are the engine's, who looks.
struct steer_path {
	__u64 group; // digest of its name; 0 = of no group
	__u64 via[2];
	__u32 table;  // 0 = it has a NIC
	__u32 family; // of via; 0 = the NIC's own routes say
	char nic[16];
	__u32 ifindex;
	__u32 flags;
	__u64 pad;
};
_Static_assert(sizeof(struct steer_path) == 64, "steer_path");
#define STEER_PATH_UP	 1 // its NIC takes packets
#define STEER_PATH_ALIVE 2 // what was measured does not say that it is dead
#define STEER_PATH_TAKES (STEER_PATH_UP | STEER_PATH_ALIVE)

// Paths of which each flow takes one. The ring is the engine's, who measures.
struct steer_group {
	__u64 name; // digest of it
	__u16 path[STEER_GROUP_PATHS];
	__u16 slot[STEER_SLOTS]; // of which the flows there take one; 0 = the ordinary way
	__u16 pad;
};
_Static_assert(sizeof(struct steer_group) == 24 + (STEER_SLOTS + 1) * 2, "steer_group");

// A cgroup by its path. Those of services come and go: the engine looks.
struct steer_cgroup {
	__u64 name; // digest of the path
	__u64 id;   // 0 = there is none now
};

// A flow that has a path.
struct steer_flow {
	__u64 key;  // upper 48 bits of its hash, and the path
	__u64 seen; // window of 2^30 ns in which it was seen, and how many packets came in that; from bit 32
};

// One cache line.
struct steer_set {
	struct steer_flow flow[STEER_WAYS];
};
_Static_assert(sizeof(struct steer_set) == 64, "steer_set");
#define STEER_IDLE 280 // windows after which a flow that was silent has no path any more

// A flow that XDP forwards. All of it is for as long as the lease lasts, and no longer than its path takes packets.
struct steer_hot {
	__u64 key;   // as of steer_flow; 0 = free, or being written
	__u64 until; // ns of CLOCK_MONOTONIC, of the coarse clock
	__u64 mac_head;
	__u32 mac_tail;
	__u32 came;	// index of the NIC that its packets come by
	__u32 out;	// and leave by
	__u32 packets;	// that XDP forwarded by this lease
	__u16 settings; // by which it was decided
	__u16 mtu;
	__u8 generation;
	__u8 tos;
	__u8 pad[2];
	__u64 own; // address of the NIC that its packets come by, as of steer_stations
	__u64 pad2;
};
_Static_assert(sizeof(struct steer_hot) == 64, "steer_hot");
#define STEER_LEASE (1ULL << 30) // ns

// What one CPU sent by each path.
struct steer_counts {
	struct count path[STEER_PATHS];
	__u64 measured[STEER_PATHS]; // probes
};
_Static_assert(sizeof(struct steer_counts) == 6144, "steer_counts");

// What a stage counts of its own.
#define STEER_WAYLESS 0 // packets that a rule is true of, and that no path of it took
#define STEER_LARGE   1 // of those, the ones that are too large for a path
#define STEER_LEASES  2 // flows that were given to XDP, or once more
#define STEER_CAUGHT  3 // packets that XDP forwarded
