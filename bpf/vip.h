// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "chain.h"
#include "mix.h"

// VIPs: version × VIP_PARTS + part, each an open-addressed table. A part that no version has needed yet is not there.
#define VIP_STORE(name, parts, table)                                                                                  \
	struct {                                                                                                       \
		__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);                                                              \
		__type(key, __u32);                                                                                    \
		__uint(max_entries, parts);                                                                            \
		__array(                                                                                               \
			values, struct {                                                                               \
				__uint(type, BPF_MAP_TYPE_ARRAY);                                                      \
				__uint(key_size, sizeof(__u32));                                                       \
				__uint(value_size, sizeof(struct table));                                              \
				__uint(max_entries, 1);                                                                \
				__uint(map_flags, BPF_F_MMAPABLE);                                                     \
			});                                                                                            \
	} name SEC(".maps")
VIP_STORE(vips4, GENERATIONS *VIP_PARTS, vip4_table);
VIP_STORE(vips6, GENERATIONS *VIP_PARTS, vip6_table);

// The hash of a key: its upper bits say where in a part the search begins, others in which part.
// Engine/datapath/viptable.go computes the same.
AI __u64 vip_hash(__u64 key, __u64 seed)
{
	__u64 h = (key ^ seed) * MIX1;
	return (h ^ h >> 32) * MIX2;
}

AI void *vip_part(struct scratch *s, void *store, __u64 hash)
{
	__u32 part = s->version * VIP_PARTS + (hash >> 40 & s->vip_parts), zero = 0;
	void *inner = bpf_map_lookup_elem(store, &part);
	return inner ? bpf_map_lookup_elem(inner, &zero) : 0;
}

AI int find_key4(struct scratch *s, __u64 key)
{
	__u64 hash = vip_hash(key, s->vip_seed);
	struct vip4_table *table = vip_part(s, &vips4, hash);
	if (!table)
		return 0;
	__u32 home = hash >> 52;
#pragma clang loop unroll(full)
	for (__u32 i = 0; i < VIP_CHAIN; i++) {
		struct vip4 *v = &table->entry[(home + i) & (VIP_TABLE - 1)];
		if (!v->key)
			return 0;
		if (v->key == key) {
			s->vip = v->vip;
			return 1;
		}
	}
	return 0;
}

AI int find_key6(struct scratch *s, const __u64 *address, __u64 key)
{
	__u64 hash = vip_hash(mix(address[0] ^ key) + address[1], s->vip_seed);
	struct vip6_table *table = vip_part(s, &vips6, hash);
	if (!table)
		return 0;
	__u32 home = hash >> 52;
#pragma clang loop unroll(full)
	for (__u32 i = 0; i < VIP_CHAIN; i++) {
		struct vip6 *v = &table->entry[(home + i) & (VIP_TABLE - 1)];
		if (!v->key)
			return 0;
		if (v->key == key && v->address[0] == address[0] && v->address[1] == address[1]) {
			s->vip = v->vip;
			return 1;
		}
	}
	return 0;
}

AI int find_vip4(struct scratch *s, __be32 address, __be16 port, __u8 l4_proto)
{
	return find_key4(s, address | (__u64)port << 32 | (__u64)l4_proto << 48 | 1ULL << 63);
}

AI int find_vip6(struct scratch *s, const __u64 *address, __be16 port, __u8 l4_proto)
{
	return find_key6(s, address, port | (__u64)l4_proto << 16 | 1ULL << 63);
}

AI void find_service(struct scratch *s, __u8 l4_proto)
{
	__be16 port = l4_proto ? s->dst_port : 0;
	if (s->family == 4) {
		s->has_vip = find_vip4(s, s->dst4, port, l4_proto);
		if (!s->has_vip && port && s->generation_flags & GENERATION_ANY_PORT)
			s->has_vip = find_vip4(s, s->dst4, 0, l4_proto);
	} else {
		s->has_vip = find_vip6(s, s->dst6, port, l4_proto);
		if (!s->has_vip && port && s->generation_flags & GENERATION_ANY_PORT)
			s->has_vip = find_vip6(s, s->dst6, 0, l4_proto);
	}
}
