// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include <linux/tcp.h>
#include "map.h"

// Options of TCP headers (RFC 9293, 3.1).

#define OPTION_END   0
#define OPTION_NONE  1
#define OPTIONS_MOST 20 // that are looked at

// Where in a TCP header the option of a kind is, which has so many bytes; 0 = it is not there, or has others.
AI __u32 find_option(__u8 *tcp, void *end, __u8 kind, __u32 bytes)
{
	__u32 at = sizeof(struct tcphdr);
	if ((void *)(tcp + sizeof(struct tcphdr)) > end)
		return 0;
	__u32 header = (tcp[12] >> 4) * 4;
	for (__u32 i = 0; i < OPTIONS_MOST; i++) {
		__u8 *o = tcp + (at & 0x3f);
		if (at + bytes > header || (void *)(o + bytes) > end || *o == OPTION_END)
			return 0;
		if (*o == kind)
			return o[1] == bytes ? at : 0;
		at += *o == OPTION_NONE ? 1 : o[1] < 2 ? 64 : o[1];
	}
	return 0;
}
