// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "clock.h"
#include "parse.h"
#include "link.h"
#include "sum.h"

// The answer to a TCP packet that says no, sent back the way it came: to a SYN, RST and ACK; to any other, a RST that
// continues what its sender has acknowledged. IP options, TCP options and data are left out; VLAN tags stay.

#define RESETS 32 // a CPU and jiffy: the answers to a flood of forged SYNs must not become one

AI int may_reset(struct scratch *s)
{
	if (dry)
		return 1;
	__u64 now = coarse_now(s);
	if (s->reset_at != now) {
		s->reset_at = now;
		s->resets = 0;
	}
	return s->resets++ < RESETS;
}

// What the TCP header of an answer says.
struct reset {
	__u32 ports; // of the packet that is answered
	__be32 seq;
	__be32 ack;
	__u32 flags; // with the length of the header, as they stand in the packet
};

// Writes the TCP header; pseudo is the sum of the addresses.
AI void put_reset(struct tcphdr *tcp, struct reset *r, __u64 pseudo)
{
	__u32 swapped = r->ports << 16 | r->ports >> 16;
	__u64 sum = pseudo + bpf_htons(IPPROTO_TCP) + bpf_htons(sizeof(*tcp)) + sum_words(swapped) + sum_words(r->seq) +
		    sum_words(r->ack) + r->flags;
	__u32 *word = (__u32 *)tcp;
	word[0] = swapped;
	word[1] = r->seq;
	word[2] = r->ack;
	word[3] = r->flags;
	word[4] = fold(sum);
}

AI void put_reset4(struct iphdr *ip, struct reset *r)
{
	__be32 src = ip->daddr, dst = ip->saddr;
	__u32 word0 = bpf_htons(0x4500) | (__u32)bpf_htons(sizeof(*ip) + sizeof(struct tcphdr)) << 16;
	__u32 ttl = bpf_htons(64 << 8 | IPPROTO_TCP), *word = (__u32 *)ip;
	__u64 pseudo = sum_words(src) + sum_words(dst);
	word[0] = word0;
	word[1] = bpf_htons(0x4000) << 16; // don't fragment
	word[2] = ttl | (__u32)fold(pseudo + sum_words(word0) + bpf_htons(0x4000) + ttl) << 16;
	word[3] = src;
	word[4] = dst;
	put_reset((struct tcphdr *)(ip + 1), r, pseudo);
}

AI void put_reset6(struct ipv6hdr *ip, struct reset *r)
{
	__u64 *address = (__u64 *)&ip->saddr, src0 = address[2], src1 = address[3];
	__u32 *word = (__u32 *)ip;
	address[2] = address[0];
	address[3] = address[1];
	address[0] = src0;
	address[1] = src1;
	word[0] = bpf_htonl(0x60000000);
	word[1] = bpf_htons(sizeof(struct tcphdr)) | (__u32)bpf_htons(IPPROTO_TCP << 8 | 64) << 16;
	put_reset((struct tcphdr *)(ip + 1), r,
		  sum_words(src0) + sum_words(src1) + sum_words(address[2]) + sum_words(address[3]));
}

// Makes the frame of a TCP packet its answer. Returns 0, and leaves the frame as it is, where that cannot be.
AI int make_reset(struct xdp_md *ctx, struct scratch *s)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 l2 = s->l2_len & 0x1f, l4 = s->l4_off & 0x7f;
	struct tcphdr *tcp = data + l2 + l4;
	if ((void *)(tcp + 1) > end)
		return 0;
	struct reset r = {.ports = s->ports};
	if (tcp->ack) {
		r.seq = tcp->ack_seq;
		r.flags = bpf_htons(5 << 12 | 0x04);
	} else {
		r.ack = bpf_htonl(bpf_ntohl(tcp->seq) + tcp->syn);
		r.flags = bpf_htons(5 << 12 | 0x14);
	}
	__u32 header = s->family == 4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	int length = l2 + header + sizeof(*tcp);
	if (bpf_xdp_adjust_tail(ctx, length - (int)frame_bytes(ctx)))
		return 0;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if (data + sizeof(struct ethhdr) > end)
		return 0;
	turn_ethernet(data);
	void *ip = data + l2;
	if (s->family == 4) {
		if (ip + sizeof(struct iphdr) + sizeof(*tcp) > end)
			return 0;
		put_reset4(ip, &r);
	} else {
		if (ip + sizeof(struct ipv6hdr) + sizeof(*tcp) > end)
			return 0;
		put_reset6(ip, &r);
	}
	return 1;
}
