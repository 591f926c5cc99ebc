// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "option.h"

// Further subflows of MPTCP connections (RFC 8684, 3.2): what comes by one is not the begin of what a client says.

#define OPTION_MPTCP	   30
#define OPTION_JOIN_BYTES  12
#define MPTCP_JOIN	   1
#define OPTIONS_BYTES_MOST 40

// Whether options, of so many bytes and zeros behind them, have one by which a SYN joins a connection.
AI int has_join(const __u8 *options, __u32 bytes)
{
	__u32 at = 0;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < OPTIONS_MOST && at + OPTION_JOIN_BYTES <= bytes; i++) {
		const __u8 *o = options + (at & 0x3f);
		if (*o == OPTION_END)
			return 0;
		if (*o == OPTION_MPTCP)
			return o[1] == OPTION_JOIN_BYTES && o[2] >> 4 == MPTCP_JOIN;
		at += *o == OPTION_NONE ? 1 : o[1] < 2 ? OPTIONS_BYTES_MOST : o[1];
	}
	return 0;
}

// As functions of their own: the verifier sees the options once. They stand at that place of the frame.
FUNCTION int joins_xdp(struct xdp_md *ctx, __u32 at, __u32 bytes)
{
	__u8 options[64 + 3] = {};
	return bytes >= OPTION_JOIN_BYTES && bytes <= OPTIONS_BYTES_MOST &&
	       !bpf_xdp_load_bytes(ctx, at, options, bytes) && has_join(options, bytes);
}

FUNCTION int joins_tc(struct __sk_buff *ctx, __u32 at, __u32 bytes)
{
	__u8 options[64 + 3] = {};
	return bytes >= OPTION_JOIN_BYTES && bytes <= OPTIONS_BYTES_MOST &&
	       !bpf_skb_load_bytes(ctx, at, options, bytes) && has_join(options, bytes);
}
