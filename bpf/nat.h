// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "abi_agent.h"
#include "clock.h"
#include "mix.h"
#include "parse.h"

// The flows that an agent translates. A flow is known by 64 bits of a keyed hash of its ends as the server sees them,
// so that an answer is found by the same ones, and is no other flow's. A flow is in the first of two sets that its hash
// names, unless that is well filled and the other less so: at 90 % of all entries that leaves one in a hundred without
// room, where one set would leave ten. Sets are not LRU: a flow in use never makes room for another.
MAP(nat_flows, ARRAY, struct nat_set, NAT_SETS, BPF_F_MMAPABLE);

// The ends of a flow as the server sees them, in wire order.
struct nat_ends {
	__u64 client[2];
	__u64 local[2];
	__u32 ports; // the client's, and the server's << 16
	__u8 l4_proto;
};

// A flow that is looked for. What works on it is functions of their own, which the verifier sees once.
struct nat {
	__u64 flow;
	__u64 state; // of the entry that was found
	__u32 way;   // of it; NAT_WAYS = none
	__u32 tick;  // now
	__u32 place; // of its set
	__u32 pad;
};

#define NAT_FEW 5 // flows in a set that need not look for another: at half of all entries, one in eleven does

AI __u64 nat_hash(struct nat_ends *e, __u8 family, __u64 salt)
{
	__u64 h = mix(conn_key[0] ^ salt ^ ((__u64)e->l4_proto << 32 | e->ports));
	if (family == 4)
		return mix(h ^ (e->client[0] << 32 | (__u32)e->local[0]) ^ conn_key[1]);
	h = mix(h ^ e->client[0]) ^ e->client[1];
	h = mix(h) ^ e->local[0];
	return mix((h ^ conn_key[1]) * MIX1 ^ e->local[1]);
}

AI __u32 nat_life(__u64 state)
{
	if (state & NAT_CLOSING)
		return NAT_LIFE_CLOSING;
	if (!(state & NAT_CONFIRMED))
		return NAT_LIFE_NEW;
	return state & NAT_UDP ? NAT_LIFE_UDP : NAT_LIFE_TCP;
}

// Ticks since an entry was used. The clock of the CPU that used it may be one ahead of this one's.
AI __u32 nat_idle(__u64 state, __u32 tick)
{
	__s32 idle = tick - (__u32)(state >> NAT_AGE_SHIFT);
	return idle < 0 ? 0 : idle;
}

// An expired entry is a miss, also when no engine sweeps.
AI int nat_alive(__u64 state, __u32 tick)
{
	return state && !(state & NAT_CLAIMED) && nat_idle(state, tick) <= nat_life(state);
}

// The compiler knows that a way is below NAT_WAYS and leaves a mask out; the verifier does not.
AI __u64 bounded_way(__u64 way)
{
	asm volatile("%[way] &= 7" : [way] "+r"(way));
	return way;
}
_Static_assert(NAT_WAYS == 8, "bounded_way");

AI struct nat_set *nat_set_at(__u32 place)
{
	return bpf_map_lookup_elem(&nat_flows, &place);
}

AI __u32 first_place(__u64 flow)
{
	return flow & (NAT_SETS - 1);
}

AI __u32 second_place(__u64 flow)
{
	return flow / NAT_SETS & (NAT_SETS - 1);
}

// Returns whether the flow is in one set, and alive. Whoever replaces an entry claims its state first: a state that is
// read between two looks at an unchanged flow is that flow's.
FUNCTION int find_nat_at(struct nat *n, __u32 place)
{
	__u64 hits = 0;
	struct nat_set *set = nat_set_at(place);
	if (!n || !set)
		return 0;
#pragma clang loop unroll(full)
	for (__u32 i = 0; i < NAT_WAYS; i++) {
		__u64 differs = set->flow[i] ^ n->flow;
		hits |= (nonzero(differs) ^ 1) << i;
	}
	if (!hits)
		return 0;
	__u64 way = bounded_way(lowest(hits));
	__u64 state = *(volatile __u64 *)&set->state[way];
	if (*(volatile __u64 *)&set->flow[way] != n->flow)
		return 0;
	n->way = way;
	n->place = place;
	n->state = state;
	return nat_alive(state, n->tick);
}

// Returns whether the flow is known and alive.
AI int find_nat(struct nat *n)
{
	n->way = NAT_WAYS;
	n->state = 0;
	return find_nat_at(n, first_place(n->flow)) || find_nat_at(n, second_place(n->flow));
}

// Makes the entry that was found look used, with more flags. Not when somebody else changed it meanwhile.
AI void touch_nat(struct nat *n, __u64 flags)
{
	__u64 used = (n->state & 0xffffffff) | flags | (__u64)n->tick << NAT_AGE_SHIFT;
	if (dry || used == n->state || n->way >= NAT_WAYS)
		return;
	struct nat_set *set = nat_set_at(n->place);
	if (set)
		__sync_val_compare_and_swap(&set->state[bounded_way(n->way)], n->state, used);
}

// How readily an entry makes room: 0 = it does not, and the more the sooner.
AI __u64 nat_worth(__u64 state, __u32 tick, int evict)
{
	__u32 idle = nat_idle(state, tick);
	if (state & NAT_CLAIMED)
		return 0;
	if (!state || idle > nat_life(state))
		return 3ULL << 32;
	if (evict && !(state & NAT_CONFIRMED))
		return 2ULL << 32 | idle;
	if (evict && idle > NAT_IDLE)
		return 1ULL << 32 | idle;
	return 0;
}

// The entry of a set to give up for a new one; NAT_WAYS = none.
FUNCTION int find_nat_victim(struct nat *n, __u32 place, int evict)
{
	__u64 best = 0;
	__u32 way = NAT_WAYS;
	struct nat_set *set = nat_set_at(place);
	if (!n || !set)
		return NAT_WAYS;
	__u32 begin = n->flow >> 32, tick = n->tick;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < NAT_WAYS; i++) {
		__u32 at = begin + i;
		__u64 worth = nat_worth(set->state[bounded_way(at)], tick, evict);
		if (worth > best) {
			best = worth;
			way = at & (NAT_WAYS - 1);
		}
	}
	return way;
}

// How many flows of a set live.
FUNCTION int count_nat(struct nat *n, __u32 place)
{
	struct nat_set *set = nat_set_at(place);
	int living = 0;
	if (!n || !set)
		return NAT_WAYS;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < NAT_WAYS; i++)
		living += nat_alive(set->state[bounded_way(i)], n->tick) != 0;
	return living;
}

// Finds the place of a new flow.
AI void place_nat(struct nat *n, int evict)
{
	__u32 first = first_place(n->flow), second = second_place(n->flow);
	int living = count_nat(n, first);
	n->place = living >= NAT_FEW && count_nat(n, second) < living ? second : first;
	n->way = find_nat_victim(n, n->place, evict);
	if (n->way < NAT_WAYS || n->place == second)
		return;
	n->place = second;
	n->way = find_nat_victim(n, second, evict);
}

// Remembers the flow, in the place of its own older entry, of a dead one, or where evict says so of one that nobody
// answered or that has been silent the longest. Returns whether there was one.
FUNCTION int remember_nat(struct nat *n, __u64 state, int evict)
{
	if (!n)
		return 0;
	if (n->way >= NAT_WAYS)
		place_nat(n, evict);
	struct nat_set *set = nat_set_at(n->place);
	if (!set || n->way >= NAT_WAYS)
		return 0;
	if (dry)
		return 1;
	__u64 i = bounded_way(n->way), *at = &set->state[i], was = *(volatile __u64 *)at;
	if (was & NAT_CLAIMED || __sync_val_compare_and_swap(at, was, NAT_CLAIMED) != was)
		return 0;
	__sync_lock_test_and_set(&set->flow[i], n->flow);
	__sync_lock_test_and_set(at, (state & 0xffffffff) | (__u64)n->tick << NAT_AGE_SHIFT);
	return 1;
}
