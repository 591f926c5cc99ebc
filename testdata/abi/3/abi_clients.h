// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include <linux/types.h>

// The part of the ABI that is about how the clients of VIPs fare.

#define SEEN_SYNS 16384

// TCP packets for VIPs by one CPU, while the generation is watched. Nobody else writes them.
struct clients {
	__u64 packets;
	__u64 syns;
	__u64 repeats; // SYNs that had come before, and got no answer that the client knows of
	__u64 resets;
	__u64 pad[4];
};
_Static_assert(sizeof(struct clients) == 64, "clients");
