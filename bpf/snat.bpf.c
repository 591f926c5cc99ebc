// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//go:build ignore

#include <linux/pkt_cls.h>
#include "fragment.h"
#include "handover.h"
#include "inner.h"
#include "mss.h"
#include "nat_packet.h"
#include "orphan.h"

// The agent for servers that know nothing of the VIP. What comes in is unwrapped and goes to a local address, and the
// client's stays; what the server answers is found by its ends again, and comes from the VIP.

// The packet inside, read by the same parser as one that came alone.
AI enum reason read_inner(void *ctx, int tc, struct scratch *s, __be16 eth_proto, void *data, void *end)
{
	struct cursor c = {.at = data + sizeof(struct ethhdr), .end = end};
	s->kind = 0;
	s->no_sum = 0;
	s->tcp_flags = 0;
	s->ports = 0;
	s->l2_len = sizeof(struct ethhdr);
	enum reason reason = eth_proto == bpf_htons(ETH_P_IP) ? parse_ipv4(&c, s) : parse_ipv6(&c, s);
	if (!reason && s->kind & KIND_EXTENSION)
		reason = tc ? walk_extensions_tc(ctx, s) : walk_extensions(ctx, s);
	return reason;
}

AI struct nat nat_of(struct scratch *s, struct agent_settings *a, struct nat_ends *e)
{
	struct nat n = {.flow = nat_hash(e, s->family, a->salt), .tick = coarse_now(s) >> 32};
	return n;
}

// What a packet of a known flow says of it.
AI __u64 learn_inward(struct scratch *s, struct nat_packet *p, __u64 state)
{
	if (p->ends.l4_proto != IPPROTO_TCP)
		return state & NAT_ANSWERED ? NAT_CONFIRMED : 0;
	__u64 flags = s->tcp_flags & (TCP_FIN | TCP_RST) ? NAT_CLOSING : 0;
	if (state & NAT_ANSWERED && s->tcp_flags & TCP_ACK && (__u16)p->tcp_ack == (__u16)(state >> NAT_SEQ_SHIFT))
		flags |= NAT_CONFIRMED; // it has seen the server's answer
	return flags;
}

// A flow that is not known. One of TCP that is older than its first packet here is taken on when a socket waits for it;
// when none does, only where that costs nobody else's place, so that the server's reset is translated.
AI enum reason begin_flow(void *ctx, struct scratch *s, struct agent_settings *a, struct nat_packet *p, struct nat *n,
			  int offered)
{
	__u64 state = hosted_number(s);
	enum waiting w = WAITS_UNKNOWN;
	if (p->ends.l4_proto != IPPROTO_TCP)
		return remember_nat(n, state | NAT_UDP, 1) ? 0 : REASON_FLOWS_FULL;
	if (!a->scope)
		w = who_waits(ctx, s->family, &p->ends);
	if ((s->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN) {
		if (w == WAITS_CONNECTION)
			return REASON_FLOW_TAKEN;
		return remember_nat(n, state, 1) ? 0 : REASON_FLOWS_FULL;
	}
	if (w == WAITS_NOBODY && offered)
		return REASON_NO_SOCKET;
	if (w == WAITS_CONNECTION)
		state |= NAT_CONFIRMED | NAT_ANSWERED;
	if (remember_nat(n, state, w != WAITS_NOBODY) || w == WAITS_NOBODY)
		return w == WAITS_NOBODY && !(s->tcp_flags & TCP_RST) ? REASON_NO_SOCKET : 0;
	return REASON_FLOWS_FULL;
}

// Whose flow it is that the packet belongs to. Returns why it is refused, REASON_NO_SOCKET, or 0.
AI enum reason admit(void *ctx, struct scratch *s, struct agent_settings *a, struct nat_packet *p, int offered)
{
	struct nat n = nat_of(s, a, &p->ends);
	if (find_nat(&n)) {
		int own = (n.state & NAT_VIP) == hosted_number(s);
		saw(s, SAW_NAT, n.state, own);
		if (!own)
			return REASON_FLOW_TAKEN;
		if (p->kind == NAT_ERROR)
			return 0;
		int again = (s->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN && n.state & NAT_CLOSING;
		if (!again) {
			touch_nat(&n, learn_inward(s, p, n.state));
			return is_orphan(ctx, s, a, &p->ends, offered) ? REASON_NO_SOCKET : 0;
		}
	}
	if (p->kind == NAT_ERROR)
		return 0;
	enum reason why = begin_flow(ctx, s, a, p, &n, offered);
	saw(s, SAW_NAT_NEW, why, 0);
	return why;
}

// What the packet at hand has for an address from now on.
AI void saw_address(struct scratch *s, enum sight_kind kind, const struct rewrite *r)
{
	__u64 mapped = MAPPED4, a = r->to[0], b = r->to[2];
	if (!dry)
		return;
	a |= (__u64)r->to[1] << 32;
	b |= (__u64)r->to[3] << 32;
	saw(s, kind, r->family == 4 ? 0 : a, r->family == 4 ? mapped | a << 32 : b);
}

AI int same_address(__u8 family, const __u32 *a, const __u32 *b)
{
	if (a[0] != b[0])
		return 0;
	return family == 4 || (a[1] == b[1] && a[2] == b[2] && a[3] == b[3]);
}

// What is done to a packet that was unwrapped, all of it read before anything is written.
struct inward {
	struct nat_packet p;
	struct mss mss;
	enum reason reason;
};

AI void plan_inward(void *ctx, struct scratch *s, struct agent_settings *a, struct inward *w, int offered)
{
	struct nat_packet *p = &w->p;
	const __u32 *local = &s->vip.ring, *vip = &s->dst4; // of IPv6 as well
	if (!(a->flags & AGENT_TRANSLATES)) {
		p->ends.local[0] = s->family == 4 ? s->dst4 : s->dst6[0];
		p->ends.local[1] = s->dst6[1];
		w->reason = p->kind == NAT_PACKET && is_orphan(ctx, s, a, &p->ends, offered) ? REASON_NO_SOCKET
											     : REASON_DECAPSULATED;
		return;
	}
	p->ends.local[0] = s->family == 4 ? local[0] : *(__u64 *)local;
	p->ends.local[1] = *(__u64 *)&local[2];
	if (p->kind == NAT_NO || (p->kind == NAT_ERROR && !same_address(s->family, p->quoted, vip))) {
		w->reason = REASON_UNTRANSLATABLE;
		return;
	}
	if (p->kind != NAT_LATER)
		w->reason = admit(ctx, s, a, p, offered);
	if (!w->reason)
		w->reason = REASON_DECAPSULATED;
	replace_by(p, vip, local, 1);
}

// The compiler knows that it is one of the enumeration, and leaves a mask out; the verifier does not.
AI enum reason bounded_reason(__u64 reason)
{
	asm volatile("%[reason] &= 63" : [reason] "+r"(reason));
	return reason;
}
_Static_assert(REASONS == 64, "bounded_reason");

AI int passes(enum reason reason)
{
	return reason == REASON_DECAPSULATED || reason == REASON_NO_SOCKET || reason == REASON_NOT_HANDED_OVER;
}

AI void count_inward(struct scratch *s, enum reason reason)
{
	struct agent_count *n = agent_count_of(hosted_number(s));
	if (passes(reason))
		count_decapsulated(s);
	if (!n)
		return;
	if (reason == REASON_NO_SOCKET || reason == REASON_NOT_HANDED_OVER)
		count_in(s, &n->orphans);
	else if (reason == REASON_HANDED_OVER)
		count_in(s, &n->handed);
	else if (reason == REASON_FLOW_TAKEN)
		count_in(s, &n->taken);
	else if (reason == REASON_FLOWS_FULL)
		count_in(s, &n->full);
}

// A packet that came by itself to a local address, and has the ends of a flow that came for a VIP: the server could not
// tell the two apart, nor the answers.
AI int is_taken(struct scratch *s, struct agent_settings *a)
{
	struct nat_ends e = {.ports = s->ports, .l4_proto = s->l4_proto};
	if (!(a->flags & AGENT_TRANSLATES) || (s->l4_proto != IPPROTO_TCP && s->l4_proto != IPPROTO_UDP) ||
	    s->kind & KIND_FRAGMENT)
		return 0;
	e.client[0] = s->family == 4 ? s->src4 : s->src6[0];
	e.local[0] = s->family == 4 ? s->dst4 : s->dst6[0];
	e.client[1] = s->src6[1];
	e.local[1] = s->dst6[1];
	struct nat n = nat_of(s, a, &e);
	if (!find_nat(&n))
		return 0;
	saw(s, SAW_NAT, n.state, 0);
	struct agent_count *c = agent_count_of(n.state & NAT_VIP);
	if (c)
		count_in(s, &c->taken);
	return 1;
}

// What became of a packet without a socket that a load balancer made an offer with.
AI enum reason handed(struct scratch *s, enum reason reason, struct handover *h)
{
	if (reason != REASON_NO_SOCKET || h->state == OFFER_NONE)
		return reason;
	return h->state == OFFER_TAKEN && s->ttl > 1 ? REASON_HANDED_OVER : REASON_NOT_HANDED_OVER;
}

SEC("xdp")
int decap_snat(struct xdp_md *ctx)
{
	struct scratch *s = scratch_of_this_cpu();
	struct inward w = {};
	struct handover h = {};
	if (!s)
		return XDP_PASS;
	struct agent_settings *a = agent_at_hand(s);
	if (!a)
		return leave(s, XDP_PASS, REASON_INTERNAL);
	struct inner in = find_inner(s, a->scope, (void *)(long)ctx->data, (void *)(long)ctx->data_end);
	if (in.reason == REASON_NOT_ENCAPSULATED) {
		if (is_taken(s, a))
			return leave_dropped(s, XDP_DROP, REASON_FLOW_TAKEN);
		return leave(s, XDP_PASS, in.reason);
	}
	if (in.reason)
		return leave_dropped(s, XDP_DROP, in.reason);
	if (a->flags & AGENT_HANDOVER)
		read_offer(ctx, a, &h);
	if (take_off(ctx, &in))
		return leave_dropped(s, XDP_DROP, REASON_INTERNAL);
	saw(s, SAW_INNER, in.outer, bpf_ntohs(in.eth_proto));
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	if (read_inner(ctx, 0, s, in.eth_proto, data, end))
		return leave_dropped(s, XDP_DROP, REASON_INNER_MALFORMED);
	find_mss_xdp(ctx, a->mss, &w.mss);
	read_flow_xdp(ctx, &w.p, 1);
	plan_inward(ctx, s, a, &w, h.state);
	w.reason = handed(s, w.reason, &h);
	count_inward(s, w.reason);
	if (w.reason == REASON_HANDED_OVER)
		return hand_over(ctx, &h);
	if (!passes(w.reason))
		return leave_dropped(s, XDP_DROP, bounded_reason(w.reason));
	if (a->flags & AGENT_TRANSLATES)
		saw_address(s, SAW_LOCAL, &w.p.r);
	if (lower_mss(ctx, &w.mss) || (a->flags & AGENT_TRANSLATES && rewrite_xdp(ctx, &w.p.r)))
		return leave_dropped(s, XDP_DROP, REASON_INTERNAL);
	return leave(s, XDP_PASS, bounded_reason(w.reason));
}

SEC("tc")
int decap_snat_tc(struct __sk_buff *ctx)
{
	struct scratch *s = scratch_of_this_cpu();
	struct inward w = {};
	if (!s)
		return TC_ACT_UNSPEC;
	struct agent_settings *a = agent_at_hand(s);
	if (!a)
		return leave(s, TC_ACT_UNSPEC, REASON_INTERNAL);
	struct inner in = find_inner(s, a->scope, (void *)(long)ctx->data, (void *)(long)ctx->data_end);
	if (in.reason == REASON_NOT_ENCAPSULATED) {
		if (is_taken(s, a))
			return leave_dropped(s, TC_ACT_SHOT, REASON_FLOW_TAKEN);
		return leave(s, TC_ACT_UNSPEC, in.reason);
	}
	if (in.reason)
		return leave_dropped(s, TC_ACT_SHOT, in.reason);
	if (take_off_tc(ctx, s, &in))
		return leave_dropped(s, TC_ACT_SHOT, REASON_INTERNAL);
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	if (read_inner(ctx, 1, s, in.eth_proto, data, end))
		return leave_dropped(s, TC_ACT_SHOT, REASON_INNER_MALFORMED);
	find_mss_tc(ctx, a->mss, &w.mss);
	read_flow_tc(ctx, &w.p, 1);
	plan_inward(ctx, s, a, &w, OFFER_NONE);
	count_inward(s, w.reason);
	if (!passes(w.reason))
		return leave_dropped(s, TC_ACT_SHOT, bounded_reason(w.reason));
	if (lower_mss_tc(ctx, &w.mss) || (a->flags & AGENT_TRANSLATES && rewrite_tc(ctx, &w.p.r)))
		return leave_dropped(s, TC_ACT_SHOT, REASON_INTERNAL);
	return leave(s, TC_ACT_UNSPEC, bounded_reason(w.reason));
}

// What the server's packet says of the flow.
AI __u64 learn_outward(struct scratch *s, struct nat_packet *p, __u64 state)
{
	if (p->kind == NAT_ERROR)
		return 0;
	if (p->ends.l4_proto != IPPROTO_TCP)
		return NAT_ANSWERED;
	if (s->tcp_flags & (TCP_FIN | TCP_RST))
		return NAT_CLOSING;
	if (!(s->tcp_flags & TCP_SYN))
		return NAT_CONFIRMED; // it says more than its SYN only to who answered that
	if (state & (NAT_ANSWERED | NAT_CONFIRMED))
		return 0;
	return NAT_ANSWERED | (__u64)(__u16)(p->tcp_seq + 1) << NAT_SEQ_SHIFT;
}

#define FRAGMENTS_OF_SERVERS 0x736e6174 // salt

// Finds the number of the VIP that a packet of the server's is to come from, 0 for none. Returns 0, or why it is not
// known. A later fragment comes from where its first one came from.
AI enum reason find_origin(struct scratch *s, struct agent_settings *a, struct nat_packet *p, __u32 *number)
{
	__u64 salt = a->salt ^ FRAGMENTS_OF_SERVERS;
	if (p->kind == NAT_LATER)
		return recall_fragment(s, salt, number) ? 0 : REASON_FIRST_UNSEEN;
	if (p->kind != NAT_NO) {
		struct nat n = nat_of(s, a, &p->ends);
		if (find_nat(&n)) {
			*number = n.state & NAT_VIP;
			saw(s, SAW_NAT, n.state, 1);
			touch_nat(&n, learn_outward(s, p, n.state));
		} else {
			saw(s, SAW_NAT_NEW, REASON_UNTRANSLATED, 0);
		}
	}
	if (s->kind & KIND_FRAGMENT)
		remember_fragment(s, salt, *number);
	return 0;
}

// Plans what a packet of the server's becomes. Returns what it leaves with.
AI enum reason plan_outward(struct scratch *s, struct agent_settings *a, struct nat_packet *p)
{
	const __u32 *src = &s->src4, *local = p->kind == NAT_ERROR ? p->quoted : src;
	__u32 number = 0;
	if (!(a->flags & AGENT_TRANSLATES))
		return REASON_UNTRANSLATED;
	p->ends.local[0] = s->family == 4 ? local[0] : *(__u64 *)local;
	p->ends.local[1] = s->family == 4 ? 0 : *(__u64 *)&local[2];
	enum reason why = find_origin(s, a, p, &number);
	struct agent_vip *v = bpf_map_lookup_elem(&agent_vips, &number);
	if (why || !number || !v || v->family != s->family)
		return why ? why : REASON_UNTRANSLATED;
	replace_by(p, local, (__u32 *)v->address, p->kind != NAT_ERROR || same_address(s->family, src, local));
	struct agent_count *c = agent_count_of(number);
	if (c)
		count_in(s, &c->out);
	return REASON_TRANSLATED;
}

// What the server sends, on its way to the client.
SEC("tc")
int snat_tc(struct __sk_buff *ctx)
{
	struct scratch *s = scratch_of_this_cpu();
	struct nat_packet p = {};
	struct mss mss = {};
	if (!s)
		return TC_ACT_UNSPEC;
	struct agent_settings *a = agent_at_hand(s);
	if (!a || !s->family)
		return leave(s, TC_ACT_UNSPEC, REASON_UNTRANSLATED);
	find_mss_tc(ctx, a->mss, &mss);
	read_flow_tc(ctx, &p, 0);
	enum reason why = plan_outward(s, a, &p);
	int found = why == REASON_TRANSLATED;
	if ((found || !(a->flags & AGENT_TRANSLATES)) && lower_mss_tc(ctx, &mss))
		return leave_dropped(s, TC_ACT_SHOT, REASON_INTERNAL);
	if (found && rewrite_tc(ctx, &p.r))
		return leave_dropped(s, TC_ACT_SHOT, REASON_INTERNAL);
	return leave(s, TC_ACT_UNSPEC, bounded_reason(why));
}

// The same for dry runs, which are XDP's.
SEC("xdp")
int snat(struct xdp_md *ctx)
{
	struct scratch *s = scratch_of_this_cpu();
	struct nat_packet p = {};
	struct mss mss = {};
	if (!s)
		return XDP_PASS;
	struct agent_settings *a = agent_at_hand(s);
	if (!a || !s->family)
		return leave(s, XDP_PASS, REASON_UNTRANSLATED);
	find_mss_xdp(ctx, a->mss, &mss);
	read_flow_xdp(ctx, &p, 0);
	enum reason why = plan_outward(s, a, &p);
	int found = why == REASON_TRANSLATED;
	if (found)
		saw_address(s, SAW_ORIGIN, &p.r);
	if ((found || !(a->flags & AGENT_TRANSLATES)) && lower_mss(ctx, &mss))
		return leave_dropped(s, XDP_DROP, REASON_INTERNAL);
	if (found && rewrite_xdp(ctx, &p.r))
		return leave_dropped(s, XDP_DROP, REASON_INTERNAL);
	return leave(s, XDP_PASS, bounded_reason(why));
}

char _license[] SEC("license") = "Dual BSD/GPL";
