// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "map.h"

// Set where rows hold programs that take frames in several buffers: engine/datapath/frags.go. No more than the first is
// looked at: headers stand there whole.
const volatile __u32 frags = 0;

// Bytes of a frame at XDP, in all of its buffers.
AI __u32 frame_bytes(struct xdp_md *ctx)
{
	return frags ? bpf_xdp_get_buff_len(ctx) : ctx->data_end - ctx->data;
}
