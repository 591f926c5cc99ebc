// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "connection.h"

// Settling: the ring of a VIP changed, and flows that are older must not notice. On slots in which the rings never
// differed there is nothing to ask. On the others:
//
//	known to the table ─────────────────► its backend
//	TCP SYN ─► remembered ──────────────► the ring's backend
//	        └► no room for it ──────────► the backend before, while that takes new flows
//	other TCP: older than the change ───► the backend before, and nothing is written
//	UDP, sticky: soon after the change ─► the backend before, remembered; later: the ring's
//
// So a flood of anything but SYNs writes nothing, and a flood of SYNs pushes out only what is not confirmed.

#define TCP_FIN	   0x01
#define TCP_SYN	   0x02
#define TCP_RST	   0x04
#define TCP_PSH	   0x08
#define TCP_ACK	   0x10
#define SEEN_AGAIN 7 // ticks: an entry that was used this recently belongs to a live flow

#define OTHER_SHIFT 16 // above a backend's id: that of the other one that a packet may be of

AI __u32 backend_flags(__u32 id)
{
	struct backend *b = bpf_map_lookup_elem(&backends, &id);
	return b ? b->flags : BACKEND_GONE;
}

// The second packet of a flow carries the sequence number that its SYN announced, give or take a window. Anything else
// is an older flow of the same addresses and ports, for which somebody sent a SYN that is not its own.
AI int follows_its_syn(struct scratch *s, __u64 entry)
{
	__u32 ahead = (s->seq_high - (__u32)(entry >> ENTRY_SEQ_SHIFT)) & ENTRY_SEQ_MASK;
	return s->l4_proto != IPPROTO_TCP || ahead <= 1;
}

// A packet of a known flow: confirm it, keep it young, note its end. FIN and RST shorten its life and never end it,
// since anybody can send them; data shows that it goes on.
AI void touch(struct scratch *s, struct connection *c)
{
	__u64 entry = c->entry | ENTRY_CONFIRMED;
	if (s->tcp_flags & (TCP_FIN | TCP_RST))
		entry |= ENTRY_CLOSING;
	else if (s->tcp_flags & TCP_PSH)
		entry &= ~ENTRY_CLOSING;
	entry &= ~((__u64)ENTRY_AGE_MASK << ENTRY_AGE_SHIFT);
	entry |= (__u64)c->tick << ENTRY_AGE_SHIFT;
	if (entry != c->entry)
		write_entry(c, c->way, entry);
}

// What says that a backend keeps no flow. Flows of UDP may leave one that is down, where the VIP says so.
AI __u32 keeps_no_flow(struct scratch *s, struct settling *vip)
{
	return s->l4_proto == IPPROTO_UDP && vip->migrate ? BACKEND_GONE | BACKEND_DOWN | BACKEND_OUT : BACKEND_GONE;
}

// The backend of a flow that the table knows, or 0 if what it knows does not hold any more.
AI __u32 known_backend(struct scratch *s, struct connection *c, __u32 lost, int syn, int own)
{
	__u32 id = c->entry & SLOT_ID, flags = backend_flags(id);
	if (flags & lost)
		return 0;
	if (!own)
		return c->entry & ENTRY_CONFIRMED || s->l4_proto != IPPROTO_TCP ? id : 0;
	if (!syn) {
		if (!(c->entry & ENTRY_CONFIRMED) && !follows_its_syn(s, c->entry))
			return 0;
		touch(s, c);
		return id;
	}
	if (c->entry & ENTRY_CONFIRMED && !(c->entry & ENTRY_CLOSING) &&
	    entry_age(c->entry, c->tick) <= SEEN_AGAIN + SKEW)
		return id; // a live flow: this SYN is not its own, and moves nothing
	if (!(flags & BACKEND_NEW))
		return 0;
	if (!(c->entry & ENTRY_CONFIRMED))
		remember(s, c, id); // the second packet will follow this SYN, not an earlier one
	return id;
}

AI __u32 settle_unknown(struct scratch *s, struct connection *c, __u32 id, __u32 before, __u32 lost_flags, int syn,
			int sticky, int own)
{
	// Whose backend before is gone follows the ring, as long as it does not change again and that one does not come
	// back: then only the table knows.
	int lost = !before || backend_flags(before) & lost_flags;
	if (lost)
		before = id;
	if (s->l4_proto == IPPROTO_UDP) {
		if (!sticky)
			return id;
		if (own && before && (lost || before != id))
			remember(s, c, before);
		s->note.settled = SETTLED_BEFORE;
		return before;
	}
	if (!syn) {
		s->note.settled = SETTLED_BEFORE;
		return before;
	}
	s->note.settled = SETTLED_NEW;
	if (!id)
		return 0;	     // nobody takes new flows
	if (before == id && !lost) { // where the rings agree, nothing has to be remembered, nor may anything older
		forget(c);
		return id;
	}
	if (remember(s, c, id))
		return id;
	s->note.settled = SETTLED_UNHELD;
	if (!dry) {
		struct counters *n = counters_of_this_cpu();
		if (n)
			n->unheld[s->vip.num & (VIPS - 1)]++;
	}
	return backend_flags(before) & BACKEND_NEW ? before : id;
}

AI void count_stray(struct scratch *s, __u64 now)
{
	if (dry)
		return;
	struct counters *n = counters_of_this_cpu();
	if (!n)
		return;
	__u32 num = s->vip.num & (VIPS - 1);
	n->stray[num]++;
	n->stray_at[num] = now;
}

// What a generation that is only asked would begin now, it has not written.
AI int just_changed(struct scratch *s)
{
	return dry && s->generation_flags & GENERATION_ASIDE && s->vip.flags & VIP_STICKY;
}

// Where in the ring before a flow is, when that is read by another hash than the ring.
AI __u32 hash_before(struct scratch *s)
{
	__u32 num = s->vip.num;
	struct settling *vip = bpf_map_lookup_elem(&settlings, &num);
	__u32 by = vip ? vip->hash_before : HASH_TUPLE;
	return (by == HASH_TUPLE ? flow_hash(s) : hash_by(s, by)) >> 32;
}

// The backend of a packet of a settling VIP whose ring says id. One that is not the flow's own, but about it or a later
// piece, goes where the flow goes and writes nothing. Where backends of the VIP pass on what they have no socket
// for, and nothing is known of a flow, it says whom the ring names as well: a flow that is younger than the change, and
// came from another node, is there.
FUNCTION int settle(struct scratch *s, __u32 id, int own)
{
	if (!s)
		return 0;
	__u32 hash = s->vip.flags & VIP_REHASHED ? hash_before(s) : s->slot_hash;
	__u32 slot = read_slot(s->vip.before, s->vip.before_size, hash);
	s->note.settled = SETTLED_UNMARKED;
	saw(s, SAW_BEFORE, hash | (__u64)s->vip.before_size << 32, slot);
	if (!(slot & SLOT_MARK))
		return id;
	__u32 before = slot & SLOT_ID, num = s->vip.num;
	struct settling *vip = bpf_map_lookup_elem(&settlings, &num);
	if (!vip)
		return id;
	__u64 now = coarse_now(s);
	int syn = own && s->l4_proto == IPPROTO_TCP && (s->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
	struct connection c = {};
	__u32 chosen = 0;
	s->note.settled = SETTLED_KNOWN;
	__u32 lost = keeps_no_flow(s, vip);
	if (find_connection(s, &c, now, vip->life)) {
		chosen = known_backend(s, &c, lost, syn, own);
		saw(s, SAW_ENTRY, c.entry, chosen != 0);
	}
	if (!chosen)
		chosen = settle_unknown(s, &c, id, before, lost, syn, now < vip->sticky_until || just_changed(s), own);
	if (chosen == id || !own)
		return chosen;
	count_stray(s, now);
	if (s->vip.flags & VIP_HANDOVER && s->note.settled == SETTLED_BEFORE && s->l4_proto == IPPROTO_TCP)
		return chosen | id << OTHER_SHIFT;
	return chosen;
}
