// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "mix.h"
#include "scratch.h"

// A keyed hash of the addresses of the packet at hand, and of what else tells flows apart.
AI __u64 ends_hash(struct scratch *s, __u64 rest)
{
	__u64 h = mix(conn_key[0] ^ rest);
	if (s->family == 4)
		return mix(h ^ ((__u64)s->src4 << 32 | s->dst4) ^ conn_key[1]);
	h = mix(h ^ s->src6[0]);
	h = mix(h ^ s->src6[1]);
	h = mix(h ^ s->dst6[0]);
	return mix((h ^ conn_key[1]) * MIX1 ^ s->dst6[1]);
}
