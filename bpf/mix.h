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

// What hashes begin with that nobody outside may foresee.
const volatile __u64 conn_key[2] = {};
