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
AI __u64 flow_hash_of(struct scratch *s, __u32 ports)
{
	if (s->family == 4)
		return mix(s->src4 | (__u64)ports << 32);
	__u64 h = s->src6[0] * MIX1;
	h = ((h ^ h >> 32) + s->src6[1]) * MIX2;
	return mix((h ^ h >> 29) + ports);
}

AI __u64 flow_hash(struct scratch *s)
{
	return flow_hash_of(s, s->ports);
}

// The hash by another choice of what decides.
AI __u64 hash_by(struct scratch *s, __u32 by)
{
	__u32 to = (__u32)s->dst_port << 16; // where it stands beside the source's
	if (by == HASH_DESTINATION_PORT)
		return mix(to);
	if (by == HASH_ADDRESSES) {
		if (s->family == 4)
			return mix(s->src4 | (__u64)s->dst4 << 32);
		__u64 h = mix(mix(s->src6[0]) + s->src6[1]);
		return mix(mix(h + s->dst6[0]) + s->dst6[1]);
	}
	return flow_hash_of(s, by == HASH_NO_SOURCE_PORT ? to : s->ports);
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
