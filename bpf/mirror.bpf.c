// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//go:build ignore

#include <linux/pkt_cls.h>
#include "abi_mirror.h"
#include "clock.h"
#include "own.h"

// Copies of packets for a collector: as they are where the stage stands, of one packet in so many of those that its
// filter is true of, at a bounded rate. XDP cannot send a packet twice, and what it sends never becomes an skb: so the
// copies go through a ring buffer to the engine, which sends them. While none runs they are counted as lost.

// What each mirror goes by.
MAP(mirrors, ARRAY, struct mirror, MIRRORS, BPF_F_MMAPABLE);

// Copies, for the one reader. It looks every now and then, and is woken when much has come meanwhile.
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 22);
} mirror_records SEC(".maps");

#define WAKE_AT	    (1 << 20) // bytes that wait
#define RATE_WINDOW 30	      // ns: 2^30

// Where a copy is made, and how many were made of late on this CPU by each mirror.
struct mirroring {
	struct mirrored head;
	__u8 frame[MIRROR_SNAP];
	struct {
		__u64 window;
		__u64 copies;
	} late[MIRRORS];
};

MAP(mirrorings, PERCPU_ARRAY, struct mirroring, 1, 0);

// What stands here is for a filter that is still to come: engine/datapath/rules.go puts it in its place.
__attribute__((weak, noinline)) __u64 marks(struct scratch *s)
{
	asm volatile("" : "+r"(s));
	return 0;
}

AI int within_rate(struct scratch *s, struct mirror *m, struct mirroring *at, __u32 element)
{
	__u32 i = element & (MIRRORS - 1);
	__u64 window = coarse_now(s) >> RATE_WINDOW;
	if (at->late[i].window != window) {
		at->late[i].window = window;
		at->late[i].copies = 0;
	}
	return at->late[i].copies++ < m->rate;
}

// From 1 to MIRROR_SNAP bytes, in the way in which the verifier can see it.
AI long copy_frame(void *ctx, int tc, struct mirroring *at, __u32 bytes)
{
	asm volatile("" : "+r"(bytes));
	bytes = ((bytes - 1) & (MIRROR_SNAP - 1)) + 1;
	long failed = tc ? bpf_skb_load_bytes(ctx, 0, at->frame, bytes) : bpf_xdp_load_bytes(ctx, 0, at->frame, bytes);
	if (failed)
		return failed;
	__u64 wake = bpf_ringbuf_query(&mirror_records, BPF_RB_AVAIL_DATA) > WAKE_AT ? BPF_RB_FORCE_WAKEUP
										     : BPF_RB_NO_WAKEUP;
	return bpf_ringbuf_output(&mirror_records, at, sizeof(at->head) + bytes, wake);
}

AI void copy(void *ctx, int tc, struct scratch *s, int filtered)
{
	__u32 element = settings_at_hand(s), zero = 0;
	struct mirror *m = bpf_map_lookup_elem(&mirrors, &element);
	struct mirroring *at = bpf_map_lookup_elem(&mirrorings, &zero);
	if (!m || !at || !m->one_in)
		return;
	if (m->one_in > 1 && (__u64)bpf_get_prandom_u32() * m->one_in >> 32 && !dry)
		return;
	if (filtered && !marks(s))
		return;
	saw(s, SAW_MIRRORED, m->one_in, m->snap);
	if (dry)
		return;
	if (!within_rate(s, m, at, element)) {
		count_own(s, MIRROR_OVER);
		return;
	}
	at->head = (struct mirrored){.id = m->id, .bytes = s->bytes, .l2_len = s->family ? s->l2_len : 0};
	__u32 bytes = s->bytes < m->snap ? s->bytes : m->snap;
	count_own(s, bytes && !copy_frame(ctx, tc, at, bytes) ? MIRROR_COPIED : MIRROR_LOST);
}

AI int at_xdp(struct xdp_md *ctx, int filtered)
{
	struct scratch *s = scratch_of_this_cpu();
	if (!s)
		return XDP_PASS;
	copy(ctx, 0, s, filtered);
	next_stage(ctx, s);
	return leave_at_end(s, XDP_PASS);
}

AI int at_tc(struct __sk_buff *ctx, int filtered)
{
	struct scratch *s = scratch_of_this_cpu();
	if (!s)
		return TC_ACT_UNSPEC;
	if (ctx->mark != MIRROR_MARK)
		copy(ctx, 1, s, filtered);
	next_stage(ctx, s);
	return leave_at_end(s, TC_ACT_UNSPEC);
}

SEC("xdp")
int mirror(struct xdp_md *ctx)
{
	return at_xdp(ctx, 0);
}

SEC("xdp")
int mirror_some(struct xdp_md *ctx)
{
	return at_xdp(ctx, 1);
}

SEC("tc")
int mirror_tc(struct __sk_buff *ctx)
{
	return at_tc(ctx, 0);
}

SEC("tc")
int mirror_some_tc(struct __sk_buff *ctx)
{
	return at_tc(ctx, 1);
}

char _license[] SEC("license") = "Dual BSD/GPL";
