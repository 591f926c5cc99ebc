// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//go:build ignore

#include "clients.h"
#include "encap.h"
#include "settle.h"

// The balancer: chooses the backend of a packet for a VIP and sends it there, encapsulated, out of the NIC it came
// from.

#define EPHEMERAL 0xc000

// Why a packet for a VIP's address cannot be balanced.
AI enum reason unbalanced(struct scratch *s)
{
	if (s->kind & KIND_VLAN)
		return REASON_VLAN;
	if (s->kind & KIND_FRAGMENT)
		return REASON_FRAGMENT;
	if (s->kind & KIND_ICMP)
		return REASON_ICMP;
	return REASON_EXTENSION_HEADER;
}

AI enum reason unreachable(struct scratch *s, struct backend *b, __u32 outer)
{
	if (!(b->flags & BACKEND_REACHABLE))
		return REASON_NO_NEXT_HOP;
	if (b->chain != s->chain)
		return REASON_OTHER_NIC;
	if (s->l3_len + outer > b->mtu)
		return REASON_TOO_BIG;
	return 0;
}

AI void count_forwarded(struct scratch *s, __u32 id)
{
	if (dry)
		return;
	struct counters *c = counters_of_this_cpu();
	if (!c)
		return;
	struct count *vip = &c->vip[s->vip.num & (VIPS - 1)], *backend = &c->backend[id & (BACKENDS - 1)];
	vip->packets++;
	vip->bytes += s->bytes;
	backend->packets++;
	backend->bytes += s->bytes;
}

SEC("xdp")
int balancer(struct xdp_md *ctx)
{
	struct scratch *s = scratch_of_this_cpu();
	if (!s)
		return XDP_PASS;
	if (!s->has_vip)
		return leave(s, XDP_PASS, REASON_NO_VIP);
	if (s->kind & KIND_UNBALANCED)
		return leave_dropped(s, XDP_DROP, unbalanced(s));
	if (s->ttl <= 1)
		return leave_dropped(s, XDP_DROP, REASON_TTL_EXCEEDED);
	__u64 hash = flow_hash(s);
	if (s->generation_flags & GENERATION_WATCHED)
		count_client(s, hash);
	s->slot_hash = hash >> 32;
	s->note.settled = SETTLED_QUIET;
	__u32 id = read_slot(s->vip.ring, s->vip.ring_size, s->slot_hash) & SLOT_ID;
	saw(s, SAW_SLOT, s->slot_hash | (__u64)s->vip.ring_size << 32, id);
	if (s->vip.flags & VIP_SETTLING)
		id = settle(s, id);
	if (dry) {
		s->note.backend = id;
		s->note.vip = s->vip.num;
	}
	struct backend *b = bpf_map_lookup_elem(&backends, &id);
	if (!id || !b || !b->family)
		return leave_dropped(s, XDP_DROP, REASON_NO_BACKEND);
	saw(s, SAW_BACKEND, id | (__u64)b->flags << 32, b->mtu | (__u32)b->chain << 16 | (__u64)b->family << 32);
	int gue = !(s->vip.flags & VIP_IPIP), v6 = b->family == 6;
	__u32 outer = (v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr)) + (gue ? sizeof(struct udphdr) : 0);
	enum reason reason = unreachable(s, b, outer);
	if (reason)
		return leave_dropped(s, XDP_DROP, reason);
	__be16 src_port = bpf_htons(EPHEMERAL) | (__u16)hash;
	int verdict;
	if (v6)
		verdict = gue ? put_outer6(ctx, s, b, src_port, 1) : put_outer6(ctx, s, b, src_port, 0);
	else
		verdict = gue ? put_outer4(ctx, s, b, src_port, 1) : put_outer4(ctx, s, b, src_port, 0);
	if (verdict == XDP_TX)
		count_forwarded(s, id);
	return verdict;
}

char _license[] SEC("license") = "Dual BSD/GPL";
