// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "map.h"

#define MIX1 0x9e3779b97f4a7c15ULL
#define MIX2 0xff51afd7ed558ccdULL
#define MIX3 0xc4ceb9fe1a85ec53ULL

// The finalizer of MurmurHash3: every bit of the input moves every bit of the output.
AI __u64 mix(__u64 h)
{
	h ^= h >> 33;
	h *= MIX2;
	h ^= h >> 33;
	h *= MIX3;
	return h ^ h >> 33;
}

// The place of the lowest of eight bits, at least one of which is set. A single bit times a de Bruijn sequence has one
// of eight values in bits 5 to 7.
AI __u32 lowest(__u64 bits)
{
	__u64 bit = bits & -bits;
	return 0x34572610 >> ((bit * 0x1d & 0xe0) >> 3) & 7;
}

// 1 or 0, without a branch: the compiler, which knows better, would make one, and the verifier would see 2^8 ways
// through a set of eight.
AI __u64 nonzero(__u64 x)
{
	__u64 negative = -x;
	asm("" : "+r"(negative));
	return (x | negative) >> 63;
}

// What hashes begin with that nobody outside may foresee.
const volatile __u64 conn_key[2] = {};
