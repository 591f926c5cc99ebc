// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "map.h"

// The first bytes of a ClientHello (RFC 8446, 5.1): a record of a handshake, which begins with a ClientHello. Each can
// be judged without those in front of it, so that nothing need be kept of a client that sends them one by one.

#define HELLO_BYTES 6
#define HELLO_MOST  (1 << 14) // bytes of a record

// Where the data of a TCP segment is.
struct segment_at {
	__u32 seq; // of its first byte
	__u32 bytes;
	__u32 at;      // in the frame
	__u32 options; // bytes in front of it
};

// Those of the first bytes that a segment has.
struct hello {
	__u8 byte[8];
	__u32 at;    // in the frame
	__u32 first; // which of them comes first
	__u32 bytes;
};

// off is where in the stream the segment begins. Returns whether it has any of them.
AI int find_first_bytes(struct hello *h, struct segment_at *g, __u32 off)
{
	__u32 before = 0;
	if ((__s32)off < 0) {
		before = -off;
		off = 0;
	}
	if (off >= HELLO_BYTES || before >= g->bytes)
		return 0;
	h->at = g->at + before;
	h->first = off;
	h->bytes = HELLO_BYTES - off;
	if (h->bytes > g->bytes - before)
		h->bytes = g->bytes - before;
	return h->bytes >= 1 && h->bytes <= HELLO_BYTES;
}

// Whether byte `of` can be b; before is the one in front of it, or -1.
AI int fits_hello(__u32 of, __u32 b, int before)
{
	switch (of) {
	case 0:
		return b == 22; // a handshake
	case 1:
		return b == 3; // major version
	case 2:
		return b <= 4;
	case 3:
		return b <= HELLO_MOST >> 8;
	case 4:
		return before < 0 || (before << 8 | b) - 1 < HELLO_MOST;
	}
	return b == 1; // ClientHello
}

AI int begins_hello(struct hello *h)
{
	int fits = 1, before = -1;
#pragma clang loop unroll(full)
	for (__u32 i = 0; i < HELLO_BYTES; i++) {
		if (i >= h->bytes)
			break;
		fits &= fits_hello(h->first + i, h->byte[i], before);
		before = h->byte[i];
	}
	return fits;
}
