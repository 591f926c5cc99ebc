// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "abi_trace.h"
#include "scratch.h"

// What a dry packet leaves behind: one element a CPU, which dry runs write and nobody else.
MAP(trail, ARRAY, struct trail, 1, BPF_F_MMAPABLE);

// Set when the stage is loaded a second time for dry runs: every write to a shared map is compiled out, and the one
// door leaves a note instead.
const volatile __u32 dry = 0;

// Where the stage at hand stands: 0 is parse.
AI __u32 position(struct scratch *s)
{
	return (s->next - 1) % POSITIONS;
}

AI struct trail *trail_of_this_cpu(void)
{
	__u32 cpu = bpf_get_smp_processor_id();
	return bpf_map_lookup_elem(&trail, &cpu);
}

// Notes what the stage at hand saw or decided. Costs nothing but in a dry run: the kernel takes it out of the others.
AI void saw(struct scratch *s, enum sight_kind kind, __u64 a, __u64 b)
{
	if (!dry)
		return;
	struct trail *t = trail_of_this_cpu();
	if (!t || t->count >= SIGHTS)
		return;
	__u32 i = t->count++ & (SIGHTS - 1);
	t->sight[i] = (struct sight){.position = position(s), .kind = kind, .a = a, .b = b};
}

AI void begin_trail(struct scratch *s)
{
	struct trail *t = trail_of_this_cpu();
	if (!t)
		return;
	__builtin_memset(t->began, 0, sizeof(t->began));
	t->note = s->note;
	t->count = 0;
	t->left = 0;
	t->began[0] = bpf_ktime_get_ns();
	t->clock = bpf_ktime_get_ns() - t->began[0];
}

// Of the packet as it is at hand.
AI void saw_vip(struct scratch *s)
{
	saw(s, SAW_VIP, s->kind | s->has_vip << 8, s->vip.num | (__u32)s->vip.flags << 16);
}

// The stage at hand has ended, and the one that comes next begins.
AI void end_position(struct scratch *s)
{
	struct trail *t = dry ? trail_of_this_cpu() : 0;
	if (!t)
		return;
	if (!position(s))
		saw_vip(s);
	t->began[s->next % POSITIONS] = bpf_ktime_get_ns();
}

AI void end_trail(struct scratch *s, __u64 left)
{
	struct trail *t = dry ? trail_of_this_cpu() : 0;
	if (!t)
		return;
	if (!position(s))
		saw_vip(s);
	t->note = s->note;
	t->left = left;
}
