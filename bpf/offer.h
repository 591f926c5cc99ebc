// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include <linux/in.h>
#include <bpf/bpf_endian.h>
#include "map.h"

// What a balancer adds to a packet of which it cannot know whose it is: the other backend that it may be of. A backend
// that has no socket for the packet passes it on to that one, once. It stands behind a GUE header of variant 0, as
// private data, which any receiver of GUE skips: by words, the GUE header; a mark; the Ethernet addresses of a frame by
// which the balancer would send to the other backend; and that one's address, of the family of the outer header. A
// backend whose frame has the same source shares a link with the balancer, and sends to the same next hop; any other
// sends back to the router that it has the frame from. So it needs no table of neighbours, and no process.
#define OFFER4	      24
#define OFFER6	      36
#define OFFER_WORDS   (OFFER6 / 4)
#define OFFER_MACS    2	     // word
#define OFFER_ADDRESS 5	     // word
#define OFFER_MARK    0x6870 // the upper half of the mark; the version of what follows is the lower
#define OFFER_VERSION 1
#define OFFER_LENGTH  bpf_htonl(0xff00ffff) // of the first word: what does not say what is inside

struct offer {
	__u32 word[OFFER_WORDS];
};

// The first word says how long it is, and of which family the packet inside.
AI __u32 offer_head(int between, __u8 inner_family)
{
	__u32 proto = inner_family == 4 ? IPPROTO_IPIP : IPPROTO_IPV6;
	return bpf_htonl((__u32)(between / 4 - 1) << 24 | proto << 16);
}

AI __u32 offer_mark(void)
{
	return bpf_htonl(OFFER_MARK << 16 | OFFER_VERSION);
}
