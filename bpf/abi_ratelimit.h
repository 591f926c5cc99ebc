// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include <linux/types.h>

// What user space and the rate limit agree on: a part of abi.h.

#define RATELIMITS     128  // settings of ratelimit stages; 0 is none
#define RATES	       128  // of one stage; 0 is none
#define SCOPES	       4    // of sources in one stage
#define WINDOWS	       4096 // 0 is none
#define WINDOW_SLOTS   128
#define SOURCE_SETS    16384
#define SOURCE_WAYS    7
#define SOURCE_SLOTS   8
#define OFFENDERS      256  // sources over a limit that a CPU keeps in mind
#define RATELIMIT_VIPS 8192 // as VIPS

// What one window let pass and refused.
struct judged {
	__u64 passed;
	__u64 refused;
};

// What a ratelimit stage goes by.
struct ratelimit {
	__u32 flags; // RATELIMIT_*
	__u32 lag;   // ns that the coarse clock may be behind
	__u32 nic_window;
	__u32 nic_rate; // an element of rate, like all that are called so
	__u32 scopes;	// of sources in use
	__u32 pad[3];
	struct scope {
		__u64 identity; // of the stage, chain and scope
		__u64 mask6[2];
		__be32 mask4;
		__u32 window; // that only counts what was passed and refused
	} scope[SCOPES];
	__u32 rate[RATES]; // new connections in any second
	struct vip_rates {
		__u16 window;
		__u8 rate;
		__u8 vips;	     // bit i: scope i tells VIPs apart
		__u8 source[SCOPES]; // rate of each scope of sources
	} vip[RATELIMIT_VIPS];	     // 0 is for packets of no VIP; and by numbers of tenants
};
_Static_assert(sizeof(struct ratelimit) == 32 + SCOPES * 32 + RATES * 4 + RATELIMIT_VIPS * 8, "ratelimit");
#define RATELIMIT_OFFERED 1 // what is refused counts as well
#define RATELIMIT_RESET	  2 // what is refused is answered by a reset
#define RATELIMIT_SEVERAL 4 // a connection may fall under more than one limit
#define RATELIMIT_TENANTS 8 // tenants have limits too

// The log of one limit: when each of the newest batches of connections was complete. All settings with its stage, chain
// and VIP share it, whatever their rate: bpf/window.h.
struct window {
	__u64 stage; // hash of the stage's name; 0 = free
	__u16 chain;
	__u16 vip; // num; 0 = the whole chain
	__u32 pad;
	__u64 at; // from bit 0: connections in the batch at hand 24, its slot 7, turn 33
	__u64 pad2[5];
	__u64 stamp[WINDOW_SLOTS]; // ns of CLOCK_MONOTONIC
};
_Static_assert(sizeof(struct window) == 64 + WINDOW_SLOTS * 8, "window");

// The sources of one hash, each with its log: bpf/source.h. The last log is of what those had logged that had to leave.
// state, from bit 0: connections in the batch at hand 13, its place among eight 3, when the newest batch was complete
// 23, when the newest connection was logged 23, 1 = the log began with what others left, 1 = the batch at hand is open.
// A log without a batch in the last second is its state alone: it is asked for two cache lines, not three.
struct source_set {
	__u32 lock;
	__u32 pad;
	__u64 key[SOURCE_WAYS]; // 0 = free
	__u64 state[SOURCE_WAYS + 1];
	struct stamps {
		__u64 of[SOURCE_SLOTS / 4]; // 16 bits each, newest lowest
	} stamps[SOURCE_WAYS + 1];
};
_Static_assert(sizeof(struct source_set) == 256, "source_set");

// A source that was refused.
struct offender {
	__u64 key; // 0 = free
	__u64 identity;
	__u64 address[2]; // the prefix; IPv4 in the first four bytes
	__u64 refused;
	__u64 at; // ns of CLOCK_MONOTONIC
	__u32 weight;
	__u16 vip;
	__u8 family;
	__u8 scope;
	__u64 pad;
};
_Static_assert(sizeof(struct offender) == 64, "offender");

// Those of one CPU.
struct offenders {
	struct offender of[OFFENDERS];
};
