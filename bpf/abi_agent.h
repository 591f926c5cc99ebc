// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "abi.h"

// The part of the ABI that is about agents: what they host, and which flows they translate.

#define AGENT_VIPS     1024 // addresses that an agent hosts; 0 is nobody's
#define AGENT_SETTINGS 512  // 0 = a host that translates nothing
#define STRANGERS      1024 // addresses that packets came for and nobody here hosts
#define NAT_SETS       65536
#define NAT_WAYS       8
#define PEERS	       8 // networks of load balancers and other backends

// A network, of IPv4 as it stands within IPv6 (::ffff:0:0/96).
struct peer {
	__u64 address[2];
	__u64 mask[2]; // 0 = no network
};

// What decap and snat go by where they stand.
struct agent_settings {
	__u64 salt;  // of the flows of this tap; 0 = the host's own
	__u16 scope; // whose VIPs: 0 = the host's, else of a tap, as the VIP table has it in place of a port
	__u16 mss;   // most that either side may announce; 0 = as it is
	__u32 flags;
	struct peer peer[PEERS];
};
_Static_assert(sizeof(struct agent_settings) == 272, "agent_settings");
#define AGENT_TRANSLATES 1 // packets go to a local address, replies come from the VIP
#define AGENT_ORPHANS	 2 // packets of TCP without a socket are counted
#define AGENT_HANDOVER	 4 // they go to another backend where the load balancer names one

// An address that is hosted, by the number that its flows name. It stays while any does.
struct agent_vip {
	__u64 address[2];
	__u8 family; // 4, 6; 0 = free
	__u8 pad[7];
};
_Static_assert(sizeof(struct agent_vip) == 24, "agent_vip");

// What came for one hosted address, and what became of it.
struct agent_count {
	struct count in;
	struct count out;     // replies that were translated
	struct count orphans; // of TCP, and no socket waits for them
	struct count taken;   // their flow is another's: a direct connection's, or another VIP's
	struct count full;    // no room to remember the flow
	struct count handed;  // no socket waits for them, and they were passed on to another backend
};

// Counters of one CPU.
struct agent_counts {
	struct agent_count vip[AGENT_VIPS];
};

// Packets for an address that nobody here hosts.
struct stranger {
	__u64 address[2];
	__u8 family;
	__u8 pad[7];
};

struct strange {
	__u64 packets;
	__u64 at; // ns of CLOCK_MONOTONIC, the last of them
};

// The flows that are translated: sets of two cache lines. A flow is a hash of its ends, state what is known of it, from
// bit 0: VIP 10, confirmed 1, closing 1, UDP 1, answered 1, claimed 1, spare 1, the server's first sequence number 16,
// age 32. Age is in ticks of 2^32 ns (4.3 s). State is 0 when the entry is free.
struct nat_set {
	__u64 flow[NAT_WAYS];
	__u64 state[NAT_WAYS];
};
_Static_assert(sizeof(struct nat_set) == 128, "nat_set");
#define NAT_VIP		 0x3ffULL
#define NAT_CONFIRMED	 (1ULL << 10) // both sides have spoken
#define NAT_CLOSING	 (1ULL << 11)
#define NAT_UDP		 (1ULL << 12)
#define NAT_ANSWERED	 (1ULL << 13)
#define NAT_CLAIMED	 (1ULL << 14) // somebody writes it
#define NAT_SEQ_SHIFT	 16
#define NAT_AGE_SHIFT	 32
#define NAT_LIFE_NEW	 14 // ticks, 60 s
#define NAT_LIFE_CLOSING 28
#define NAT_LIFE_UDP	 42
#define NAT_LIFE_TCP	 20117 // 24 h: what the server says after a long silence must still find it
#define NAT_IDLE	 70    // ticks of silence after which it may make room for another
