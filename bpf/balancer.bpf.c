// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//go:build ignore

#include "clients.h"
#include "encap.h"
#include "forms.h"
#include "special.h"
#include "too_big.h"

// The balancer: chooses the backend of a packet for a VIP and sends it there, encapsulated, out of the NIC it came
// from.

#define EPHEMERAL 0xc000

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

// Sends the packet at hand to a backend that it can reach.
AI int wrap(struct xdp_md *ctx, struct scratch *s, struct frame *f, __u32 id, struct backend *b, __be16 src_port)
{
	int gue = !(s->vip.flags & VIP_IPIP);
	__u32 outer = b->family == 6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
	outer += gue ? sizeof(struct udphdr) : 0;
	if (s->l3_len + outer > b->mtu)
		return leave_too_big(ctx, s, b->mtu - outer);
	int verdict = put_outer(ctx, s, b, f, src_port, gue);
	if (verdict != XDP_DROP)
		count_forwarded(s, id);
	return verdict;
}

// The backend is behind another NIC, or in a VLAN. Tags that the packet came with mean nothing there.
FUNCTION int send_elsewhere(struct xdp_md *ctx, struct scratch *s, __u32 id, __u32 src_port)
{
	struct backend *b = bpf_map_lookup_elem(&backends, &id);
	if (!s || !b)
		return XDP_DROP;
	struct frame f = {.l2 = sizeof(struct ethhdr), .tagged = b->chain & BACKEND_TAGGED};
	if ((b->chain & BACKEND_CHAIN) != s->chain) {
		if (!b->ifindex)
			return leave_dropped(s, XDP_DROP, REASON_OTHER_NIC);
		if (s->kind & KIND_VLAN && !f.tagged)
			return leave_dropped(s, XDP_DROP, REASON_VLAN);
		f.nic = b->ifindex;
	}
	if (f.tagged) {
		f.l2 += sizeof(struct vlan_tag);
		f.tags.head = b->tag;
	}
	f.more = (int)f.l2 - s->l2_len;
	return wrap(ctx, s, &f, id, b, src_port);
}

// Sends a packet of a flow of which nothing is known to the backend before, with an offer to pass it on to the other
// one. Returns -1, and the packet as it was, where that cannot be: it then goes without.
FUNCTION int send_offering(struct xdp_md *ctx, struct scratch *s, __u32 both, __u32 src_port)
{
	__u32 id = both & SLOT_ID, other_id = both >> OTHER_SHIFT & SLOT_ID;
	struct backend *b = bpf_map_lookup_elem(&backends, &id);
	struct backend *other = bpf_map_lookup_elem(&backends, &other_id);
	if (!s || !b || !other || b->family != other->family || b->chain != s->chain || other->chain != s->chain)
		return -1;
	int v6 = b->family == 6;
	__u32 outer = v6 ? sizeof(struct ipv6hdr) + sizeof(struct udphdr) + OFFER6
			 : sizeof(struct iphdr) + sizeof(struct udphdr) + OFFER4;
	if (!(b->flags & other->flags & BACKEND_REACHABLE) || s->l3_len + outer > b->mtu)
		return -1;
	struct offer o = {.word = {offer_head(v6 ? OFFER6 : OFFER4, s->family), offer_mark(), other->mac_head,
				   other->mac_head >> 32, other->mac_tail}};
	if (v6)
		__builtin_memcpy(&o.word[OFFER_ADDRESS], other->dst6, sizeof(other->dst6));
	else
		o.word[OFFER_ADDRESS] = other->dst4;
	saw(s, SAW_OFFER, other_id, 0);
	struct frame f = {.l2 = sizeof(struct ethhdr), .offer = &o};
	int verdict = v6 ? put_outer6(ctx, s, b, &f, src_port, 1) : put_outer4(ctx, s, b, &f, src_port, 1);
	if (verdict != XDP_DROP)
		count_forwarded(s, id);
	return verdict;
}

// What a dry run tells of the choice.
AI void note_backend(struct scratch *s, __u32 rings, __u32 id, struct backend *b)
{
	s->note.backend = id;
	s->note.vip = s->vip.num;
	if (id && !rings)
		saw(s, SAW_SPECIAL, 0, 0);
	else
		saw(s, SAW_SLOT, s->slot_hash | (__u64)s->vip.ring_size << 32, rings);
	if (b)
		saw(s, SAW_BACKEND, id | (__u64)b->flags << 32,
		    b->mtu | (__u32)(b->chain & BACKEND_CHAIN) << 16 | (__u64)b->family << 32);
}

// Whether the packet came by a tunnel from this node to the same backend, and would go round for as long as its TTL
// lasts.
AI int comes_back(struct scratch *s, struct backend *b)
{
	if (!(s->kind & KIND_INNER))
		return 0;
	if (b->family == 4)
		return s->outer_src[0] == b->src4 && !s->outer_src[1];
	return s->outer_src[0] == b->src6[0] && s->outer_src[1] == b->src6[1];
}

// Sends the packet at hand to the backend of its flow. own: it is one of the flow's own packets.
AI int send(struct xdp_md *ctx, struct scratch *s, struct frame *f, int own)
{
	if (s->ttl <= 1)
		return leave_dropped(s, XDP_DROP, REASON_TTL_EXCEEDED);
	__u64 hash = flow_hash(s);
	if (own && s->generation_flags & GENERATION_WATCHED)
		count_client(s, hash);
	s->slot_hash = hash >> 32;
	s->note.settled = SETTLED_QUIET;
	__u32 id = 0, rings = 0;
	if (s->vip.flags & VIP_SPECIAL) {
		if (own && s->vip.flags & VIP_TUNNEL && is_looped(ctx, s))
			return leave_dropped(s, XDP_DROP, REASON_LOOPED);
		id = choose_specially(ctx, s, own);
		if (id == SERVED_HERE)
			return leave(s, XDP_PASS, REASON_LOCAL);
		id &= SLOT_ID;
	}
	if (!id) {
		rings = id = read_slot(s->vip.ring, s->vip.ring_size, s->slot_hash) & SLOT_ID;
		if (s->vip.flags & VIP_SETTLING)
			id = settle(s, id, own);
	}
	__u32 both = id;
	id &= SLOT_ID;
	struct backend *b = bpf_map_lookup_elem(&backends, &id);
	if (dry)
		note_backend(s, rings, id, b);
	if (!id || !b || !b->family)
		return leave_dropped(s, XDP_DROP, REASON_NO_BACKEND);
	if (!(b->flags & BACKEND_REACHABLE))
		return leave_dropped(s, XDP_DROP, REASON_NO_NEXT_HOP);
	if (f->tagged && comes_back(s, b))
		return leave_dropped(s, XDP_DROP, REASON_LOOPED);
	__be16 src_port = bpf_htons(EPHEMERAL) | (__u16)hash;
	if (both >> OTHER_SHIFT && !f->tagged) {
		int verdict = send_offering(ctx, s, both, src_port);
		if (verdict >= 0)
			return verdict;
	}
	if (b->chain != s->chain)
		return send_elsewhere(ctx, s, id, src_port);
	return wrap(ctx, s, f, id, b, src_port);
}

// The way of a packet that has tags, or is not a whole one of TCP or UDP. A function of its own, so that the others do
// not pay for it.
FUNCTION int balance_form(struct xdp_md *ctx, struct scratch *s)
{
	if (!s)
		return XDP_DROP;
	enum reason reason = understand(ctx, s) & (REASONS - 1);
	if (reason == REASON_ECHO_ANSWERED)
		return leave(s, XDP_TX, reason);
	if (reason == REASON_NO_VIP)
		return leave(s, XDP_PASS, reason);
	if (reason)
		return leave_dropped(s, XDP_DROP, reason);
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct frame f = {.l2 = s->l2_len & 0x1f, .tagged = 1};
	if (data + LINK_MOST > end || f.l2 < sizeof(struct ethhdr))
		return leave_dropped(s, XDP_DROP, REASON_INTERNAL);
	f.tags = read_tags(data);
	return send(ctx, s, &f, is_own(s));
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
		return balance_form(ctx, s);
	struct frame f = {.l2 = sizeof(struct ethhdr)};
	return send(ctx, s, &f, 1);
}

char _license[] SEC("license") = "Dual BSD/GPL";
