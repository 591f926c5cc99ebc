// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "abi_connlimit.h"
#include "connection.h"

// Seats: how many TCP sockets of the host, of a VIP or of a source are open, and how many handshakes are on their way
// to become one. The census counts the former, the data path the latter. Everything here may happen on several CPUs at
// a time.

MAP(seats, ARRAY, struct seats, SEATS, BPF_F_MMAPABLE);
MAP(seat_sets, ARRAY, struct set, SEAT_SETS, BPF_F_MMAPABLE);
MAP(seat_names, ARRAY, struct seat_name, SEAT_SETS *SET_WAYS, BPF_F_MMAPABLE);

#define PENDING_ALL  0xffffffffffffULL
#define PENDING_MOST 0xff00 // in a tick; more are not counted one by one
#define SEAT_TRIES   8

// Handshakes by tick, as they stand at a tick: what is three ticks old has come to nothing.
AI __u64 pending_at(__u64 word, __u32 tick)
{
	__u32 older = (tick - (__u32)(word >> 48)) & 0xffff;
	word &= PENDING_ALL;
	if (older >= 0x8000) // this CPU's clock is behind
		return word;
	return older > 2 ? 0 : word << 16 * older & PENDING_ALL;
}

AI __u32 pending_sum(__u64 word)
{
	return (word & 0xffff) + (word >> 16 & 0xffff) + (word >> 32 & 0xffff);
}

// Begins a new tick of handshakes.
FUNCTION int turn_pending(struct seats *x, __u32 tick)
{
	if (!x)
		return 0;
	for (int i = 0; i < SEAT_TRIES; i++) {
		__u64 word = *(volatile __u64 *)&x->pending;
		__u32 older = (tick - (__u32)(word >> 48)) & 0xffff;
		if (!older || older >= 0x8000)
			return 0;
		if (__sync_val_compare_and_swap(&x->pending, word, pending_at(word, tick) | (__u64)tick << 48) == word)
			return 1;
	}
	return 0;
}

// Gives back the place of a handshake: it became a socket, or it did not pass after all. Which one it was does not
// matter; the newest is most likely.
FUNCTION int leave_seat(struct seats *x)
{
	if (!x)
		return 0;
	for (int i = 0; i < SEAT_TRIES; i++) {
		__u64 word = *(volatile __u64 *)&x->pending, one = 1;
		if (!(word & PENDING_ALL))
			return 0;
		if (!(word & 0xffff))
			one = word & 0xffff0000 ? 1ULL << 16 : 1ULL << 32;
		if (__sync_val_compare_and_swap(&x->pending, word, word - one) == word)
			return 1;
	}
	return 0;
}

AI int has_room(struct seats *x, __u64 pending, __u32 max, __u32 tick)
{
	return *(volatile __u32 *)&x->open + pending_sum(pending_at(pending, tick)) < max;
}

// Takes a place for a handshake, unless as many are taken as may be. A handshake is counted first and the sockets are
// read after it, while the census counts a socket first and takes off its handshake after it: so a connection is seen
// once or twice, and never missed.
AI int take_seat(struct seats *x, __u32 max, __u32 tick)
{
	__u64 word = *(volatile __u64 *)&x->pending;
	if (!has_room(x, word, max, tick))
		return 0;
	if (dry)
		return 1;
	if (word >> 48 != tick)
		turn_pending(x, tick);
	if ((word & 0xffff) >= PENDING_MOST)
		return 1;
	word = __sync_fetch_and_add(&x->pending, 1);
	if (has_room(x, word, max, tick))
		return 1;
	leave_seat(x);
	return 0;
}

// Whose seats are meant, of a packet or a socket whose remote address is that.
AI void name_source(struct seat_name *n, __u8 family, const __u64 *address, __u8 prefix4, __u8 prefix6)
{
	n->family = family;
	if (family == 4) {
		__u32 mask = ~0U << ((32 - prefix4) & 31);
		n->address[0] = (__u32)*address & bpf_htonl(mask);
		n->address[1] = 0;
		return;
	}
	__u64 high = prefix6 < 64 ? ~0ULL << ((64 - prefix6) & 63) : ~0ULL;
	__u64 low = prefix6 > 64 ? ~0ULL << ((128 - prefix6) & 63) : 0;
	n->address[0] = address[0] & bpf_cpu_to_be64(high);
	n->address[1] = address[1] & bpf_cpu_to_be64(low);
}

AI __u64 name_hash(struct seat_name *n)
{
	__u64 h = mix(conn_key[0] ^ n->address[0]) ^ n->address[1];
	return mix((h ^ conn_key[1]) * MIX1 ^ ((__u64)n->lens << 32 | (__u32)n->vip << 8 | n->family)) | 1;
}

AI struct set *set_of(__u64 hash, __u32 *first)
{
	__u32 place = hash >> 32 & (SEAT_SETS - 1);
	*first = place * SET_WAYS;
	return bpf_map_lookup_elem(&seat_sets, &place);
}

// The ways of a set that have the hash, a bit each.
AI __u32 ways_of(struct set *set, __u64 hash)
{
	__u64 hits = 0;
#pragma clang loop unroll(full)
	for (__u32 i = 0; i < SET_WAYS; i++) {
		__u64 differs = *(volatile __u64 *)&set->entry[i] ^ hash;
		hits |= (nonzero(differs) ^ 1) << i;
	}
	return hits;
}

// A way whose source has no socket, nor a handshake unless the place is wanted for a socket. SET_WAYS = none.
AI __u32 idle_way(struct set *set, __u32 first, __u32 tick, int for_socket)
{
	for (__u32 i = 0; i < SET_WAYS; i++) {
		__u32 place = VIPS + first + i;
		if (!*(volatile __u64 *)&set->entry[i])
			return i;
		struct seats *x = bpf_map_lookup_elem(&seats, &place);
		if (x && !*(volatile __u32 *)&x->open &&
		    (for_socket || !pending_at(*(volatile __u64 *)&x->pending, tick)))
			return i;
	}
	return SET_WAYS;
}

// Makes a place the source's. Where two CPUs do so at a time, both see the other, and both try again.
AI __u32 claim_way(struct set *set, __u32 first, __u64 hash, struct seat_name *n, __u32 tick, int for_socket)
{
	__u32 way = idle_way(set, first, tick, for_socket) & 15;
	if (way >= SET_WAYS)
		return 0;
	__u64 old = *(volatile __u64 *)&set->entry[way];
	if (__sync_val_compare_and_swap(&set->entry[way], old, hash) != old)
		return 0;
	if (ways_of(set, hash) & ~(1U << way)) {
		__sync_val_compare_and_swap(&set->entry[way], hash, 0);
		return 0;
	}
	__u32 place = first + way;
	struct seat_name *name = bpf_map_lookup_elem(&seat_names, &place);
	if (name)
		*name = *n;
	place += VIPS;
	struct seats *x = bpf_map_lookup_elem(&seats, &place);
	if (x && n->lens == LENS_SERVICE)
		x->opened = 0;
	return place;
}

#define CLAIM_TRIES 3 // two CPUs that want the same place for one source give it up and try again

// The element of seats that a source has, or gets when it is to have one. 0 = none: its set is full of others.
FUNCTION __u32 seat_of(struct seat_name *n, int claim, __u32 tick, int for_socket)
{
	if (!n)
		return 0;
	__u64 hash = name_hash(n);
	__u32 first;
	struct set *set = set_of(hash, &first);
	if (!set)
		return 0;
	for (int i = 0; i < CLAIM_TRIES; i++) {
		__u32 ways = ways_of(set, hash);
		if (ways)
			return VIPS + first + lowest(ways);
		__u32 seat = claim ? claim_way(set, first, hash, n, tick, for_socket) : 0;
		if (seat || !claim)
			return seat;
	}
	return 0;
}
