// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "parse.h"
#include "wide.h"

// Which table versions a generation reads.
MAP(generations, ARRAY, struct generation, GENERATIONS, BPF_F_MMAPABLE);

// Ethernet, two VLAN tags, IPv4 with options, UDP and an inner IPv6 header with room to spare.
#define HEADERS 192

// Everything that the scratch says of a packet: what stands in it, and its VIP. Returns the reason to let it pass, or
// 0.
AI enum reason read_packet(void *ctx, int tc, struct scratch *s, struct generation *g, void *data, void *end,
			   __u32 bytes)
{
	s->version = g->vip_version;
	s->vip_parts = g->vip_parts;
	s->quic_parts = g->quic_parts;
	s->generation_flags = g->flags;
	s->decap_port = g->decap_port;
	s->vip_seed = g->vip_seed;
	s->bytes = bytes;
	s->l2_len = sizeof(struct ethhdr);
	*(__u64 *)&s->family = 0; // family to has_vip, eight bytes in a row
	s->ports = 0;
	enum reason reason = parse_frame(tc ? 0 : ctx, data, end, s);
	if (!reason && s->kind & KIND_EXTENSION)
		reason = (tc ? walk_extensions_tc(ctx, s) : walk_extensions(ctx, s)) & (REASONS - 1);
	if (!reason)
		find_vip(s);
	return reason;
}
