// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "instant.h"

// How many connections passed in the last second, as a log that forgets nothing that counts: the time at which each of
// the newest 128 batches of connections was complete. A batch is begun when the one that lies a whole rate back was
// complete a second ago or more, so that never more than the rate is logged in any second. Batches are rate / 128
// connections, as evenly as whole numbers go, and a single one below that: what is lost against a log of every
// connection is less than a batch.
//
// The stamps do not say for which rate they were made. After an edit, the older batches are taken for as large as those
// of now, of which as many fit into the rate as of their own: what both logged in any second is not more than the
// larger rate.
MAP(windows, ARRAY, struct window, WINDOWS, BPF_F_MMAPABLE);

#define AT_SLOT	  24
#define AT_FILLED ((1U << AT_SLOT) - 1)

// How often a CPU tries again when another was quicker.
#define WINDOW_TRIES 4

// Connections in the batch of a slot.
AI __u32 batch_size(__u32 rate, __u32 slot)
{
	if (rate < WINDOW_SLOTS)
		return 1;
	return ((slot + 1) * (__u64)rate / WINDOW_SLOTS) - (slot * (__u64)rate / WINDOW_SLOTS);
}

// The slot whose batch lies a whole rate back. It is the one that is written next, unless the rate is small.
AI __u32 slot_back(__u32 rate, __u32 slot)
{
	return (slot - (rate < WINDOW_SLOTS ? rate : WINDOW_SLOTS)) & (WINDOW_SLOTS - 1);
}

AI __u64 next_slot(__u64 at)
{
	__u64 slots = (at >> AT_SLOT) + 1; // turn and slot: the one's highest bit carries into the other
	return slots << AT_SLOT;
}

// Whether a connection would find the window full. Says no where it is not sure.
AI int window_full(struct window *w, __u32 rate, struct instant *t)
{
	__u64 at = *(volatile __u64 *)&w->at;
	__u32 slot = at >> AT_SLOT & (WINDOW_SLOTS - 1);
	return !(at & AT_FILLED) && !a_second_since(t, *(volatile __u64 *)&w->stamp[slot_back(rate, slot)]);
}

// Logs a connection and returns 1, or returns 0 when it would be one too many. With `offered`, logs it also then. Less
// than 0: another CPU was quicker.
AI int window_try(struct window *w, __u32 rate, int offered, struct instant *t)
{
	__u64 at = *(volatile __u64 *)&w->at;
	__u32 slot = at >> AT_SLOT & (WINDOW_SLOTS - 1), filled = at & AT_FILLED;
	__u64 was = *(volatile __u64 *)&w->stamp[slot];
	int fits = 1;
	if (!filled || offered)
		fits = a_second_since(t, *(volatile __u64 *)&w->stamp[slot_back(rate, slot)]);
	if (dry || (!fits && !offered))
		return fits;
	__u64 next = at + 1;
	if (filled + 1 >= batch_size(rate, slot)) {
		// The stamp goes first: who sees the next slot sees it. It never goes back, also when another CPU
		// writes it between the two steps.
		make_exact(t);
		if (__sync_val_compare_and_swap(&w->stamp[slot], was, t->now > was ? t->now : was) != was)
			return -1;
		next = next_slot(at);
	}
	return __sync_val_compare_and_swap(&w->at, at, next) == at ? fits : -1;
}

// The rest of the tries. Not inlined, so that the verifier looks at it once.
__noinline int window_again(struct window *w, __u32 rate, int offered, struct instant *t)
{
	if (!w || !t)
		return 0;
#pragma clang loop unroll(disable)
	for (int i = 1; i < WINDOW_TRIES; i++) {
		int fits = window_try(w, rate, offered, t);
		if (fits >= 0)
			return fits;
	}
	return 0;
}

// The first try is inlined: a call costs as much as all of it where the machine guards returns.
AI int window_take(struct window *w, __u32 rate, int offered, struct instant *t)
{
	int fits = window_try(w, rate, offered, t);
	return fits < 0 ? window_again(w, rate, offered, t) : fits;
}
