// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "abi_clients.h"
#include "clock.h"
#include "mix.h"
#include "parse.h"

// How clients fare, as far as their half of a connection shows it: they reset what they do not know, and repeat a SYN
// that nobody answered after one second, or three. Counted only while somebody looks.

MAP(clients, ARRAY, struct clients, 1, BPF_F_MMAPABLE);

// The SYN that came last to each place: tag 40, and from bit 0 the tick of 2^27 ns (134 ms) at which it did. All CPUs
// write it, by plain stores. A later SYN takes the place of another: some repeats are missed then, none is made up.
MAP(seen_syns, ARRAY, __u64, SEEN_SYNS, 0);

#define SEEN_TICK_SHIFT 27
#define SEEN_TAG_SHIFT	24
#define SEEN_TICK_MASK	((1U << SEEN_TAG_SHIFT) - 1)
#define REPEAT_LEAST	4  // ticks, 0.5 s: what comes earlier was doubled on its way
#define REPEAT_MOST	74 // ticks, 10 s

#define CLIENT_SYN 0x02
#define CLIENT_RST 0x04
#define CLIENT_ACK 0x10

// The sequence number tells a repeat from the next connection by the same addresses and ports.
AI int is_repeat(struct scratch *s, __u64 flow_hash)
{
	__u64 key = mix(flow_hash ^ s->seq_high * MIX1);
	__u32 place = key & (SEEN_SYNS - 1), tick = coarse_now(s) >> SEEN_TICK_SHIFT & SEEN_TICK_MASK;
	__u64 *seen = bpf_map_lookup_elem(&seen_syns, &place);
	if (!seen)
		return 0;
	__u64 before = *(volatile __u64 *)seen, now = key >> SEEN_TAG_SHIFT << SEEN_TAG_SHIFT | tick;
	__u32 gap = (tick - (__u32)before) & SEEN_TICK_MASK;
	int same = !((before ^ now) >> SEEN_TAG_SHIFT);
	if (same && gap < REPEAT_LEAST)
		return 0;
	*(volatile __u64 *)seen = now;
	return same && gap <= REPEAT_MOST;
}

AI void count_client(struct scratch *s, __u64 flow_hash)
{
	__u32 cpu = bpf_get_smp_processor_id();
	if (dry || s->l4_proto != IPPROTO_TCP)
		return;
	struct clients *c = bpf_map_lookup_elem(&clients, &cpu);
	if (!c) // never: one element a CPU
		return;
	c->packets++;
	if (s->tcp_flags & CLIENT_RST)
		c->resets++;
	if ((s->tcp_flags & (CLIENT_SYN | CLIENT_ACK)) != CLIENT_SYN)
		return;
	c->syns++;
	if (is_repeat(s, flow_hash))
		c->repeats++;
}
