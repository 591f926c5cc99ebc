// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "packet.h"

// A packet at which somebody looks, from before the chain until behind it.

MAP(captures, ARRAY, struct capture, CAPTURES, BPF_F_MMAPABLE);
MAP(capture_tally, PERCPU_ARRAY, struct capture_tally, 1, 0);

// Records, for the one reader. It looks every now and then, and is woken when much has come meanwhile.
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 23);
} captured_records SEC(".maps");

#define WAKE_AT (1 << 21) // bytes that wait

// The copy of a packet.
struct looked {
	__u64 packet; // number of the packet
	__u64 began;
	__u32 asked;	      // bit i: capture i looks at it
	__u32 wanted;	      // and may want it
	__u32 here;	      // and wants it at this point
	__u32 came_snap;      // bytes of the frame that are here, as it came
	struct scratch came;  // what the frame says as it came
	struct scratch inner; // and the packet within it
	struct scratch left;  // and the frame as it left
	struct ending ending;
	struct captured record;
	__u8 frame[2 * CAPTURE_SNAP + 64];
};

MAP(looked, PERCPU_ARRAY, struct looked, 1, 0);

// What stands here is for no filter at all: engine/datapath/captures.go puts the compiled ones in the place of these, a
// pair for each capture. The first of a pair says of a packet that comes whether it may be wanted, the second of one
// that leaves whether it is.
#define CAPTURE_FILTERS(i)                                                                                             \
	__attribute__((weak, noinline)) int may_want##i(struct scratch *came)                                          \
	{                                                                                                              \
		asm volatile("" : "+r"(came));                                                                         \
		return 0;                                                                                              \
	}                                                                                                              \
	__attribute__((weak, noinline)) int wants##i(struct scratch *came, __u64 unused, struct scratch *outer,        \
						     struct scratch *inner, struct ending *e)                          \
	{                                                                                                              \
		asm volatile("" : "+r"(came), "+r"(outer), "+r"(inner), "+r"(e));                                      \
		return 0;                                                                                              \
	}

CAPTURE_FILTERS(0)
CAPTURE_FILTERS(1)
CAPTURE_FILTERS(2)
CAPTURE_FILTERS(3)
CAPTURE_FILTERS(4)
CAPTURE_FILTERS(5)

// Sets a bit of a mask of captures in memory, of which the verifier knows no value: it would follow all that there are.
AI void set_bit(__u32 *mask, __u32 i)
{
	*(volatile __u32 *)mask |= 1U << i;
}

AI __u32 mask_now(__u32 *mask)
{
	return *(volatile __u32 *)mask;
}

AI struct looked *looked_at_this_cpu(void)
{
	__u32 zero = 0;
	return bpf_map_lookup_elem(&looked, &zero);
}

AI struct capture_tally *tally_of_captures(void)
{
	__u32 zero = 0;
	return bpf_map_lookup_elem(&capture_tally, &zero);
}

// Whether a capture goes on, and looks at this packet of this chain.
AI int goes_on(struct capture *c, __u32 chain, __u64 now)
{
	if (now >= c->until || c->taken >= c->most || c->taken_bytes >= c->most_bytes)
		return 0;
	if (!(c->chains[chain >> 6 & 1] >> (chain & 63) & 1))
		return 0;
	return c->one_in <= 1 || !((__u64)bpf_get_prandom_u32() * c->one_in >> 32);
}

// Bytes of the outer headers of a frame, from its beginning on; 0 = it holds no other packet.
AI __u32 around(struct scratch *f)
{
	if (f->kind & (KIND_FRAGMENT | KIND_EXTENSION | KIND_ICMP))
		return 0;
	if (f->l4_proto == IPPROTO_UDP && f->decap_port && f->dst_port == f->decap_port)
		return f->l2_len + f->l4_off + sizeof(struct udphdr);
	if (f->l4_proto == IPPROTO_IPIP || f->l4_proto == IPPROTO_IPV6)
		return f->l2_len + f->l4_off;
	return 0;
}

#define GUE_WORD    4 // bytes of the header of variant 0, and of each word behind it
#define GUE_CONTROL 0x20
#define GUE_HLEN    0x1f

// Bytes of a GUE header at `at`: none in variant 1; 0 too where the words of variant 0 say that no IP packet follows.
AI __u32 gue_header(void *at, void *end)
{
	__u8 *gue = at;
	if ((void *)(gue + GUE_WORD) > end || *gue >> 6 || *gue & GUE_CONTROL || *(__be16 *)(gue + 2))
		return 0;
	return gue[1] == IPPROTO_IPIP || gue[1] == IPPROTO_IPV6 ? GUE_WORD + (*gue & GUE_HLEN) * GUE_WORD : 0;
}

// Reads the packet behind the outer headers of a frame. Returns whether there is one.
AI int parse_within(void *ctx, int tc, struct scratch *in, struct scratch *f, void *data, void *end)
{
	__u32 outer = around(f);
	*(__u64 *)&in->family = 0;
	if (!outer)
		return 0;
	if (f->l4_proto == IPPROTO_UDP)
		outer += gue_header(data + (outer & 0xff), end);
	in->bytes = f->l2_len + f->l3_len;
	in->l2_len = outer;
	in->ports = 0;
	struct cursor c = {.at = data + (outer & 0xff), .end = end};
	struct iphdr *ip = c.at;
	if ((void *)(ip + 1) > end)
		return 0;
	enum reason reason = ip->version == 6 ? parse_ipv6(&c, in) : parse_ipv4(&c, in);
	if (!reason && in->kind & KIND_EXTENSION)
		reason = (tc ? walk_extensions_tc(ctx, in) : walk_extensions(ctx, in)) & (REASONS - 1);
	return !reason;
}

// Bytes of a frame that are headers: up to where the payload of its packet begins.
AI __u32 headers_of(struct scratch *f, void *data, void *end)
{
	__u32 at = f->l2_len + (f->family ? f->l4_off : 0);
	if (!f->family || f->kind & (KIND_FRAGMENT | KIND_EXTENSION))
		return at;
	if (f->l4_proto != IPPROTO_TCP)
		return at + sizeof(struct udphdr); // as long as that of ICMP
	struct tcphdr *tcp = data + (at & 0x1ff);
	return (void *)(tcp + 1) > end ? at : at + tcp->doff * 4;
}

// Bytes of a frame that the captures in `wanted` want, and have at this point.
AI __u32 bytes_to_copy(__u32 wanted, __u8 point, __u32 headers, __u32 bytes)
{
	__u32 most = 0;
#pragma clang loop unroll(full)
	for (__u32 i = 0; i < CAPTURES; i++) {
		__u32 at = i;
		struct capture *c = bpf_map_lookup_elem(&captures, &at);
		if (!c || !(wanted >> i & 1) || !(c->points & point))
			continue;
		__u32 snap = c->snap ? c->snap : headers;
		most = snap > most ? snap : most;
	}
	most = most > CAPTURE_SNAP ? CAPTURE_SNAP : most;
	return most < bytes ? most : bytes;
}

AI int is_wanted(struct looked *l, __u32 i, struct scratch *outer, struct scratch *inner)
{
	switch (i) {
	case 0:
		return wants0(&l->came, 0, outer, inner, &l->ending);
	case 1:
		return wants1(&l->came, 0, outer, inner, &l->ending);
	case 2:
		return wants2(&l->came, 0, outer, inner, &l->ending);
	case 3:
		return wants3(&l->came, 0, outer, inner, &l->ending);
	case 4:
		return wants4(&l->came, 0, outer, inner, &l->ending);
	}
	return wants5(&l->came, 0, outer, inner, &l->ending);
}

AI int may_be_wanted(struct looked *l, __u32 i)
{
	switch (i) {
	case 0:
		return may_want0(&l->came);
	case 1:
		return may_want1(&l->came);
	case 2:
		return may_want2(&l->came);
	case 3:
		return may_want3(&l->came);
	case 4:
		return may_want4(&l->came);
	}
	return may_want5(&l->came);
}

// Gives a record to user space, for one capture: what of the frame is in l->frame as it came, and behind it `left`
// bytes of it as it is now.
AI void hand_over(struct looked *l, struct capture *c, __u32 i, __u32 left)
{
	struct captured *r = &l->record;
	__u32 size = l->came_snap + left;
	if (size > 2 * CAPTURE_SNAP)
		return; // never
	__sync_fetch_and_add(&c->taken_bytes, sizeof(*r) + size);
	if (__sync_fetch_and_add(&c->taken, 1) >= c->most)
		return;
	r->capture = i;
	r->one_in = c->one_in;
	__u64 wake = bpf_ringbuf_query(&captured_records, BPF_RB_AVAIL_DATA) >= WAKE_AT ? BPF_RB_FORCE_WAKEUP
											: BPF_RB_NO_WAKEUP;
	if (bpf_ringbuf_output(&captured_records, r, sizeof(*r) + size, wake))
		__sync_fetch_and_add(&c->lost, 1);
}
