// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include <linux/types.h>

// The part of the ABI that is about how a packet's VIP is found.

#define VIP_TABLE 4096 // entries of one part of a version, at most a quarter used
#define VIP_PARTS 8    // of a version, at most
#define VIP_CHAIN 4    // probes; the seed of a version is chosen so that no entry needs more

// A VIP as the balancer reads it. ring and before are places in the ring store: segment << 22 | slot.
struct vip {
	__u32 ring;
	__u32 ring_size;
	__u32 before; // where flows go of which nothing is known, while settling
	__u32 before_size;
	__u16 num; // of its counters; the same for every address of the VIP
	__u16 flags;
	__be16 encap_port;
	__u16 routes; // the first way for sources that have VIPs of their own, plus 1; 0 = there are none
};
_Static_assert(sizeof(struct vip) == 24, "vip");
#define VIP_SETTLING   1		     // the ring changed not long ago
#define VIP_IPIP       2		     // else GUE
#define VIP_STICKY     4		     // UDP flows are kept over a change
#define VIP_ADDRESS    8		     // not a service: says only that the address is ours
#define VIP_HASH       (3 << VIP_HASH_SHIFT) // enum vip_hash
#define VIP_QUIC       64		     // server ids in connection ids say where packets go
#define VIP_LOCAL      128		     // what a socket of this host serves passes up to it
#define VIP_REHASHED   256		     // its ring before was read by another hash; see struct settling
#define VIP_TUNNEL     512		     // it takes what may be our own encapsulation
#define VIP_ID	       1024		     // so do those in an option of TCP, or at the beginning of a UDP payload
#define VIP_HANDOVER   2048		     // its backends pass on what they have no socket for
#define VIP_SPECIAL    (VIP_HASH | VIP_QUIC | VIP_LOCAL | VIP_TUNNEL | VIP_ID)
#define VIP_HASH_SHIFT 4

// What of a packet says where in the ring it goes.
enum vip_hash {
	HASH_TUPLE = 0,		   // the source's address, both ports
	HASH_NO_SOURCE_PORT = 1,   // the source's address, the VIP's port
	HASH_ADDRESSES = 2,	   // both addresses
	HASH_DESTINATION_PORT = 3, // the VIP's port
};

// Bits are those of a prefix, plus 1: the entry has no ring, but before_size ways from number before on, of ports. A
// VIP with prefixes, a range of ports or sources has an entry of its own in the table of IPv4, by a hash of its name:
// VIP_NAMED | hash.
#define VIP_NAMED (3ULL << 62)
#define VIP_BITS4 56
#define VIP_BITS6 24
// Port and protocol 0 say "the address is a VIP's"; port 0 alone says "every port".
struct vip4 {
	__u64 key; // address | port << 32 | protocol << 48 | bits << 56 | 1 << 63, address and port as on the wire; 0 =
		   // empty
	struct vip vip;
};
_Static_assert(sizeof(struct vip4) == 32, "vip4");

struct vip6 {
	__u64 address[2];
	__u64 key; // port | protocol << 16 | bits << 24 | 1 << 63; 0 = empty
	struct vip vip;
	__u64 pad[2];
};
_Static_assert(sizeof(struct vip6) == 64, "vip6");

// One part of a version of the VIPs. They are made when a version first needs them.
struct vip4_table {
	struct vip4 entry[VIP_TABLE];
};
struct vip6_table {
	struct vip6 entry[VIP_TABLE];
};

// The servers of VIPs whose packets name them, a store like those of the VIPs. An entry, from bit 0: id 32, num of the
// VIP 13, backend 15, 1. An entry is 0 when free.
#define QUIC_PARTS 64 // of a version, at most
struct quic_table {
	__u64 entry[VIP_TABLE];
};
#define QUIC_NUM_SHIFT	   32
#define QUIC_BACKEND_SHIFT 45
#define QUIC_KEY	   ((1ULL << QUIC_BACKEND_SHIFT) - 1)
#define QUIC_USED	   (1ULL << 63)

// How packets find VIPs that have more than addresses and one port: one table a version.
#define WAYS	    4096
#define WAY_LENGTHS 16
#define WAY_SEARCH  13 // steps in which one of WAYS is found
#define ROUTES	    16
struct vip_way {
	__u64 key;  // of the VIP's entry, which its name gives; 0 = none, the end
	__u32 low;  // port and protocol << 16, of ports; in the order of these. Or the table of sources of IPv4
	__u32 high; // the last of the ports, and the protocol likewise. Or the table of sources of IPv6
};
struct vip_ways_table {
	__u8 bits4[WAY_LENGTHS]; // lengths of the prefixes that there are, plus 1, the longest first; 0 = the end
	__u8 bits6[WAY_LENGTHS];
	__u64 pad[124];
	struct vip_way way[WAYS];
};
_Static_assert(sizeof(struct vip_ways_table) == 1024 + WAYS * 16, "ways");
