// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "chain.h"
#include "mix.h"

// VIPs: version × VIP_TABLE + place, open addressing.
MAP(vips4, ARRAY, struct vip4, GENERATIONS *VIP_TABLE, BPF_F_MMAPABLE);
MAP(vips6, ARRAY, struct vip6, GENERATIONS *VIP_TABLE, BPF_F_MMAPABLE);

// Home of a key in a VIP table. Engine/datapath/viptable.go computes the same.
AI __u32 vip_home(__u64 key, __u64 seed)
{
	__u64 h = (key ^ seed) * MIX1;
	h = (h ^ h >> 32) * MIX2;
	return h >> 52;
}

AI int find_vip4(struct scratch *s, __be32 address, __be16 port, __u8 l4_proto)
{
	__u64 key = address | (__u64)port << 32 | (__u64)l4_proto << 48 | 1ULL << 63;
	__u32 home = vip_home(key, s->vip_seed), base = s->version * VIP_TABLE;
#pragma clang loop unroll(full)
	for (__u32 i = 0; i < VIP_CHAIN; i++) {
		__u32 place = base + ((home + i) & (VIP_TABLE - 1));
		struct vip4 *v = bpf_map_lookup_elem(&vips4, &place);
		if (!v || !v->key)
			return 0;
		if (v->key == key) {
			s->vip = v->vip;
			return 1;
		}
	}
	return 0;
}

AI int find_vip6(struct scratch *s, const __u64 *address, __be16 port, __u8 l4_proto)
{
	__u64 key = port | (__u64)l4_proto << 16 | 1ULL << 63;
	__u32 home = vip_home(mix(address[0] ^ key) + address[1], s->vip_seed), base = s->version * VIP_TABLE;
#pragma clang loop unroll(full)
	for (__u32 i = 0; i < VIP_CHAIN; i++) {
		__u32 place = base + ((home + i) & (VIP_TABLE - 1));
		struct vip6 *v = bpf_map_lookup_elem(&vips6, &place);
		if (!v || !v->key)
			return 0;
		if (v->key == key && v->address[0] == address[0] && v->address[1] == address[1]) {
			s->vip = v->vip;
			return 1;
		}
	}
	return 0;
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

// The VIP that the packet is for, copied into the scratch. A packet without usable ports asks for the address alone; so
// does one with a VLAN tag, which is no VIP's either, when its service is none.
AI void find_vip(struct scratch *s)
{
	if (s->kind & KIND_UNBALANCED & ~KIND_VLAN) {
		find_service(s, 0);
		return;
	}
	if (!s->l4_proto)
		return; // IPv4 protocol 0 is a protocol, and no VIP's
	find_service(s, s->l4_proto);
	if (!s->has_vip && s->kind & KIND_VLAN)
		find_service(s, 0);
}
