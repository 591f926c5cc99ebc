// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "abi.h"

#define HELD_TALLIES   (3 + LENSES)	  // of a chain, a VIP, sources, and a tenant
#define HELD_OF_TENANT (HELD_TALLIES - 1) // the last of them

// How many packets of a kind were answered, of late, on this CPU.
struct answers {
	__u64 since; // window of the coarse clock
	__u64 sent;
};

// Facts of the packet at hand, written once by parse and read by every stage.
struct scratch {
	__u32 next;    // place in the rows of the stage that comes next
	__be16 tci;    // of the outermost VLAN tag, where KIND_VLAN says that there is one
	__u8 captured; // CAPTURED_*
	__u8 reason;   // it left with
	__u64 stamp; // ns at which the stage at hand began, in a packet whose cost is measured; 1 in a dry run; else 0
	__u32 chain;
	__u16 version;	 // of the VIP tables
	__u8 vip_parts;	 // of that, less one
	__u8 quic_parts; // likewise
	__u16 generation_flags;
	__be16 decap_port;
	__u64 vip_seed;
	__u64 seq;   // of a dry run; else, with CAPTURED_TIMED, when the captor was called, and then what it took
	__u32 bytes; // of the frame
	__u16 l2_len;
	__u16 l3_len; // of the IP packet, by its own header
	__u8 family;  // 4, 6; 0 = not IP
	__u8 l4_proto;
	__u8 l4_off; // from the IP header
	__u8 tcp_flags;
	__u8 ttl;
	__u8 kind;   // of packet: KIND_*
	__u8 no_sum; // UDP without a checksum over the whole packet
	__u8 has_vip;
	__be32 first_word; // of the IP header: version, TOS or traffic class, length or flow label
	__u32 seq_high;	   // upper half of the TCP sequence number
	union {
		__u32 ports; // as on the wire
		struct {
			__be16 src_port;
			__be16 dst_port;
		};
	};
	__u32 slot_hash; // upper half of the flow's hash: where in the ring
	union {
		__be32 src4;
		__u64 src6[2];
	};
	union {
		__be32 dst4;
		__u64 dst6[2];
	};
	__u16 frag_at;	       // of a fragment: where in its packet it belongs, in bytes
	__u16 frag_bytes;      // how many it has
	__u32 frag_id;	       // of its packet; in IPv4 with the protocol
	__u64 now;	       // of the coarse clock; kept from packet to packet
	__u64 jiffies;	       // at which it was read
	__u64 reset_at;	       // when resets was zero; kept from packet to packet, as resets is
	__u64 resets;	       // connections answered by a reset since
	struct answers echoes; // kept from packet to packet
	struct answers advice; // of what size would fit; kept from packet to packet
	struct vip vip;
	__u64 passed;			// a rule said that no limit is for this packet
	__u32 held;			// the entry of the flow that this packet began, plus 1; 0 = it began none
	__u32 held_tally[HELD_TALLIES]; // where that flow is counted
	__u64 held_entry;
	__u64 given_back;   // the same entry, when a later stage dropped the packet; until it is free again
	__u64 outer_src[2]; // of the tunnel that it came by, where KIND_INNER says so; IPv4 in the first
	struct note note;   // of a dry run
};

#define CAPTURED_BY	 1 // the captor, so parse goes on
#define CAPTURED_BETWEEN 2 // it is to be asked after each stage
#define CAPTURED_TIMED	 4 // seq is when the captor was called
#define CAPTURED_TOOK	 8 // seq is what it took, of which it has not been told

#define KIND_FRAGMENT	1
#define KIND_EXTENSION	2
#define KIND_ICMP	4
#define KIND_VLAN	8
#define KIND_FIRST	16 // fragment, with the ports
#define KIND_MORE	32 // fragments follow
#define KIND_INNER	64 // it came by a tunnel that ends here
#define KIND_UNBALANCED (KIND_FRAGMENT | KIND_EXTENSION | KIND_ICMP | KIND_VLAN | KIND_INNER)
