// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//go:build ignore

#include "chain.h"

// The entry of a dry run: the same rows of the same stages, for a generation that the caller names. It is never
// attached; its maps `rows`, `entry` and `scratch` are the dry ones.
SEC("xdp")
int dry_root(struct xdp_md *ctx)
{
	__u32 zero = 0;
	struct entry *e = bpf_map_lookup_elem(&entry, &zero);
	struct scratch *s = scratch_of_this_cpu();
	struct dry_run *run = (void *)(long)ctx->data_meta;
	if (!e || !s || (void *)(run + 1) > (void *)(long)ctx->data)
		return XDP_ABORTED;
	__u32 generation = run->generation & (GENERATIONS - 1), chain = run->chain & (CHAINS - 1);
	e->generation = generation;
	e->chain = chain;
	s->seq = run->seq;
	s->note = (struct note){.seq = run->seq, .reason = REASON_NO_GENERATION};
	begin_trail(s);
	bpf_tail_call(ctx, &rows, row_of(generation, chain));
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
