// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//go:build ignore

#include <linux/pkt_cls.h>
#include "packet.h"

// A program that is not ours stands between two of ours: `enter`, in the row, counts the packet and calls it; its own
// array of programs leads to `resume`, which goes on in the row. What does not come back, it ended itself.

// The programs that are not ours, by number. One map for XDP, one for tc, one for dry runs.
MAP(externals, PROG_ARRAY, __u32, EXTERNALS, 0);

// One case of call_external(). The constants keep the compiler from making one call of all of them.
#define EXTERNAL(number)                                                                                               \
	case number:                                                                                                   \
		bpf_tail_call_static(ctx, &externals, number);                                                         \
		break

// Calls the program of that number. The kernel makes a tail call whose index it knows a direct jump, see jump(): the
// first numbers, of which most nodes have no more, get that. Returns only when nothing is there.
AI void call_external(void *ctx, __u32 number)
{
	switch (number) {
		EXTERNAL(1);
		EXTERNAL(2);
		EXTERNAL(3);
		EXTERNAL(4);
		EXTERNAL(5);
		EXTERNAL(6);
		EXTERNAL(7);
		EXTERNAL(8);
	default:
		bpf_tail_call(ctx, &externals, number);
	}
}

AI struct passage *passage(struct scratch *s)
{
	struct counters *c = dry ? 0 : counters_of_this_cpu();
	return c ? &c->passage[s->chain & (CHAINS - 1)][account_at_hand(s)] : 0;
}

AI void count_in(struct scratch *s)
{
	struct passage *p = passage(s);
	if (p) {
		p->in.packets++;
		p->in.bytes += s->bytes;
	}
}

AI void count_out(struct scratch *s)
{
	struct passage *p = passage(s);
	if (p) {
		p->out.packets++;
		p->out.bytes += s->bytes;
	}
}

// The program is missing: the packet goes on to the kernel. A dry packet stops in front of a program that was not said
// to be safe to try.
AI int leave_missing(struct scratch *s, int verdict)
{
	count_out(s);
	return leave(s, verdict, dry ? REASON_EXTERNAL : REASON_EMPTY_SLOT);
}

// The packet may have been changed: what is known of it is found out anew. It stays as long as it was in all counts, so
// that what comes in is what goes out.
AI enum reason read_again(void *ctx, int tc, struct scratch *s, void *data, void *end, __u32 bytes)
{
	__u32 generation = (s->next - 1) / (CHAINS * POSITIONS) & (GENERATIONS - 1), counted = s->bytes;
	struct generation *g = bpf_map_lookup_elem(&generations, &generation);
	__u8 inner = s->kind & KIND_INNER;
	count_out(s);
	if (!g)
		return REASON_EMPTY_SLOT;
	enum reason reason = read_packet(ctx, tc, s, g, data, end, bytes);
	s->kind |= inner;
	s->bytes = counted;
	return reason;
}

SEC("xdp")
int enter(struct xdp_md *ctx)
{
	struct scratch *s = scratch_of_this_cpu();
	if (!s)
		return XDP_PASS;
	count_in(s);
	if (dry) {
		s->note.reason = REASON_EXTERNAL; // unless it comes back
		saw(s, SAW_EXTERNAL, settings_at_hand(s), 0);
		end_trail(s, 0);
	}
	call_external(ctx, settings_at_hand(s));
	return leave_missing(s, XDP_PASS);
}

SEC("xdp")
int resume(struct xdp_md *ctx)
{
	struct scratch *s = scratch_of_this_cpu();
	if (!s)
		return XDP_PASS;
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	enum reason reason = read_again(ctx, 0, s, data, end, end - data);
	saw(s, SAW_RETURNED, 0, 0);
	if (reason)
		return leave(s, XDP_PASS, reason);
	next_stage(ctx, s);
	return leave_at_end(s, XDP_PASS);
}

// At tc a program may send a copy out by another NIC at once, through that NIC's chain, and the scratch is then that
// packet's. So what must outlast the program travels with the packet, in the last two words of its control block.
#define CB_BYTES  3
#define CB_PLACE  4
#define CB_PASSED (1U << 31)

SEC("tc")
int enter_tc(struct __sk_buff *ctx)
{
	struct scratch *s = scratch_of_this_cpu();
	if (!s)
		return TC_ACT_UNSPEC;
	count_in(s);
	ctx->cb[CB_BYTES] = s->bytes;
	ctx->cb[CB_PLACE] = s->next | (s->passed ? CB_PASSED : 0);
	call_external(ctx, settings_at_hand(s));
	return leave_missing(s, TC_ACT_UNSPEC);
}

SEC("tc")
int resume_tc(struct __sk_buff *ctx)
{
	struct scratch *s = scratch_of_this_cpu();
	if (!s)
		return TC_ACT_UNSPEC;
	__u32 place = ctx->cb[CB_PLACE];
	s->next = place & (GENERATIONS * CHAINS * POSITIONS - 1);
	s->chain = (s->next - 1) / POSITIONS & (CHAINS - 1);
	s->passed = !!(place & CB_PASSED);
	s->bytes = ctx->cb[CB_BYTES];
	bpf_skb_pull_data(ctx, ctx->len < HEADERS ? ctx->len : HEADERS); // what cannot be pulled parses as truncated
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	enum reason reason = read_again(ctx, 1, s, data, end, ctx->len);
	if (reason)
		return leave(s, TC_ACT_UNSPEC, reason);
	next_stage(ctx, s);
	return leave_at_end(s, TC_ACT_UNSPEC);
}

char _license[] SEC("license") = "Dual BSD/GPL";
