// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//go:build ignore

#include "sources.h"
#include "window.h"

// What limits are compared with an exact log with: a program that asks the limits of bpf/window.h and bpf/source.h
// about connections that come at times that it is told, or as fast as the CPUs can.

const volatile __u32 offered = 0;
const volatile __u32 tick = 4000000; // ns of the coarse clock

#define ARRIVALS 4096

// One connection, and what became of it.
struct arrival {
	__u64 at;   // ns; 0 = now, and it is filled in
	__u64 done; // not before it was decided
	__u64 key;  // of its source; 0 = ask a window
	__u32 rate;
	__u32 passed;
};

struct arrivals {
	struct arrival of[ARRIVALS];
};

// One element for each that asks at the same time.
MAP(asked, ARRAY, struct arrivals, 2, BPF_F_MMAPABLE);

struct asking {
	__u32 who;
};

static long ask(__u32 i, struct asking *who)
{
	__u32 number = who->who, one = 1;
	struct arrivals *all = bpf_map_lookup_elem(&asked, &number);
	struct window *w = bpf_map_lookup_elem(&windows, &one);
	if (!all || !w)
		return 1;
	struct arrival *a = &all->of[i & (ARRIVALS - 1)];
	struct instant t = {.now = a->at - a->at % tick, .lag = 2 * tick, .told = a->at};
	if (!a->at) {
		t.now = bpf_ktime_get_coarse_ns();
		a->at = bpf_ktime_get_ns();
	}
	struct at_source s = {.key = a->key, .rate = a->rate, .offered = offered};
	a->passed = a->key ? source_take(&s, &t) : window_take(w, a->rate, offered, &t);
	a->done = t.told ? t.told : bpf_ktime_get_ns();
	return 0;
}

// The first byte of the packet says which element is asked about.
SEC("xdp")
int arrive(struct xdp_md *ctx)
{
	__u8 *first = (void *)(long)ctx->data;
	if ((void *)(first + 1) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	struct asking who = {.who = *first & 1};
	bpf_loop(ARRIVALS, ask, &who, 0);
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
