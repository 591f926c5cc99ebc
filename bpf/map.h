// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "abi.h"

#define AI static __always_inline

// A loop is a function of its own, which the verifier sees once.
#define FUNCTION __attribute__((noinline, weak))

// Maps stand in the header that reads them; engine/datapath creates and pins each once and gives it to every program.
#define MAP(name, kind, value_type, entries, flags)                                                                    \
	struct {                                                                                                       \
		__uint(type, BPF_MAP_TYPE_##kind);                                                                     \
		__type(key, __u32);                                                                                    \
		__type(value, value_type);                                                                             \
		__uint(max_entries, entries);                                                                          \
		__uint(map_flags, flags);                                                                              \
	} name SEC(".maps")
