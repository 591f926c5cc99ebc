// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "clock.h"
#include "ring.h"

// The connection table: where flows went that the rings alone cannot answer for. Sets of eight entries in a cache line,
// found by a keyed hash, so that nobody outside can aim at a set. Two CPUs may write one entry; the later one wins, and
// an entry is always whole.
MAP(connections, ARRAY, struct set, SETS, BPF_F_MMAPABLE);

// What settling needs to know of a VIP.
MAP(settlings, ARRAY, struct settling, VIPS, BPF_F_MMAPABLE);

struct connection {
	struct set *set;
	__u64 tag;  // in place: shifted, nothing else set
	__u32 tick; // now
	__u32 way;  // of the entry that was found; SET_WAYS = none
	__u64 entry;
};

// Ticks since an entry was used, and SKEW more: the clock of the CPU that used it may be that much ahead of this one's,
// and what it wrote is not 2.4 h old.
AI __u32 entry_age(__u64 entry, __u32 tick)
{
	return (tick + SKEW - (__u32)(entry >> ENTRY_AGE_SHIFT)) & ENTRY_AGE_MASK;
}

// How many ticks an entry lives, 16 bits for each value of its two bits "confirmed" and "closing".
AI __u64 lives(__u32 confirmed)
{
	return LIFE_UNCONFIRMED | (__u64)confirmed << 16 | (__u64)LIFE_UNCONFIRMED << 32 | (__u64)LIFE_CLOSING << 48;
}

// 1 or 0, without a branch. An expired entry is a miss also when no engine sweeps.
AI __u64 entry_alive(__u64 entry, __u32 tick, __u64 lives)
{
	__u64 life = lives >> (entry >> 11 & 0x30) & 0xffff, age = entry_age(entry, tick);
	__u64 young = (age - life - SKEW - 1) >> 63;
	return young & nonzero(entry);
}

AI __u64 connection_hash(struct scratch *s)
{
	__u64 h = conn_key[0] ^ ((__u64)s->vip.num << 32 | s->ports);
	if (s->family == 4)
		return mix(mix(h) ^ ((__u64)s->src4 << 32 | s->dst4) ^ conn_key[1]);
	h = mix(h) ^ s->src6[0];
	h = mix(h) ^ s->src6[1];
	h = mix(h) ^ s->dst6[0];
	return mix((h ^ conn_key[1]) * MIX1 ^ s->dst6[1]);
}

// Returns whether the flow is known. c->set is null only where the table cannot be read. The search has no branches:
// that is cheaper than guessing wrong, and the verifier sees one path instead of 2^8.
AI int find_connection(struct scratch *s, struct connection *c, __u64 now, __u32 life)
{
	__u64 h = connection_hash(s), hits = 0;
	__u32 place = h & (SETS - 1);
	c->tick = now >> 32 & ENTRY_AGE_MASK;
	c->tag = h >> ENTRY_TAG_SHIFT << ENTRY_TAG_SHIFT;
	c->way = SET_WAYS;
	c->set = bpf_map_lookup_elem(&connections, &place);
	if (!c->set)
		return 0;
#pragma clang loop unroll(full)
	for (__u32 i = 0; i < SET_WAYS; i++) {
		__u64 differs = (c->set->entry[i] ^ c->tag) >> ENTRY_TAG_SHIFT;
		hits |= (differs - 1) >> 63 << i;
	}
	if (!hits)
		return 0;
	c->way = lowest(hits);
	c->entry = c->set->entry[c->way];
	return entry_alive(c->entry, c->tick, lives(life));
}

AI void write_entry(struct connection *c, __u32 way, __u64 entry)
{
	if (!dry)
		*(volatile __u64 *)&c->set->entry[way & (SET_WAYS - 1)] = entry;
}

// The entry of the flow is of an older one of the same addresses and ports.
AI void forget(struct connection *c)
{
	if (c->set && c->way < SET_WAYS)
		write_entry(c, c->way, 0);
}

// At most BUDGET new entries a CPU and tick, so that a flood fills the table slowly.
AI int within_budget(__u64 tick)
{
	if (dry)
		return 1;
	struct counters *n = counters_of_this_cpu();
	if (!n)
		return 0;
	if (n->budget_tick != tick) {
		n->budget_tick = tick;
		n->budget_used = 0;
	}
	return n->budget_used++ < BUDGET;
}

// The entry to give up: a dead one, else an unconfirmed one, else none. It begins anywhere, so that a flood does not
// hit the same ones first.
AI __u32 find_victim(struct connection *c, __u32 life)
{
	__u64 dead = 0, unconfirmed = 0, begin = c->tag >> ENTRY_TAG_SHIFT & (SET_WAYS - 1);
#pragma clang loop unroll(full)
	for (__u32 i = 0; i < SET_WAYS; i++) {
		__u64 entry = c->set->entry[i];
		dead |= (entry_alive(entry, c->tick, lives(life)) ^ 1) << i;
		unconfirmed |= (~entry >> 15 & 1) << i;
	}
	__u64 victims = dead ? dead : unconfirmed;
	if (!victims)
		return SET_WAYS;
	return (begin + lowest((victims | victims << SET_WAYS) >> begin)) & (SET_WAYS - 1);
}

// Remembers the flow, unconfirmed. It takes the place of its own older entry, of a dead one, or of an unconfirmed one;
// never that of a confirmed flow. Returns whether there was one.
AI int remember(struct scratch *s, struct connection *c, __u32 backend)
{
	if (!c->set || (c->way == SET_WAYS && !within_budget(c->tick)))
		return 0;
	__u32 zero = 0, way = c->way;
	struct settling *longest = bpf_map_lookup_elem(&settlings, &zero);
	__u32 life = longest ? longest->life : ENTRY_AGE_MASK;
	if (way == SET_WAYS)
		way = find_victim(c, life);
	if (way == SET_WAYS)
		return 0;
	write_entry(c, way,
		    c->tag | (__u64)(s->seq_high & ENTRY_SEQ_MASK) << ENTRY_SEQ_SHIFT |
			    (__u64)c->tick << ENTRY_AGE_SHIFT | backend);
	return 1;
}
