// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "abi_steer.h"
#include "wide.h"

// Which rule is true of the packet at hand.

// What each steer goes by.
MAP(steers, ARRAY, struct steer, STEERS, BPF_F_MMAPABLE);

MAP(steer_cgroups, ARRAY, struct steer_cgroup, STEER_CGROUPS, BPF_F_MMAPABLE);

#define CGROUP_LEVELS 24

AI __u8 tos_of(struct scratch *s)
{
	return bpf_ntohl(s->first_word) >> (s->family == 4 ? 16 : 20);
}

AI int has_prefix(__u8 family, const __u64 *address, const __u64 *prefix, const __u64 *mask)
{
	if (family == 4)
		return !(((__u32)address[0] ^ (__u32)prefix[0]) & (__u32)mask[0]);
	return !((address[0] ^ prefix[0]) & mask[0]) && !((address[1] ^ prefix[1]) & mask[1]);
}

AI __u32 num_of_vip(struct scratch *s)
{
	return s->has_vip && !(s->vip.flags & VIP_ADDRESS) ? s->vip.num : 0;
}

AI void turn_round(struct scratch *s)
{
	__u64 high = s->src6[0], low = s->src6[1];
	__be16 port = s->src_port;
	s->src6[0] = s->dst6[0];
	s->src6[1] = s->dst6[1];
	s->src_port = s->dst_port;
	s->dst6[0] = high;
	s->dst6[1] = low;
	s->dst_port = port;
}

// The num of the VIP that the packet comes from, 0 for none: that of one which goes the other way.
FUNCTION int vip_of_source(struct scratch *s)
{
	if (!s)
		return 0;
	struct vip vip = s->vip;
	__u8 has_vip = s->has_vip;
	s->has_vip = 0;
	turn_round(s);
	find_vip(s);
	turn_round(s);
	__u32 num = num_of_vip(s);
	s->vip = vip;
	s->has_vip = has_vip;
	return num;
}

// Whether a packet is from a socket of that cgroup of version 2, or of one below it. A forwarded packet has no socket.
// How deep a cgroup is, only the first namespace of cgroups says: so each level is asked for its id.
FUNCTION int is_of_cgroup(struct __sk_buff *ctx, __u32 element)
{
	struct steer_cgroup *c = bpf_map_lookup_elem(&steer_cgroups, &element);
	if (!c || !c->id)
		return 0;
#pragma clang loop unroll(disable)
	for (__u32 level = 1; level < CGROUP_LEVELS; level++) {
		__u64 id = bpf_skb_ancestor_cgroup_id(ctx, level);
		if (id == c->id)
			return 1;
		if (!id)
			return 0;
	}
	return 0;
}

// What rules ask of a packet beside its addresses.
struct asked {
	__u64 dscp; // its bit
	__u32 mark;
	__u32 to_vip;
	__u32 from_vip;
};

AI int is_true(void *ctx, int tc, struct scratch *s, struct steer_rule *r, struct asked *a)
{
	if (r->family && (r->family != s->family || !has_prefix(s->family, s->src6, r->from, r->from_mask) ||
			  !has_prefix(s->family, s->dst6, r->to, r->to_mask)))
		return 0;
	if (r->dscp && !(r->dscp & a->dscp))
		return 0;
	if (r->vip && r->vip != a->to_vip && r->vip != a->from_vip)
		return 0;
	if (!tc && (r->mark_mask || r->cgroup)) {
		saw(s, SAW_STEER_UNKNOWN, r->number, 0);
		return 0;
	}
	return (a->mark & r->mark_mask) == r->mark && (!tc || !r->cgroup || is_of_cgroup(ctx, r->cgroup));
}

// The first rule that is true, plus 1; 0 = none is. As functions of their own: the verifier sees the rules once.
AI int first_rule(void *ctx, int tc, struct scratch *s, struct steer *x, struct asked *a)
{
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < STEER_RULES && i < x->rules; i++) {
		if (is_true(ctx, tc, s, &x->rule[i], a))
			return i + 1;
	}
	return 0;
}

FUNCTION int find_rule_tc(struct __sk_buff *ctx, struct scratch *s, struct steer *x, struct asked *a)
{
	return s && x && a ? first_rule(ctx, 1, s, x, a) : 0;
}

FUNCTION int find_rule_xdp(struct xdp_md *ctx, struct scratch *s, struct steer *x, struct asked *a)
{
	return s && x && a ? first_rule(ctx, 0, s, x, a) : 0;
}
