// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "abi_capture.h"
#include "rows.h"
#include "trail.h"

// The packet at hand.
MAP(scratch, PERCPU_ARRAY, struct scratch, 1, 0);

// One element a CPU instead of a per-CPU map: user space maps it and reads without a system call.
MAP(counters, ARRAY, struct counters, 1, BPF_F_MMAPABLE);

// Sampled drops.
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 18);
} events SEC(".maps");

// The programs by which packets are captured. One map for XDP, one for tc; empty while nobody looks.
MAP(captors, PROG_ARRAY, __u32, CAPTORS, 0);

// What the stages of each row go by.
MAP(row_settings, ARRAY, struct row, GENERATIONS *CHAINS, BPF_F_MMAPABLE);

AI struct scratch *scratch_of_this_cpu(void)
{
	__u32 zero = 0;
	return bpf_map_lookup_elem(&scratch, &zero);
}

AI struct counters *counters_of_this_cpu(void)
{
	__u32 cpu = bpf_get_smp_processor_id();
	return bpf_map_lookup_elem(&counters, &cpu);
}

// Tells the drop at hand, and says after how many the next one is: on average one in 2^shift, at random, so that
// senders who take turns are told alike. As many come out of each tick whatever comes: enough to see who is dropped,
// too few to matter under a flood.
AI __u32 tell_drop(struct told *t, __u16 tick)
{
	if (t->tick != tick) {
		int follows = (__u16)(t->tick + 1) == tick;
		t->shift = follows && t->shift ? t->shift - (t->told < TOLD) : 0;
		t->tick = tick;
		t->told = 0;
	}
	__u32 one_in = 1U << (t->shift & 31);
	if (++t->told > 2 * TOLD && t->shift < 30) {
		t->shift++;
		t->told = TOLD;
	}
	t->skip = bpf_get_prandom_u32() & ((2U << (t->shift & 31)) - 2);
	return one_in;
}

// Of how many drops for a reason the one at hand is told; 0 = it is not.
AI __u32 one_told_in(struct told *t)
{
	__u16 tick = bpf_jiffies64() >> 5;
	if (t->tick != tick || !t->skip)
		return tell_drop(t, tick);
	t->skip--;
	return 0;
}

AI void drop_event(struct scratch *s, struct counters *c, enum reason reason)
{
	__u32 one_in = one_told_in(&c->told[reason]);
	if (!one_in)
		return;
	struct drop_event *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e) {
		c->events_lost++;
		return;
	}
	*e = (struct drop_event){
		.time = bpf_ktime_get_coarse_ns(),
		.chain = s->chain,
		.bytes = s->bytes,
		.vip = s->has_vip ? s->vip.num : 0,
		.src_port = s->src_port,
		.dst_port = s->dst_port,
		.reason = reason,
		.family = s->family,
		.l4_proto = s->l4_proto,
		.tcp_flags = s->tcp_flags,
		.one_in = one_in,
	};
	__builtin_memcpy(e->src, s->src6, 16);
	__builtin_memcpy(e->dst, s->dst6, 16);
	bpf_ringbuf_submit(e, 0);
}

AI struct row *row_at_hand(struct scratch *s)
{
	__u32 i = (s->next - 1) / POSITIONS;
	return bpf_map_lookup_elem(&row_settings, &i);
}

// Which element of its kind's settings the stage at hand goes by.
AI __u32 settings_at_hand(struct scratch *s)
{
	struct row *r = row_at_hand(s);
	return r ? r->settings[position(s)] : 0;
}

// Under which number the stage at hand is counted, wherever it stands: 0 is parse.
AI __u32 account_at_hand(struct scratch *s)
{
	struct row *r = row_at_hand(s);
	return r ? r->accounts >> position(s) * 4 & (POSITIONS - 1) : 0;
}

#define LEDGER_MIX 0x9e3779b1U

// Notes in the ledger who dropped what of whom; shadow says that it only would have.
AI void count_drop(struct scratch *s, struct counters *c, enum reason reason, __u32 shadow)
{
	__u32 vip = s->has_vip ? s->vip.num & (VIPS - 1) : 0;
	__u32 key = reason | vip << DROP_VIP_SHIFT | account_at_hand(s) << DROP_ACCOUNT_SHIFT |
		    (s->chain & (CHAINS - 1)) << DROP_CHAIN_SHIFT | shadow | DROP_USED;
	__u32 home = key * LEDGER_MIX >> 20;
#pragma clang loop unroll(full)
	for (__u32 i = 0; i < DROP_PROBES; i++) {
		struct drop *d = &c->drop[(home + i) & (DROPS - 1)];
		if (!d->key)
			d->key = key;
		if (d->key == key) {
			d->count.packets++;
			d->count.bytes += s->bytes;
			return;
		}
	}
	c->drops_lost++;
}

// Whether a stage that found a packet to be dropped drops it. One in shadow mode counts it and lets it pass.
AI int refuses(struct scratch *s, enum reason reason)
{
	struct row *r = row_at_hand(s);
	if (!r || !(r->shadow >> position(s) & 1))
		return 1;
	saw(s, SAW_SHADOW, reason, 0);
	struct counters *c = counters_of_this_cpu();
	if (c && !dry)
		count_drop(s, c, reason, DROP_SHADOW);
	return 0;
}

// One packet of 64 is measured while somebody looks.
AI void measure_some(struct scratch *s)
{
	struct counters *c = counters_of_this_cpu();
	if (dry || !c || bpf_get_prandom_u32() & 63)
		return;
	__u64 began = bpf_ktime_get_ns();
	s->stamp = bpf_ktime_get_ns();
	c->clock.ns += s->stamp - began;
	c->clock.packets++;
}

// The stamp of a packet that is captured and whose cost is not measured.
#define NO_STAMP 1

// What the stage at hand cost a packet that is measured.
AI void measure(struct scratch *s)
{
	if (s->stamp <= NO_STAMP || dry)
		return;
	__u64 now = bpf_ktime_get_ns();
	struct counters *c = counters_of_this_cpu();
	if (c) {
		struct cost *cost = &c->cost[s->chain & (CHAINS - 1)][account_at_hand(s)];
		cost->ns += now - s->stamp;
		cost->packets++;
	}
	s->stamp = bpf_ktime_get_ns(); // noting it is no stage's cost
}

AI void count_exit(struct scratch *s, struct counters *c, enum reason reason)
{
	struct count *n = &c->exit[s->chain & (CHAINS - 1)][reason];
	n->packets++;
	n->bytes += s->bytes;
	s->reason = reason;
	measure(s);
}

// The one door. Every packet that parse saw goes through it once, with the verdict of its hook and a reason.
AI int leave(struct scratch *s, int verdict, enum reason reason)
{
	if (dry) {
		s->note.reason = reason;
		s->note.seq = s->seq;
		end_trail(s, bpf_ktime_get_ns());
		return verdict;
	}
	struct counters *c = counters_of_this_cpu();
	if (c) // always: one element a CPU
		count_exit(s, c, reason);
	return verdict;
}

// The door for a packet that is not delivered.
AI int leave_dropped(struct scratch *s, int verdict, enum reason reason)
{
	if (dry)
		return leave(s, verdict, reason);
	if (s->held)
		s->given_back = s->held; // the next packet that meets the stage sees to it
	struct counters *c = counters_of_this_cpu();
	if (!c)
		return verdict;
	if (s->has_vip) {
		struct count *n = &c->vip_drop[s->vip.num & (VIPS - 1)];
		n->packets++;
		n->bytes += s->bytes;
	}
	count_drop(s, c, reason, 0);
	drop_event(s, c, reason);
	count_exit(s, c, reason);
	return verdict;
}

// The door for a packet that has met every stage of its row, or a slot that should not be empty.
AI int leave_at_end(struct scratch *s, int verdict)
{
	struct row *r = row_at_hand(s);
	s->stamp = 0; // no stage is at hand
	return leave(s, verdict, r && r->length == position(s) ? REASON_CHAIN_END : REASON_EMPTY_SLOT);
}

// Between two stages, for the few packets at which somebody looks.
AI void look_between(void *ctx, struct scratch *s)
{
	if (s->captured & CAPTURED_BETWEEN)
		bpf_tail_call_static(ctx, &captors, CAPTOR_BETWEEN); // goes on with the next stage itself
	measure(s);
}

#define QUICK_CHAINS	2
#define QUICK_POSITIONS 4

// On to the next position of the row. Returns only when there is none, and then the packet goes on to the kernel: a
// mistake in the rows must not lock the operator out of the node. The first stages of the first chains, which see most
// packets, get the cheap jump.
AI void next_stage(void *ctx, struct scratch *s)
{
	if (s->stamp) {
		if (dry)
			end_position(s);
		else
			look_between(ctx, s);
	}
	__u32 place = s->next++, generation = place / (CHAINS * POSITIONS), rest = place % (CHAINS * POSITIONS);
#pragma clang loop unroll(full)
	for (__u32 i = 0; i < QUICK_CHAINS * QUICK_POSITIONS; i++) {
		__u32 quick = i / QUICK_POSITIONS * POSITIONS + i % QUICK_POSITIONS + 1;
		if (rest == quick)
			jump(ctx, generation, quick);
	}
	bpf_tail_call(ctx, &rows, place);
}
