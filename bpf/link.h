// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include <linux/if_ether.h>
#include "map.h"

// The link's header of a frame that leaves: VLAN tags stay as they came, unless the way out has one of its own.

// Bytes 12 to 22 of a frame: its tags, if it has some, and the type behind them.
struct tags {
	__u64 head;
	__u16 tail;
};

#define LINK_MOST 22 // bytes: Ethernet and two tags

AI struct tags read_tags(void *data)
{
	return (struct tags){.head = *(__u64 *)(data + 12), .tail = *(__u16 *)(data + 20)};
}

// What is too much is written over by what follows the link's header.
AI void put_tags(struct tags t, void *data)
{
	*(__u64 *)(data + 12) = t.head;
	*(__u16 *)(data + 20) = t.tail;
}

// The tags in front of another type; l2 is the length of the link's header.
AI struct tags retyped(struct tags t, __u32 l2, __be16 eth_proto)
{
	if (l2 == LINK_MOST) {
		t.tail = eth_proto;
		return t;
	}
	__u32 place = l2 == sizeof(struct ethhdr) ? 0 : 32;
	t.head = (t.head & ~(0xffffULL << place)) | (__u64)eth_proto << place;
	return t;
}

// Sends the frame back to where it came from.
AI void turn_ethernet(void *data)
{
	__u32 mac[3] = {*(__u32 *)data, *(__u32 *)(data + 4), *(__u32 *)(data + 8)};
	*(__u32 *)data = mac[1] >> 16 | mac[2] << 16;
	*(__u32 *)(data + 4) = mac[2] >> 16 | mac[0] << 16;
	*(__u32 *)(data + 8) = mac[0] >> 16 | mac[1] << 16;
}
