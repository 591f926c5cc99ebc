// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//go:build ignore

#include <linux/pkt_cls.h>
#include "capture.h"

// The captor: while somebody looks at packets, parse calls it in front of the chain, and it calls the chain, which then
// returns to it. So the chain needs to know nothing of captures, and nothing of this costs anything while nobody looks.

// From 1 to CAPTURE_SNAP bytes, in the way in which the verifier can see it.
AI long load_frame(void *ctx, int tc, void *to, __u32 bytes)
{
	asm volatile("" : "+r"(bytes));
	bytes = ((bytes - 1) & (CAPTURE_SNAP - 1)) + 1;
	return tc ? bpf_skb_load_bytes(ctx, 0, to, bytes) : bpf_xdp_load_bytes(ctx, 0, to, bytes);
}

// What the parts cost that parse cannot time, and what it told.
AI void note_cost(struct scratch *s, struct capture_tally *t)
{
	t->seen++;
	if (!(s->captured & CAPTURED_TOOK))
		return;
	s->captured &= ~CAPTURED_TOOK;
	t->ns += s->seq;
	t->measured++;
	__u64 now = bpf_ktime_get_ns();
	t->clock += bpf_ktime_get_ns() - now;
}

// Which captures may want the packet that comes. What the frame says is read once for all of them.
AI __u32 who_may_want(void *ctx, int tc, struct looked *l, struct entry *e, struct generation *g, void *data, void *end,
		      __u32 bytes)
{
	__u64 now = bpf_ktime_get_coarse_ns();
	*(volatile __u32 *)&l->asked = 0;
	*(volatile __u32 *)&l->wanted = 0;
#pragma clang loop unroll(full)
	for (__u32 i = 0; i < CAPTURES; i++) {
		__u32 at = i;
		struct capture *c = bpf_map_lookup_elem(&captures, &at);
		if (c && goes_on(c, e->chain, now))
			set_bit(&l->asked, i);
	}
	__u32 asked = mask_now(&l->asked);
	if (!asked)
		return 0;
	l->came.chain = e->chain;
	read_packet(ctx, tc, &l->came, g, data, end, bytes);
#pragma clang loop unroll(full)
	for (__u32 i = 0; i < CAPTURES; i++)
		if (asked >> i & 1 && may_be_wanted(l, i))
			set_bit(&l->wanted, i);
	return mask_now(&l->wanted);
}

// Copies the frame as it comes. Returns whether it is to be asked for after each stage.
AI int begin(void *ctx, int tc, struct looked *l, struct entry *e, void *data, void *end, __u32 bytes)
{
	struct captured *r = &l->record;
	r->time = bpf_ktime_get_ns();
	r->packet = l->packet;
	r->cpu = bpf_get_smp_processor_id();
	r->chain = e->chain;
	r->generation = e->generation;
	r->came_bytes = bytes;
	int within = parse_within(ctx, tc, &l->inner, &l->came, data, end);
	r->headers = headers_of(within ? &l->inner : &l->came, data, end);
	l->ending = (struct ending){.layers = within ? LAYER_OUTER | LAYER_INNER : 0};
	__u32 snap = bytes_to_copy(l->wanted, POINT_CAME, r->headers, bytes);
	l->came_snap = 0;
	if (snap && !load_frame(ctx, tc, l->frame, snap))
		l->came_snap = snap;
	r->came_snap = l->came_snap;
	*(volatile __u32 *)&l->here = 0;
#pragma clang loop unroll(full)
	for (__u32 i = 0; i < CAPTURES; i++) {
		__u32 at = i;
		struct capture *c = bpf_map_lookup_elem(&captures, &at);
		if (c && l->wanted >> i & 1 && c->points & POINT_BETWEEN)
			set_bit(&l->here, i);
	}
	return !!mask_now(&l->here);
}

// Where the packet stands in its chain.
AI void note_place(struct looked *l, struct scratch *s)
{
	l->record.account = account_at_hand(s);
	l->record.vip = s->has_vip ? s->vip.num : l->came.has_vip ? l->came.vip.num : 0;
}

// Copies `want` bytes of the frame as it is now behind those of it as it came.
AI __u32 copy_now(void *ctx, int tc, struct looked *l, __u32 want)
{
	__u32 came = l->came_snap;
	if (came > CAPTURE_SNAP || !want)
		return 0;
	return load_frame(ctx, tc, l->frame + came, want) ? 0 : want;
}

AI __u32 headers_now(struct looked *l, __u32 bytes)
{
	__u32 headers = l->record.headers + bytes - l->record.came_bytes;
	return headers > bytes ? bytes : headers;
}

// What the frame says as it left, where filters may ask: the header around the packet, or the packet that was within
// it.
AI void read_layers(struct looked *l, struct scratch *s, void *data, void *end, __u32 bytes)
{
	if (l->ending.layers || bytes <= l->record.came_bytes)
		return;
	l->left.bytes = bytes;
	l->left.l2_len = sizeof(struct ethhdr);
	l->left.decap_port = s->vip.encap_port;
	*(__u64 *)&l->left.family = 0;
	l->left.ports = 0;
	if (!parse_frame(0, data, end, &l->left) && around(&l->left))
		l->ending.layers = LAYER_OUTER | LAYER_INNER;
}

// Gives the packet that left to those who want it.
AI void end(void *ctx, int tc, struct looked *l, struct scratch *s, __u32 verdict, __u32 fate, void *data, void *tail,
	    __u32 bytes)
{
	struct captured *r = &l->record;
	note_place(l, s);
	r->reason = s->reason ? s->reason : REASON_EXTERNAL;
	r->verdict = verdict;
	r->fate = fate;
	r->point = 0;
	r->left_bytes = bytes;
	int came_within = l->ending.layers;
	read_layers(l, s, data, tail, bytes);
	l->ending.verdict = fate;
	l->ending.reason = r->reason;
	l->ending.stage = (__u32)r->chain * POSITIONS + r->account;
	struct scratch *outer = came_within ? &l->came : &l->left, *inner = came_within ? &l->inner : &l->came;
	__u32 left = copy_now(ctx, tc, l, bytes_to_copy(l->wanted, POINT_LEFT, headers_now(l, bytes), bytes));
	r->left_snap = left;
#pragma clang loop unroll(full)
	for (__u32 i = 0; i < CAPTURES; i++) {
		__u32 at = i;
		struct capture *c = bpf_map_lookup_elem(&captures, &at);
		if (!c || !(l->wanted >> i & 1) || !(c->points & (POINT_CAME | POINT_LEFT)))
			continue;
		if (is_wanted(l, i, outer, inner))
			hand_over(l, c, i, left);
	}
}

// When the chain returned, in a packet whose cost parse has timed so far; else 0. A look at the clock is no part of it.
AI __u64 returned_at(struct scratch *s)
{
	if (!(s->captured & CAPTURED_TOOK))
		return 0;
	__u64 began = bpf_ktime_get_ns(), at = bpf_ktime_get_ns();
	return at + (at - began);
}

AI void add_cost(struct scratch *s, __u64 returned)
{
	if (returned)
		s->seq += bpf_ktime_get_ns() - returned;
}

// Parse, once more: it sees that the captor has been called, and goes on. What the functions below return themselves is
// hidden from the compiler, which would take it for what they return.
AI int hidden(int verdict)
{
	asm volatile("" : "+r"(verdict));
	return verdict;
}

static __attribute__((noinline)) int call_chain(struct xdp_md *ctx)
{
	__u32 zero = 0;
	struct entry *e = bpf_map_lookup_elem(&entry, &zero);
	if (e)
		bpf_tail_call(ctx, &rows, row_of(e->generation, e->chain));
	return hidden(XDP_PASS);
}

static __attribute__((noinline)) int call_chain_tc(struct __sk_buff *ctx)
{
	__u32 zero = 0;
	struct entry *e = bpf_map_lookup_elem(&entry, &zero);
	if (e)
		bpf_tail_call(ctx, &rows, row_of(e->generation, e->chain));
	return hidden(TC_ACT_UNSPEC);
}

// What a packet needs on its way.
struct way {
	struct scratch *s;
	struct looked *l;
	struct entry *e;
	struct generation *g;
	struct capture_tally *t;
};

AI int find_way(struct way *w)
{
	__u32 zero = 0;
	w->s = scratch_of_this_cpu();
	w->l = looked_at_this_cpu();
	w->t = tally_of_captures();
	w->e = bpf_map_lookup_elem(&entry, &zero);
	if (!w->s || !w->l || !w->t || !w->e)
		return 0;
	__u32 generation = w->e->generation;
	w->g = bpf_map_lookup_elem(&generations, &generation);
	return !!w->g;
}

// Before the chain. Returns whether the packet may be wanted.
AI int before(void *ctx, int tc, struct way *w, void *data, void *end, __u32 bytes)
{
	note_cost(w->s, w->t);
	w->s->captured |= CAPTURED_BY;
	__u32 wanted = who_may_want(ctx, tc, w->l, w->e, w->g, data, end, bytes);
	if (!wanted)
		return 0;
	w->t->matched++;
	w->l->packet++;
	if (begin(ctx, tc, w->l, w->e, data, end, bytes))
		w->s->captured |= CAPTURED_BETWEEN;
	w->s->reason = 0;
	return 1;
}

SEC("xdp")
int around_chain(struct xdp_md *ctx)
{
	struct way w;
	if (!find_way(&w))
		return XDP_PASS;
	void *data = (void *)(long)ctx->data, *tail = (void *)(long)ctx->data_end;
	if (!before(ctx, 0, &w, data, tail, frame_bytes(ctx))) {
		bpf_tail_call(ctx, &rows, row_of(w.e->generation, w.e->chain));
		return XDP_PASS;
	}
	__u64 packet = w.l->packet;
	int verdict = call_chain(ctx);
	struct looked *l = looked_at_this_cpu();
	struct scratch *s = scratch_of_this_cpu();
	if (!l || !s)
		return verdict;
	if (l->packet != packet) {
		w.t->torn++;
		return verdict;
	}
	__u32 fate = verdict == XDP_PASS			    ? FATE_PASS
		     : verdict == XDP_TX || verdict == XDP_REDIRECT ? FATE_FORWARD
								    : FATE_DROP;
	__u64 returned = returned_at(s);
	data = (void *)(long)ctx->data;
	tail = (void *)(long)ctx->data_end;
	end(ctx, 0, l, s, verdict, fate, data, tail, frame_bytes(ctx));
	add_cost(s, returned);
	return verdict;
}

SEC("tc")
int around_chain_tc(struct __sk_buff *ctx)
{
	struct way w;
	if (!find_way(&w))
		return TC_ACT_UNSPEC;
	bpf_skb_pull_data(ctx, ctx->len < HEADERS ? ctx->len : HEADERS); // what cannot be pulled parses as truncated
	void *data = (void *)(long)ctx->data, *tail = (void *)(long)ctx->data_end;
	if (!before(ctx, 1, &w, data, tail, ctx->len)) {
		bpf_tail_call(ctx, &rows, row_of(w.e->generation, w.e->chain));
		return TC_ACT_UNSPEC;
	}
	__u64 packet = w.l->packet;
	int verdict = call_chain_tc(ctx);
	struct looked *l = looked_at_this_cpu();
	struct scratch *s = scratch_of_this_cpu();
	if (!l || !s)
		return verdict;
	if (l->packet != packet) {
		w.t->torn++;
		return verdict;
	}
	__u32 fate = verdict == TC_ACT_SHOT ? FATE_DROP : verdict == TC_ACT_REDIRECT ? FATE_FORWARD : FATE_PASS;
	__u64 returned = returned_at(s);
	data = (void *)(long)ctx->data;
	tail = (void *)(long)ctx->data_end;
	end(ctx, 1, l, s, verdict, fate, data, tail, ctx->len);
	add_cost(s, returned);
	return verdict;
}

// After a stage of a packet that may be wanted: the frame as it is now, for those who asked for it there.
AI void look_after(void *ctx, int tc, struct looked *l, struct scratch *s, __u32 bytes)
{
	struct captured *r = &l->record;
	note_place(l, s);
	r->point = POINT_BETWEEN;
	r->reason = 0;
	r->fate = 0;
	r->left_bytes = bytes;
	*(volatile __u32 *)&l->here = 0;
#pragma clang loop unroll(full)
	for (__u32 i = 0; i < CAPTURES; i++) {
		__u32 at = i;
		struct capture *c = bpf_map_lookup_elem(&captures, &at);
		if (c && l->wanted >> i & 1 && c->points & POINT_BETWEEN && r->account &&
		    c->after[r->chain & (CHAINS - 1)] == r->account)
			set_bit(&l->here, i);
	}
	__u32 wanted = mask_now(&l->here);
	if (!wanted)
		return;
	__u32 now = copy_now(ctx, tc, l, bytes_to_copy(wanted, POINT_BETWEEN, headers_now(l, bytes), bytes));
	r->left_snap = now;
#pragma clang loop unroll(full)
	for (__u32 i = 0; i < CAPTURES; i++) {
		__u32 at = i;
		struct capture *c = bpf_map_lookup_elem(&captures, &at);
		if (c && wanted >> i & 1)
			hand_over(l, c, i, now);
	}
}

SEC("xdp")
int after_stage(struct xdp_md *ctx)
{
	struct looked *l = looked_at_this_cpu();
	struct scratch *s = scratch_of_this_cpu();
	if (!s || !l)
		return XDP_PASS;
	look_after(ctx, 0, l, s, frame_bytes(ctx));
	bpf_tail_call(ctx, &rows, s->next++);
	return leave_at_end(s, XDP_PASS);
}

SEC("tc")
int after_stage_tc(struct __sk_buff *ctx)
{
	struct looked *l = looked_at_this_cpu();
	struct scratch *s = scratch_of_this_cpu();
	if (!s || !l)
		return TC_ACT_UNSPEC;
	look_after(ctx, 1, l, s, ctx->len);
	bpf_tail_call(ctx, &rows, s->next++);
	return leave_at_end(s, TC_ACT_UNSPEC);
}

char _license[] SEC("license") = "Dual BSD/GPL";
