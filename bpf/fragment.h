// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "abi_fragment.h"
#include "clock.h"
#include "mix.h"
#include "parse.h"

// Fragments. Only the first one has the ports, and where they lead is all that is kept of it; the others follow it. One
// that comes before the first is dropped: what would be kept of it could be made to fill any table.

MAP(fragments, ARRAY, struct set, FRAGMENT_SETS, BPF_F_MMAPABLE);

#define TCP_HEADER 20
#define LAST_BYTE  65535 // of any IP packet

// A fragment that says something else of its packet's ports than the first one, or would after it is put together:
// hosts drop overlaps, limits in front of this would not see them (RFC 1858, RFC 5722, RFC 8200). Nobody sends a SYN in
// pieces.
AI int is_bad_fragment(struct scratch *s)
{
	if (!s->frag_bytes || s->frag_at + s->frag_bytes > LAST_BYTE || (s->kind & KIND_MORE && s->frag_bytes % 8))
		return 1;
	int tcp = s->l4_proto == IPPROTO_TCP;
	if (!(s->kind & KIND_FIRST))
		return tcp ? s->frag_at < TCP_HEADER : s->l4_proto == IPPROTO_UDP && !s->frag_at;
	return tcp && s->tcp_flags & 2;
}

// salt keeps what different programs know of fragments apart.
AI __u64 fragment_hash(struct scratch *s, __u64 salt)
{
	__u64 h = conn_key[1] ^ s->frag_id ^ salt;
	if (s->family == 4)
		return mix(mix(h) ^ ((__u64)s->src4 << 32 | s->dst4) ^ conn_key[0]);
	h = mix(h) ^ s->src6[0];
	h = mix(h) ^ s->src6[1];
	h = mix(h) ^ s->dst6[0];
	return mix((h ^ conn_key[0]) * MIX1 ^ s->dst6[1]);
}

// The newest stands in front; the oldest of a set makes room. Where two CPUs write one set at a time, a packet is lost.
AI void remember_fragment(struct scratch *s, __u64 salt, __u32 what)
{
	__u64 h = fragment_hash(s, salt), tick = coarse_now(s) >> 30 & FRAGMENT_AGE_MASK;
	__u32 place = h & (FRAGMENT_SETS - 1);
	struct set *set = bpf_map_lookup_elem(&fragments, &place);
	if (!set || dry)
		return;
#pragma clang loop unroll(full)
	for (__u32 i = SET_WAYS - 1; i > 0; i--)
		set->entry[i] = *(volatile __u64 *)&set->entry[i - 1];
	*(volatile __u64 *)&set->entry[0] =
		h >> FRAGMENT_TAG_SHIFT << FRAGMENT_TAG_SHIFT | tick << FRAGMENT_AGE_SHIFT | what;
}

AI void remember_ports(struct scratch *s)
{
	remember_fragment(s, 0, s->ports);
}

// What was remembered with the first fragment of a later one. Returns 0 where that is not known.
AI int recall_fragment(struct scratch *s, __u64 salt, __u32 *what)
{
	__u64 h = fragment_hash(s, salt), tick = coarse_now(s) >> 30;
	__u32 place = h & (FRAGMENT_SETS - 1);
	struct set *set = bpf_map_lookup_elem(&fragments, &place);
	if (!set)
		return 0;
#pragma clang loop unroll(full)
	for (__u32 i = 0; i < SET_WAYS; i++) {
		__u64 entry = *(volatile __u64 *)&set->entry[i];
		if (!entry || (entry ^ h) >> FRAGMENT_TAG_SHIFT)
			continue;
		*what = entry;
		return (tick - (entry >> FRAGMENT_AGE_SHIFT) + 1 & FRAGMENT_AGE_MASK) <= FRAGMENT_LIFE + 1;
	}
	return 0;
}

// Gives a later fragment the ports of its first one.
AI int recall_ports(struct scratch *s)
{
	return recall_fragment(s, 0, &s->ports);
}
