// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "abi_steer.h"
#include "clock.h"
#include "keyed.h"

// Flows and the paths that they took: sets of one cache line, found by a keyed hash. A flow keeps its path while that
// takes packets, whatever is measured since. Where a set is full, the flow that was silent for longest is forgotten,
// and then goes by its group's ring: to the same path, unless the weights have changed.
MAP(steer_flows, ARRAY, struct steer_set, STEER_SETS, BPF_F_MMAPABLE);

#define STEER_PATH_MASK 0xffffULL

// Fragments have no ports but the first: all of a pair of addresses go together.
AI __u64 steer_hash(struct scratch *s)
{
	__u64 ports = s->kind & KIND_FRAGMENT ? 0 : s->ports;
	return ends_hash(s, ports | (__u64)s->l4_proto << 32);
}

AI __u32 steer_window(struct scratch *s)
{
	return coarse_now(s) >> 30;
}

AI struct steer_set *steer_set_of(__u64 hash)
{
	__u32 place = hash & (STEER_SETS - 1);
	return bpf_map_lookup_elem(&steer_flows, &place);
}

// Which entry of its set a flow has, or may have. Returns the path that it took, in the upper half; 0 = it is new.
FUNCTION __u64 find_steer_flow(struct scratch *s, __u64 hash)
{
	__u32 oldest = 0, way = 0;
	struct steer_set *set = steer_set_of(hash);
	if (!s || !set)
		return 0;
	__u32 window = steer_window(s);
#pragma clang loop unroll(full)
	for (__u32 i = 0; i < STEER_WAYS; i++) {
		struct steer_flow *f = &set->flow[i];
		__u64 key = *(volatile __u64 *)&f->key;
		__u32 idle = window - (__u32)f->seen;
		if (!key || (__s32)idle > STEER_IDLE)
			idle = ~0U >> 1;
		else if (!((key ^ hash) & ~STEER_PATH_MASK)) {
			return i | (key & STEER_PATH_MASK) << 32;
		}
		if (idle > oldest) {
			oldest = idle;
			way = i;
		}
	}
	return way;
}

// Notes a packet of a flow with its path, which are the key. Returns how many came in this window.
FUNCTION __u32 note_steer_flow(struct scratch *s, __u64 key, __u64 hash, __u32 way)
{
	struct steer_set *set = steer_set_of(hash);
	if (dry || !s || !set)
		return 0;
	struct steer_flow *f = &set->flow[way & (STEER_WAYS - 1)];
	__u64 seen = f->seen;
	__u32 window = steer_window(s), packets = 1;
	if (f->key != key)
		*(volatile __u64 *)&f->key = key;
	else if ((__u32)seen == window)
		packets = (seen >> 32) + 1;
	*(volatile __u64 *)&f->seen = window | (__u64)packets << 32;
	return packets;
}
