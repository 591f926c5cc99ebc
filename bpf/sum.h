// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "map.h"

// Internet checksums (RFC 1071) of sums that were made of words as they lie in memory.

AI __u16 fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

AI __u64 sum_words(__u64 word)
{
	return (word & 0xffff) + (word >> 16 & 0xffff) + (word >> 32 & 0xffff) + (word >> 48);
}
