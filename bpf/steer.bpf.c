// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//go:build ignore

#include <linux/pkt_cls.h>
#include "steer_hot.h"

// Flows that leave by other ways than the ordinary one. On their way out packets are looked at by rules; the first that
// is true names a path, or a group of paths that are weighed by what they are worth. What is sent by a path comes by
// tc again where its NIC has a chain, and is known there by a mark of its own.

MAP(steer_groups, ARRAY, struct steer_group, STEER_GROUPS, BPF_F_MMAPABLE);

#define OUR_MARKS      0x68700000 // of packets that are where they should be: checks, copies, measures
#define OUR_MARKS_MASK 0xfffc0000
#define STEER_MASK     0xffff0000
#define TC_REDIRECT    7

// What is decided of a packet.
struct decision {
	struct way way;
	__u64 key;   // flow and path
	__u32 path;  // 0 = none took it
	__u32 small; // a path had no room for it
};

AI struct steer *steer_at_hand(struct scratch *s)
{
	__u32 element = settings_at_hand(s);
	return bpf_map_lookup_elem(&steers, &element);
}

AI enum steer_way try_path(void *ctx, int tc, struct scratch *s, __u32 id, struct decision *d)
{
	struct steer_path *p = bpf_map_lookup_elem(&steer_paths, &id);
	enum steer_way way = WAY_DOWN;
	if (id && p && (p->flags & STEER_PATH_TAKES) == STEER_PATH_TAKES)
		way = tc ? find_way_tc(ctx, s, p, &d->way) : find_way_xdp(ctx, s, p, &d->way);
	saw(s, SAW_STEER_PATH, id, way | (__u64)d->way.ifindex << 32);
	if (way == WAY_FOUND)
		d->path = id;
	d->small = way == WAY_SMALL;
	return way;
}

AI int is_in(struct steer_group *g, __u32 id)
{
	int in = 0;
#pragma clang loop unroll(full)
	for (__u32 i = 0; i < STEER_GROUP_PATHS; i++)
		in |= g->path[i] == id;
	return in;
}

// The path that a flow has, the one that the ring says, then whichever takes it: those of a path that died an instant
// ago do not wait until somebody has measured it.
AI void try_group(void *ctx, int tc, struct scratch *s, struct steer_group *g, __u32 known, __u64 hash,
		  struct decision *d)
{
	__u32 place = (hash >> 32) * STEER_SLOTS >> 32;
	__u32 ring = place < STEER_SLOTS ? g->slot[place] : 0;
	if (known && !is_in(g, known))
		known = 0;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < STEER_GROUP_PATHS + 2; i++) {
		__u32 id = i == 0 ? known : i == 1 ? ring : g->path[(i - 2) & (STEER_GROUP_PATHS - 1)];
		if (!id || (i > 0 && id == known) || (i > 1 && id == ring))
			continue;
		enum steer_way way = try_path(ctx, tc, s, id, d);
		if (way == WAY_FOUND || way == WAY_SMALL)
			return;
	}
}

// Which path takes a packet that a rule is true of.
AI void choose(void *ctx, int tc, struct scratch *s, struct steer_rule *r, struct decision *d)
{
	__u32 group = r->group;
	__u64 hash = steer_hash(s), known = find_steer_flow(s, hash);
	struct steer_group *g = bpf_map_lookup_elem(&steer_groups, &group);
	if (!group)
		try_path(ctx, tc, s, r->path, d);
	else if (g)
		try_group(ctx, tc, s, g, known >> 32, hash, d);
	d->key = (hash & ~STEER_PATH_MASK) | d->path;
	if (d->path)
		d->way.packets = note_steer_flow(s, d->key, hash, known);
}

FUNCTION int choose_tc(struct __sk_buff *ctx, struct scratch *s, struct steer_rule *r, struct decision *d)
{
	if (s && r && d)
		choose(ctx, 1, s, r, d);
	return 0;
}

FUNCTION int choose_xdp(struct xdp_md *ctx, struct scratch *s, struct steer_rule *r, struct decision *d)
{
	if (s && r && d)
		choose(ctx, 0, s, r, d);
	return 0;
}

// Returns the rule that is true of the packet.
AI struct steer_rule *decide(void *ctx, int tc, struct scratch *s, struct steer *x, __u32 mark, struct decision *d)
{
	struct asked a = {.dscp = 1ULL << (tos_of(s) >> 2), .mark = mark, .to_vip = num_of_vip(s)};
	if (x->flags & STEER_ASKS_SOURCE)
		a.from_vip = vip_of_source(s);
	__u32 rule = tc ? find_rule_tc(ctx, s, x, &a) : find_rule_xdp(ctx, s, x, &a);
	if (!rule || rule > STEER_RULES)
		return 0;
	struct steer_rule *r = &x->rule[rule - 1];
	saw(s, SAW_STEER_RULE, r->number, 0);
	if (tc)
		choose_tc(ctx, s, r, d);
	else
		choose_xdp(ctx, s, r, d);
	return r;
}

AI int is_strange(struct scratch *s)
{
	return !s->family || s->kind & KIND_VLAN;
}

// No path took the packet. Returns whether that is its end.
AI int is_refused(struct scratch *s, struct steer_rule *r, struct decision *d)
{
	count_own(s, STEER_WAYLESS);
	if (d->small)
		count_own(s, STEER_LARGE);
	return r->flags & STEER_STRICT;
}

// Foreseen by nobody, and another one on each node: packets that come by veth may bring theirs along.
AI __u16 been_here(void)
{
	return conn_key[0] | 1;
}

AI int send(struct __sk_buff *ctx, struct scratch *s, struct way *w)
{
	struct bpf_redir_neigh hop = {.nh_family = w->family};
	hop.ipv6_nh[0] = w->hop[0]; // of IPv4 as well
	hop.ipv6_nh[1] = w->hop[1];
	hop.ipv6_nh[2] = w->hop[2];
	hop.ipv6_nh[3] = w->hop[3];
	ctx->tc_index = been_here();
	long verdict = w->family ? bpf_redirect_neigh(w->ifindex, &hop, sizeof(hop), 0)
				 : bpf_redirect_neigh(w->ifindex, 0, 0, 0);
	return verdict == TC_REDIRECT ? leave(s, TC_REDIRECT, REASON_STEERED)
				      : leave_dropped(s, TC_ACT_SHOT, REASON_UNSTEERED);
}

// What a socket sends that measures a path: by that, or not at all.
AI int send_measure(struct __sk_buff *ctx, struct scratch *s)
{
	struct way w = {};
	__u32 id = ctx->mark & (STEER_PATHS - 1);
	struct steer_path *p = bpf_map_lookup_elem(&steer_paths, &id);
	ctx->mark = 0;
	count_measure(id);
	if (!p || !(p->flags & STEER_PATH_UP) || is_strange(s) || find_way_tc(ctx, s, p, &w) != WAY_FOUND)
		return leave_dropped(s, TC_ACT_SHOT, REASON_UNSTEERED);
	return send(ctx, s, &w);
}

AI int stays(struct steer_path *p, struct __sk_buff *ctx)
{
	return !p->table && !p->family && p->ifindex == ctx->ifindex;
}

SEC("tc")
int steer_tc(struct __sk_buff *ctx)
{
	struct scratch *s = scratch_of_this_cpu();
	struct decision d = {};
	if (!s)
		return TC_ACT_UNSPEC;
	int again = ctx->tc_index == been_here();
	if (again)
		ctx->tc_index = 0;
	if (!again && (ctx->mark & STEER_MASK) == STEER_MARK)
		return send_measure(ctx, s);
	struct steer *x = steer_at_hand(s);
	if (!again && x && (ctx->mark & OUR_MARKS_MASK) != OUR_MARKS && !is_strange(s) && !ctx->vlan_present) {
		struct steer_rule *r = decide(ctx, 1, s, x, ctx->mark, &d);
		if (r && !d.path && is_refused(s, r, &d))
			return leave_dropped(s, TC_ACT_SHOT, REASON_UNSTEERED);
		struct steer_path *p = bpf_map_lookup_elem(&steer_paths, &d.path);
		if (r && d.path && p) {
			count_path(s, d.path);
			if (!stays(p, ctx)) {
				if (x->hot)
					heat(ctx, s, x, d.key, &d.way);
				return send(ctx, s, &d.way);
			}
		}
	}
	next_stage(ctx, s);
	return leave_at_end(s, TC_ACT_UNSPEC);
}

// The same for dry runs, which are XDP's.
SEC("xdp")
int steer_out(struct xdp_md *ctx)
{
	struct scratch *s = scratch_of_this_cpu();
	struct decision d = {};
	if (!s)
		return XDP_PASS;
	struct steer *x = steer_at_hand(s);
	if (x && !is_strange(s)) {
		struct steer_rule *r = decide(ctx, 0, s, x, 0, &d);
		if (r && !d.path && is_refused(s, r, &d))
			return leave_dropped(s, XDP_DROP, REASON_UNSTEERED);
		if (r && d.path)
			return leave(s, XDP_REDIRECT, REASON_STEERED);
	}
	next_stage(ctx, s);
	return leave_at_end(s, XDP_PASS);
}

// What comes in of flows that have a lease.
SEC("xdp")
int steer(struct xdp_md *ctx)
{
	struct scratch *s = scratch_of_this_cpu();
	if (!s)
		return XDP_PASS;
	if (s->family && forward_hot(ctx, s))
		return leave(s, XDP_REDIRECT, REASON_STEERED);
	next_stage(ctx, s);
	return leave_at_end(s, XDP_PASS);
}

// Whether this kernel knows routing tables by their number: it refuses flags that it does not know.
SEC("tc")
int steer_knows(struct __sk_buff *ctx)
{
	struct bpf_fib_lookup f = {.family = AF_INET, .ifindex = LOOPBACK};
	*(__u32 *)&f.h_vlan_proto = 254; // main
	return bpf_fib_lookup(ctx, &f, sizeof(f),
			      BPF_FIB_LOOKUP_DIRECT | BPF_FIB_LOOKUP_TBID | BPF_FIB_LOOKUP_SKIP_NEIGH) >= 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
