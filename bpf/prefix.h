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

// A word of the store, which all words of all nodes number.
AI __u32 prefix_word(__u32 place)
{
	struct prefix_segment *s = prefix_segment(place / (PREFIX_NODES * NODE_WORDS));
	return s ? *(volatile __u32 *)((__u32 *)s + place % (PREFIX_NODES * NODE_WORDS)) : 0;
}

AI struct prefix_node *prefix_node(__u32 number)
{
	struct prefix_segment *s = prefix_segment(number / PREFIX_NODES);
	return s ? &s->node[number % PREFIX_NODES] : 0;
}

AI __u32 ones(__u64 bits)
{
	bits -= bits >> 1 & 0x5555555555555555ULL;
	bits = (bits & 0x3333333333333333ULL) + (bits >> 2 & 0x3333333333333333ULL);
	bits = (bits + (bits >> 4)) & 0x0f0f0f0f0f0f0f0fULL;
	return bits * 0x0101010101010101ULL >> 56;
}

// An address whose next bits are the upper ones of high.
struct prefix_bits {
	__u64 high;
	__u64 low;
};

// Takes the next bits off, at most 63 and at least one.
AI void shift(struct prefix_bits *b, __u32 bits)
{
	b->high = b->high << (bits & 63) | b->low >> ((64 - bits) & 63);
	b->low <<= bits & 63;
}

// One node: the word that comes below it.
AI __u32 step(__u32 word, struct prefix_bits *b)
{
	struct prefix_node *n = prefix_node(word - 2);
	if (!n)
		return 0;
	__u32 skip = n->skip;
	if (skip) {
		if ((b->high ^ n->skipped) >> ((64 - skip) & 63))
			return 0;
		shift(b, skip);
	}
	__u32 byte = b->high >> 56, quarter = byte >> 6;
	__u64 any = n->any[quarter], bit = 1ULL << (byte & 63);
	if (!(any & bit))
		return 0;
	__u32 below = n->below[quarter];
	if (!below)
		return 1;
	shift(b, 8);
	return prefix_word(below + ones(any & (bit - 1)));
}

// Whether a table, named by its first node plus 1, lists an address of which b are the bits; steps is how many nodes
// there can be on its path.
AI int prefix_listed(__u32 table, struct prefix_bits b, int steps)
{
	__u32 word = prefix_word((table - 1) * NODE_WORDS + (b.high >> 48));
	shift(&b, 16);
#pragma clang loop unroll(disable)
	for (int i = 0; i < steps && word > 1; i++)
		word = step(word, &b);
	return word == 1;
}

#define STEPS4 2
#define STEPS6 14

AI int prefix_listed4(__u32 table, __be32 address)
{
	return prefix_listed(table, (struct prefix_bits){(__u64)bpf_ntohl(address) << 32, 0}, STEPS4);
}

AI int prefix_listed6(__u32 table, const __u64 *address)
{
	return prefix_listed(table, (struct prefix_bits){bpf_be64_to_cpu(address[0]), bpf_be64_to_cpu(address[1])},
			     STEPS6);
}
