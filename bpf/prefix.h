// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "abi_firewall.h"
#include "chain.h"

// Tables of prefixes: a flat one over the first 16 bits of the address, and below it nodes of eight bits each. Where a
// path has no branch, a node skips it. engine/datapath/prefixes.go makes them and never changes one that is in use.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__type(key, __u32);
	__uint(max_entries, PREFIX_SEGMENTS);
	__array(
		values, struct {
			__uint(type, BPF_MAP_TYPE_ARRAY);
			__uint(key_size, sizeof(__u32));
			__uint(value_size, sizeof(struct prefix_segment));
			__uint(max_entries, 1);
			__uint(map_flags, BPF_F_MMAPABLE);
		});
} prefixes SEC(".maps");

#define NODE_WORDS (sizeof(struct prefix_node) / sizeof(__u32))

AI struct prefix_segment *prefix_segment(__u32 number)
{
	__u32 zero = 0;
	void *inner = bpf_map_lookup_elem(&prefixes, &number);
	return inner ? bpf_map_lookup_elem(inner, &zero) : 0;
}

// Where a walk through a table is. Most tables lie in one segment, which then is looked up once.
struct prefix_walk {
	struct prefix_segment *segment;
	__u32 number;	 // of the segment
	__u64 high, low; // the bits of the address that are still to be looked at, the next ones on top
};

AI int enter_segment(struct prefix_walk *w, __u32 number)
{
	if (number == w->number)
		return 1;
	w->number = number;
	w->segment = prefix_segment(number);
	return w->segment != 0;
}

// A word of the store, which all words of all nodes number.
AI __u32 prefix_word(struct prefix_walk *w, __u32 place)
{
	if (!enter_segment(w, place / (PREFIX_NODES * NODE_WORDS)))
		return 0;
	return *(volatile __u32 *)((__u32 *)w->segment + place % (PREFIX_NODES * NODE_WORDS));
}

AI __u32 ones(__u64 bits)
{
	bits -= bits >> 1 & 0x5555555555555555ULL;
	bits = (bits & 0x3333333333333333ULL) + (bits >> 2 & 0x3333333333333333ULL);
	bits = (bits + (bits >> 4)) & 0x0f0f0f0f0f0f0f0fULL;
	return bits * 0x0101010101010101ULL >> 56;
}

// Takes the next bits off, at most 63 and at least one.
AI void shift(struct prefix_walk *w, __u32 bits)
{
	w->high = w->high << (bits & 63) | w->low >> ((64 - bits) & 63);
	w->low <<= bits & 63;
}

// One node: the word that comes below it.
AI __u32 step(struct prefix_walk *w, __u32 word)
{
	__u32 number = word - 2;
	if (!enter_segment(w, number / PREFIX_NODES))
		return 0;
	struct prefix_node *n = &w->segment->node[number % PREFIX_NODES];
	__u32 skip = n->skip;
	if (skip) {
		if ((w->high ^ n->skipped) >> ((64 - skip) & 63))
			return 0;
		shift(w, skip);
	}
	__u32 byte = w->high >> 56, quarter = byte >> 6;
	__u64 any = n->any[quarter], bit = 1ULL << (byte & 63);
	if (!(any & bit))
		return 0;
	__u32 below = n->below[quarter];
	if (!below)
		return 1;
	shift(w, 8);
	return prefix_word(w, below + ones(any & (bit - 1)));
}

// Whether a table, named by its first node plus 1, lists an address; steps is how many nodes there can be on its path.
AI int prefix_listed(__u32 table, __u64 high, __u64 low, int steps)
{
	__u32 first = table - 1;
	struct prefix_walk w = {.number = first / PREFIX_NODES, .high = high, .low = low};
	w.segment = prefix_segment(w.number);
	if (!w.segment)
		return 0;
	__u32 word = prefix_word(&w, first * NODE_WORDS + (high >> 48));
	shift(&w, 16);
#pragma clang loop unroll(disable)
	for (int i = 0; i < steps && word > 1; i++)
		word = step(&w, word);
	return word == 1;
}

#define STEPS4 2
#define STEPS6 14

AI int prefix_listed4(__u32 table, __be32 address)
{
	return prefix_listed(table, (__u64)bpf_ntohl(address) << 32, 0, STEPS4);
}

AI int prefix_listed6(__u32 table, const __u64 *address)
{
	return prefix_listed(table, bpf_be64_to_cpu(address[0]), bpf_be64_to_cpu(address[1]), STEPS6);
}
