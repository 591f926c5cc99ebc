// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include <linux/in.h>
#include <linux/in6.h>
#include <bpf/bpf_endian.h>
#include "map.h"

// IPv6 extension headers (RFC 8200), walked in bounds.

struct cursor {
	void *at;
	void *end;
	void *xdp; // the context of a frame at XDP, which may go on behind its end; 0 = it does not
};

#define EXTENSIONS	6
#define EXTENSION_BYTES 72 // of all: what follows stands within the first 112 bytes of its packet

// What a walk over extension headers found.
struct extensions {
	__u32 next; // the header that follows, one of these where the walk had to stop
	__u32 room; // bytes of the packet from the cursor on
	__u32 at;   // of a fragment: where in its packet it belongs, in bytes
	__u32 more; // fragments follow
	__u32 id;
	__u32 fragment; // where the fragment's own bytes begin, from the IP header
};

AI int is_extension(__u32 next_header)
{
	return next_header == IPPROTO_HOPOPTS || next_header == IPPROTO_ROUTING || next_header == IPPROTO_DSTOPTS ||
	       next_header == IPPROTO_AH || next_header == IPPROTO_MH || next_header == IPPROTO_FRAGMENT;
}

// A header of options, of a route that has been gone, of authentication: its bytes, or 0 where the walk stops.
AI __u32 extension_bytes(__u32 kind, __u8 *header)
{
	if (kind == IPPROTO_MH || (kind == IPPROTO_ROUTING && header[3]))
		return 0;
	if (kind == IPPROTO_FRAGMENT)
		return 8;
	return kind == IPPROTO_AH ? (header[1] + 2) * 4 : (header[1] + 1) * 8;
}

// Moves the cursor, which stands behind the IPv6 header, on to the transport, to a fragment's own bytes unless it is
// the first one, or to a header at which the walk stops. Returns a reason where one contradicts its packet.
AI enum reason skip_extensions(struct cursor *c, struct extensions *x)
{
	__u32 walked = 0;
#pragma clang loop unroll(full)
	for (__u32 i = 0; i < EXTENSIONS; i++) {
		if (!is_extension(x->next) || x->at)
			return 0;
		__u8 *header = c->at;
		if (x->room < 8)
			return REASON_MALFORMED;
		if ((void *)(header + 8) > c->end)
			return REASON_TRUNCATED;
		__u32 size = extension_bytes(x->next, header);
		if (!size || walked + size > EXTENSION_BYTES || (i && x->next == IPPROTO_HOPOPTS))
			return 0;
		if (x->room < size)
			return REASON_MALFORMED;
		walked += size;
		if (x->next == IPPROTO_FRAGMENT) {
			__u32 word = bpf_ntohs(*(__be16 *)(header + 2));
			x->at = word & ~7;
			x->more = word & 1;
			x->id = *(__u32 *)(header + 4);
			x->fragment = 40 + walked;
		}
		x->next = header[0];
		x->room -= size;
		c->at += size;
	}
	return 0;
}
