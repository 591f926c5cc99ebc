// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "prefix.h"
#include "vip.h"

// VIPs that have more than addresses and one port. Packets of the others never come here, unless a generation has such
// VIPs, and then only to see that they have none.
VIP_STORE(vip_ways, GENERATIONS, vip_ways_table);

AI struct vip_ways_table *ways_at_hand(struct scratch *s)
{
	__u32 version = s->version, zero = 0;
	void *inner = bpf_map_lookup_elem(&vip_ways, &version);
	return inner ? bpf_map_lookup_elem(inner, &zero) : 0;
}

// Looks for the prefix of the destination that has so many bits.
FUNCTION int find_prefix(struct scratch *s, __u32 bits)
{
	if (!s || !bits)
		return 0;
	__u64 marked = (__u64)(bits + 1);
	if (s->family == 4) {
		__be32 address = s->dst4 & bpf_htonl(~0U << ((32 - bits) & 31));
		return find_key4(s, address | marked << VIP_BITS4 | 1ULL << 63);
	}
	__u64 address[2] = {s->dst6[0], 0};
	if (bits <= 64)
		address[0] &= bpf_cpu_to_be64(~0ULL << ((64 - bits) & 63));
	else
		address[1] = s->dst6[1] & bpf_cpu_to_be64(~0ULL << ((128 - bits) & 63));
	return find_key6(s, address, marked << VIP_BITS6 | 1ULL << 63);
}

AI struct vip_way *way_of(struct vip_ways_table *t, __u32 i)
{
	return &t->way[i & (WAYS - 1)];
}

// The VIP whose ports a packet's is among, of those of the prefix that was found: by halves, since they are in order.
AI int find_port(struct scratch *s, struct vip_ways_table *t)
{
	__u32 first = s->vip.before, n = s->vip.before_size, port = bpf_ntohs(s->dst_port) | (__u32)s->l4_proto << 16;
#pragma clang loop unroll(disable)
	for (int i = 0; i < WAY_SEARCH && n; i++) {
		struct vip_way *middle = way_of(t, first + n / 2);
		if (port < middle->low) {
			n /= 2;
		} else if (port > middle->high) {
			first += n / 2 + 1;
			n -= n / 2 + 1;
		} else {
			return middle->key && find_key4(s, middle->key);
		}
	}
	return 0;
}

// A packet whose address and port are none of the ordinary VIPs'. Asked for the address alone, it says whether some VIP
// has that.
FUNCTION int find_by_prefix(struct scratch *s, int address_alone)
{
	if (!s)
		return 0;
	struct vip_ways_table *t = ways_at_hand(s);
	if (!t)
		return 0;
#pragma clang loop unroll(disable)
	for (int i = 0; i < WAY_LENGTHS; i++) {
		__u32 marked = s->family == 4 ? t->bits4[i] : t->bits6[i];
		if (!marked)
			return 0;
		if (find_prefix(s, marked - 1))
			return address_alone || find_port(s, t);
	}
	return 0;
}

FUNCTION int from_table(struct scratch *s, __u32 table)
{
	if (!s || !table)
		return 0;
	return s->family == 4 ? prefix_listed4(table, s->src4) : prefix_listed6(table, s->src6);
}

// The VIP for the source of a packet, where the service has such. Nobody's service is one that has no other.
FUNCTION int find_by_source(struct scratch *s)
{
	if (!s)
		return 0;
	struct vip_ways_table *t = ways_at_hand(s);
	__u32 first = s->vip.routes - 1;
	int nobody = !s->vip.num;
	if (!t)
		return 0;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < ROUTES; i++) {
		struct vip_way *w = way_of(t, first + i);
		if (!w->key)
			break;
		if (from_table(s, s->family == 4 ? w->low : w->high))
			return find_key4(s, w->key);
	}
	return !nobody;
}

AI void find_wide(struct scratch *s, int address_alone)
{
	if (!s->has_vip)
		s->has_vip = find_by_prefix(s, address_alone);
	else if (s->vip.routes)
		s->has_vip = find_by_source(s);
}

// The VIP that an address and port, or with protocol 0 an address alone, belongs to.
AI void find_any(struct scratch *s, __u8 l4_proto)
{
	find_service(s, l4_proto);
	if (s->generation_flags & GENERATION_WIDE)
		find_wide(s, !l4_proto);
}

// The VIP that the packet is for, copied into the scratch. A packet without usable ports asks for the address alone; so
// does the first fragment of one that is for no service, since the others will.
AI void find_vip(struct scratch *s)
{
	if (s->kind & KIND_UNBALANCED & ~KIND_VLAN && !(s->kind & KIND_FIRST)) {
		find_any(s, 0);
		return;
	}
	if (!s->l4_proto)
		return; // IPv4 protocol 0 is a protocol, and no VIP's
	find_any(s, s->l4_proto);
	if (!s->has_vip && s->kind & KIND_FIRST)
		find_any(s, 0);
}
