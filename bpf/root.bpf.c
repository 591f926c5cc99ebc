// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//go:build ignore

#include <linux/pkt_cls.h>
#include "frame.h"
#include "rows.h"

// What is live; see abi.h. Frozen for user space: only the gate writes it.
MAP(control, ARRAY, struct control, 1, BPF_F_MMAPABLE);

// Which chain this instance is attached for.
const volatile __u32 chain = 0;

// The one look at `active`: every later stage of the packet goes by what is found here.
AI struct entry *enter(void)
{
	__u32 zero = 0;
	struct control *c = bpf_map_lookup_elem(&control, &zero);
	struct entry *e = bpf_map_lookup_elem(&entry, &zero);
	if (!c || !e)
		return 0;
	__u32 generation = *(volatile __u32 *)&c->active & (GENERATIONS - 1);
	e->generation = generation;
	e->chain = chain;
	return e;
}

// No row: the packet goes on as if nothing were attached, and is counted.
AI void count_lost(struct entry *e, __u32 bytes)
{
	struct count *n = &e->lost[chain & (CHAINS - 1)];
	n->packets++;
	n->bytes += bytes;
}

SEC("xdp")
int root(struct xdp_md *ctx)
{
	struct entry *e = enter();
	if (!e)
		return XDP_PASS;
	jump(ctx, e->generation, chain * POSITIONS);
	count_lost(e, frame_bytes(ctx));
	return XDP_PASS;
}

SEC("tc")
int root_tc(struct __sk_buff *ctx)
{
	struct entry *e = enter();
	if (!e)
		return TC_ACT_UNSPEC;
	jump(ctx, e->generation, chain * POSITIONS);
	count_lost(e, ctx->len);
	return TC_ACT_UNSPEC;
}

char _license[] SEC("license") = "Dual BSD/GPL";
