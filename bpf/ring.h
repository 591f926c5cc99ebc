// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "vip.h"

// Rings, in segments so that the store grows without touching a program.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__type(key, __u32);
	__uint(max_entries, SEGMENTS);
	__array(
		values, struct {
			__uint(type, BPF_MAP_TYPE_ARRAY);
			__uint(key_size, sizeof(__u32));
			__uint(value_size, sizeof(struct segment));
			__uint(max_entries, 1);
			__uint(map_flags, BPF_F_MMAPABLE);
		});
} rings SEC(".maps");

// The hash of a flow: its upper half chooses the slot, the same on every node; its lower half the outer source port.
AI __u64 flow_hash(struct scratch *s)
{
	if (s->family == 4)
		return mix(s->src4 | (__u64)s->ports << 32);
	__u64 h = s->src6[0] * MIX1;
	h = ((h ^ h >> 32) + s->src6[1]) * MIX2;
	return mix((h ^ h >> 29) + s->ports);
}

// The slot of a ring that a hash leads to, mark and id; 0 where there is no ring.
AI __u32 read_slot(__u32 place, __u32 size, __u32 hash)
{
	__u32 zero = 0, number = place >> 22;
	__u32 i = (place & 0x3fffff) + ((__u64)hash * size >> 32);
	void *inner = bpf_map_lookup_elem(&rings, &number);
	if (!inner)
		return 0;
	struct segment *segment = bpf_map_lookup_elem(inner, &zero);
	if (!segment || i >= SEGMENT_SLOTS)
		return 0;
	return *(volatile __u16 *)&segment->slot[i];
}
