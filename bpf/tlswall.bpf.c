// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//go:build ignore

#include <linux/pkt_cls.h>
#include "abi_tlswall.h"
#include "hello.h"
#include "own.h"
#include "reset.h"
#include "subflow.h"
#include "wall.h"

// Ports on which only TLS is spoken: the first bytes that a client sends must begin a ClientHello. A SYN says which
// number the first byte has, so a packet is judged by those of the first bytes that it has: however they were cut into
// packets, whatever comes first, and as often as it is sent again. Flows of which no SYN was seen pass.

// What each wall goes by.
MAP(tlswalls, ARRAY, struct tlswall, TLSWALLS, BPF_F_MMAPABLE);

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10
#define TCP_URG 0x20

#define MOST_IP 65536 // bytes of a packet

// Whether the wall is there for this packet.
AI int is_guarded(struct scratch *s, struct tlswall *w)
{
	__u32 port = bpf_ntohs(s->dst_port), num = s->vip.num & (VIPS - 1);
	if (!(w->port[port >> 6] >> (port & 63) & 1) || s->passed)
		return 0;
	return !(w->flags & TLSWALL_OF_VIP) || (s->has_vip && w->vip[num >> 6] >> (num & 63) & 1);
}

// A TCP segment's data. Returns 0 where there is no TCP header.
AI int read_segment(struct scratch *s, void *data, void *end, struct segment_at *g)
{
	__u32 l2 = s->l2_len & 0x1f, l4 = s->l4_off & 0x7f;
	struct tcphdr *tcp = data + l2 + l4;
	if (l2 != s->l2_len || l4 != s->l4_off || (void *)(tcp + 1) > end)
		return 0;
	__u32 header = tcp->doff * 4;
	g->seq = bpf_ntohl(tcp->seq) + (s->tcp_flags >> 1 & 1); // a SYN takes a number itself
	g->bytes = s->l3_len - l4 - header;
	g->options = header - sizeof(*tcp);
	g->at = l2 + l4 + header;
	return 1;
}

// As a function of its own: the verifier sees it once.
FUNCTION int is_allowed(struct scratch *s, struct tlswall *w)
{
	if (!s || !w)
		return 0;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < WALL_ALLOWS && i < w->allows; i++) {
		struct wall_allow *a = &w->allow[i];
		if (a->family != s->family)
			continue;
		if (s->family == 4 && (s->src4 & (__u32)a->mask[0]) == (__u32)a->address[0])
			return 1;
		if (s->family == 6 && (s->src6[0] & a->mask[0]) == a->address[0] &&
		    (s->src6[1] & a->mask[1]) == a->address[1])
			return 1;
	}
	return 0;
}

// Whether a flow is so far on that what was seen of its begin is of no use. Before its numbers begin anew, where what
// it sends by then would be taken for its first bytes.
AI int is_far_behind(__u32 off)
{
	return off - (1U << 30) < 1U << 31;
}

// Judges a packet of a flow that is remembered: off is where in what the client sends its data begins. Returns why it
// is refused, or 0.
AI enum reason judge_flow(void *ctx, int tc, struct scratch *s, struct tlswall *w, struct segment_at *g, __u32 off,
			  struct wall_flow *f)
{
	__u32 state = f->at & WALL_STATES;
	struct hello h = {};
	__s32 behind = off + g->bytes;
	int hides = s->kind & KIND_MORE && behind > -MOST_IP && behind < HELLO_BYTES; // they are in the next fragment
	if (!find_first_bytes(&h, g, off) && !hides) {
		if (state == WALL_SEEN && is_far_behind(off))
			forget_wall_flow(f);
		else if (!off && s->tcp_flags & (TCP_FIN | TCP_RST))
			set_wall_flow(s, f, WALL_SEEN);
		else if (!off && s->tcp_flags & TCP_ACK && state == WALL_BEGUN)
			set_wall_flow(s, f, WALL_OPEN);
		return 0;
	}
	int read = hides;
	if (!hides)
		read = tc ? bpf_skb_load_bytes(ctx, h.at, h.byte, h.bytes)
			  : bpf_xdp_load_bytes(ctx, h.at, h.byte, h.bytes);
	int whole = h.first + h.bytes == HELLO_BYTES;
	int fits = !read && !hides && !(s->tcp_flags & TCP_URG) && begins_hello(&h);
	saw(s, SAW_HELLO, h.first | h.bytes << 8 | fits << 16, *(__u64 *)h.byte);
	if (!fits && !is_allowed(s, w)) {
		set_wall_flow(s, f, WALL_REFUSED);
		return REASON_NOT_TLS;
	}
	if (fits && whole && state != WALL_SEEN)
		count_own(s, WALL_HELLOS);
	set_wall_flow(s, f, !fits || whole || state == WALL_SEEN ? WALL_SEEN : WALL_OPEN);
	return 0;
}

// There may be several flows with these ends, of which one announced another number: when somebody forged a SYN, or
// tried again by the same port. Which of them the server knows, only it could say: a packet must be right for each.
AI enum reason judge_flows(void *ctx, int tc, struct scratch *s, struct tlswall *w, struct segment_at *g,
			   struct wall_place *p)
{
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < WALL_WAYS; i++) {
		struct wall_flow *f = &p->set->flow[i];
		if (!(p->hits >> i & 1) || (!p->begun && (__s64)(s->now - f->at) >= (__s64)w->wait))
			continue;
		enum reason reason = judge_flow(ctx, tc, s, w, g, p->begun ? 0 : g->seq - (__u32)f->key, f);
		if (reason)
			return reason;
	}
	return 0;
}

AI enum reason judge(void *ctx, int tc, struct scratch *s, struct tlswall *w, struct segment_at *g)
{
	struct wall_place p = {};
	if (!find_wall_flows(s, &p))
		return 0;
	coarse_now(s);
	int begins = (s->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
	if (begins &&
	    (tc ? joins_tc(ctx, g->at - g->options, g->options) : joins_xdp(ctx, g->at - g->options, g->options)))
		return 0;
	if (begins && !remember_wall_flow(s, &p, g->seq, w->wait)) {
		count_own(s, WALL_UNHELD);
		saw(s, SAW_NO_ROOM, 0, 0);
		return w->flags & TLSWALL_STRICT && !is_allowed(s, w) ? REASON_WALL_FULL : 0;
	}
	return p.hits ? judge_flows(ctx, tc, s, w, g, &p) : 0;
}

// Why the packet is refused, or 0.
AI enum reason guard(void *ctx, int tc, struct scratch *s, struct tlswall **settings, void *data, void *end)
{
	struct segment_at g = {};
	if (s->l4_proto != IPPROTO_TCP || !s->ports)
		return 0;
	__u32 element = settings_at_hand(s);
	struct tlswall *w = bpf_map_lookup_elem(&tlswalls, &element);
	if (!w || !is_guarded(s, w) || !read_segment(s, data, end, &g))
		return 0;
	*settings = w;
	enum reason reason = judge(ctx, tc, s, w, &g);
	return reason && refuses(s, reason) ? reason : 0;
}

SEC("xdp")
int tlswall(struct xdp_md *ctx)
{
	struct scratch *s = scratch_of_this_cpu();
	struct tlswall *w = 0;
	if (!s)
		return XDP_PASS;
	enum reason reason = guard(ctx, 0, s, &w, (void *)(long)ctx->data, (void *)(long)ctx->data_end);
	if (!reason) {
		next_stage(ctx, s);
		return leave_at_end(s, XDP_PASS);
	}
	int answered = w && w->flags & TLSWALL_RESET && may_reset(s) && make_reset(ctx, s);
	if (answered)
		saw(s, SAW_ANSWERED, 0, 0);
	return leave_dropped(s, answered ? XDP_TX : XDP_DROP, reason);
}

SEC("tc")
int tlswall_tc(struct __sk_buff *ctx)
{
	struct scratch *s = scratch_of_this_cpu();
	struct tlswall *w = 0;
	if (!s)
		return TC_ACT_UNSPEC;
	enum reason reason = guard(ctx, 1, s, &w, (void *)(long)ctx->data, (void *)(long)ctx->data_end);
	if (reason)
		return leave_dropped(s, TC_ACT_SHOT, reason);
	next_stage(ctx, s);
	return leave_at_end(s, TC_ACT_UNSPEC);
}

char _license[] SEC("license") = "Dual BSD/GPL";
