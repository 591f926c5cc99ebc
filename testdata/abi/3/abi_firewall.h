// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "abi.h"

// The part of the ABI that is about firewalls.

// Eight bits of an address in a table of prefixes. A word of such a table is 0: nothing that begins so is listed; 1:
// all of it is; else the number of a node in the store, plus 2. The first 65536 words of a table are for the first 16
// bits.
struct prefix_node {
	__u64 any[4];	// bit b: something of what goes on with the byte b is listed
	__u32 below[4]; // of 64 bits of any: where the words of those that are set begin; 0 = all of each is listed
	__u64 skipped;	// what stands before the byte, in the upper bits
	__u32 skip;	// how many bits
	__u32 pad;
};
_Static_assert(sizeof(struct prefix_node) == 64, "prefix_node");

struct prefix_segment {
	struct prefix_node node[PREFIX_NODES];
};

// What a firewall goes by.
struct firewall {
	__u32 src4; // first node of the table of prefixes, plus 1; 0 = none is listed
	__u32 src6;
	__u32 dst4;
	__u32 dst6;
	__u64 digest[4];      // of those tables
	__u64 lists;	      // what the tables were made of, by name
	__u64 rules;	      // digest of the program that has the rules; 0 = none
	__u8 action[RULES];   // enum rule_action
	__u16 counter[RULES]; // of a rule
};
_Static_assert(sizeof(struct firewall) == 256, "firewall");

enum rule_action {
	RULE_DROP = 0,
	RULE_PASS = 1,
	RULE_COUNT = 2,
};

// Whose a rule counter is.
struct rule_name {
	char stage[32];
	char rule[32];
};
_Static_assert(sizeof(struct rule_name) == 64, "rule_name");
