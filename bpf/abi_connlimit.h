// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "abi.h"

// The part of the ABI that is about limits of connections.

// One way to tell sources apart.
struct lens {
	__u32 id; // never used again; 0 = none
	__u8 prefix4;
	__u8 prefix6;
	__u8 by_vip;
	__u8 pad;
};
_Static_assert(sizeof(struct lens) == 8, "lens");

// One limit of a connlimit stage.
struct conn_limit {
	__u32 max;
	__u32 lens;  // id of the way to tell sources apart; 0 = it does not
	__u16 vip;   // num of the only VIP that it is for; 0 = each
	__u8 by_vip; // or BY_TENANT, and vip is that of a tenant
	__u8 prefix4;
	__u8 prefix6;
	__u8 slot; // of the lens
	__u8 pad[2];
};
_Static_assert(sizeof(struct conn_limit) == 16, "conn_limit");
#define BY_TENANT 2

// What a connlimit stage goes by.
struct connlimit {
	__u32 count; // of limits
	__u32 reset; // answer with a reset
	__u32 idle;  // ticks of 2^30 ns that a silent flow counts
	__u32 clock; // the tick it is, for tests; 0 = the kernel's
	__u32 base;  // of seats, the first that it counts in: 0 = the host's sockets, AGENT_SEATS = what agents report
	__u32 tenants; // the flows of tenants are counted
	struct lens lens[LENSES];
	struct conn_limit limit[CONN_LIMITS];
};
_Static_assert(sizeof(struct connlimit) == 1080, "connlimit");

// The flow table: sets of one cache line. An entry, from bit 0: the tick at which it ends 22, state 2, chain by which
// it came 7, lenses by which its source counts it 4, tag 29. An entry is 0 when free.
#define FLOW_SETS	 131072
#define FLOW_ENDS_MASK	 0x3fffff
#define FLOW_STATE_SHIFT 22
#define FLOW_CHAIN_SHIFT 24
#define FLOW_LENS_SHIFT	 31
#define FLOW_TAG_SHIFT	 35
#define FLOW_BEGINS_FOR	 10 // ticks: 10.7 s
#define FLOW_ENDS_FOR	 56 // ticks: 60.1 s

enum flow_state {
	FLOW_BEGINS = 1,
	FLOW_OPEN = 2,
	FLOW_ENDS = 3,
};

// How many flows of a VIP or tenant (by its number), a chain, or a source there are: the sum of the buckets, and of
// flows that just begin.
#define TALLY_NEAR	64 // buckets of a tick, for flows that begin or end
#define TALLY_FAR	64 // buckets of 32 ticks, for those that are open
#define TALLY_FAR_SHIFT 5
#define TALLY_CYCLE	2048 // ticks
#define TALLY_TURNS	0x80000000
struct tally {
	__u32 sum;
	__u32 tick; // the last one that was dropped; bit 31: a CPU is at it
	__u32 bucket[TALLY_NEAR + TALLY_FAR];
};
_Static_assert(sizeof(struct tally) == 520, "tally");
#define TALLY_SETS    2048
#define TALLY_SOURCES (VIPS + CHAINS)
#define TALLIES	      (TALLY_SOURCES + TALLY_SETS * SET_WAYS)

// The places that the sockets of one VIP, of one tenant, of one source, of one service of an agent's, or of the whole
// host take. pending holds, from bit 0, how many handshakes were let pass in this tick of 2^32 ns, in the one before,
// in the one before that, and the lower 16 bits of the tick.
struct seats {
	__u64 pending;
	__u64 over;   // SYNs refused, of a source
	__u32 open;   // sockets
	__u32 opened; // ever, modulo 2^32; of a service only
};
_Static_assert(sizeof(struct seats) == 24, "seats");
// 0 is the whole host's, then by number of the VIP or tenant, then by place in the sets. From AGENT_SEATS on, what the
// agents of backends report: of all VIPs, then by number of the VIP. Those are written by user space, but for their
// handshakes.
#define AGENT_SEATS (VIPS + SEAT_SETS * SET_WAYS)
#define SEATS	    (AGENT_SEATS + VIPS)

// Whose a place in the sets is. The set itself has the hash of all of this.
struct seat_name {
	__u64 address[2]; // the source's prefix, as on the wire; IPv4 in the first four bytes. Or the service's address
	__u32 lens;
	__u16 vip; // or the service's port, as on the wire
	__u8 family;
	__u8 pad;
};
_Static_assert(sizeof(struct seat_name) == 24, "seat_name");
#define LENS_SERVICE 0xffffffff // a service: an address of the agent's and a port

// What the census of sockets goes by, and what it could not do.
struct census {
	__u32 netns; // inode of the network namespace whose sockets count
	__u32 pass;  // number of the last look at all sockets
	struct lens lens[LENSES];
	__u64 changes;	     // of sockets' states that were counted
	__u64 unrecorded;    // sockets that are not counted, for want of a record
	__u64 unplaced;	     // sockets that are not counted for their source: its set was full of others
	__u32 next_lens;     // id
	__u32 kind;	     // enum census_kind
	__u64 listens[1024]; // bit p: somebody listened on port p at the last look
};

enum census_kind {
	CENSUS_TP_BTF = 1,
	CENSUS_RAW_TP = 2,
	CENSUS_TP = 3,
	CENSUS_KPROBE = 4,
};

// An open socket: where it is counted, so that it is taken off there and nowhere else.
struct socket {
	__u64 who; // the remote address and the ports, as a hash: the kernel uses memory again
	__u32 pass;
	__u32 vip;	    // 0 = none's
	__u32 lens[LENSES]; // id; 0 = not counted by it
	__u32 seat[LENSES];
	__u32 service; // seat; 0 = of none
	__u32 tenant;  // 0 = none's
};
_Static_assert(sizeof(struct socket) == 56, "socket");
#define SOCKETS (1 << 20)
