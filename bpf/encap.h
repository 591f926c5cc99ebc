// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "link.h"
#include "offer.h"
#include "parse.h"
#include "sum.h"

// How to reach each backend.
MAP(backends, ARRAY, struct backend, BACKENDS, BPF_F_MMAPABLE);

// Encapsulation in GUE variant 1 (the inner IP packet follows the outer UDP header) and IPIP (RFC 2003, 2473).

#define OUTER_TTL     64
#define DONT_FRAGMENT 0x4000

// The sum of the inner packet's 16-bit words as it will leave, from its header alone: a transport segment with a right
// checksum sums up to the complement of its pseudo header, and an IPv4 header with a right checksum to nothing.
AI __u64 inner_sum(struct scratch *s)
{
	__u32 proto = (__u32)s->l4_proto << 8;
	if (s->family == 4) {
		__u32 pseudo = (s->src4 & 0xffff) + (s->src4 >> 16) + (s->dst4 & 0xffff) + (s->dst4 >> 16) + proto +
			       bpf_htons(s->l3_len - s->l4_off);
		return 6 * 0xffff - pseudo;
	}
	__u32 next_header_and_ttl = s->l4_proto | (__u32)(s->ttl - 1) << 8;
	return (s->first_word & 0xffff) + (s->first_word >> 16) + next_header_and_ttl + 0xffff - proto;
}

AI __u8 traffic_class(struct scratch *s)
{
	return s->family == 4 ? s->first_word >> 8 : bpf_ntohl(s->first_word) >> 20;
}

// The outer UDP header. Its checksum covers the inner packet, except where that has none of its own to derive it from,
// and between bytes in front of it, which sum up to between_sum.
AI void put_udp_over(struct scratch *s, void *at, __be16 src_port, __u32 pseudo_sum, __u32 between, __u64 between_sum)
{
	__be16 len = bpf_htons(s->l3_len + sizeof(struct udphdr) + between), dst_port = s->vip.encap_port;
	__u16 check = 0;
	if (!s->no_sum) {
		check = fold(inner_sum(s) + pseudo_sum + bpf_htons(IPPROTO_UDP) + 2 * (__u32)len + src_port + dst_port +
			     between_sum);
		if (!check)
			check = 0xffff;
	}
	*(__u32 *)at = src_port | (__u32)dst_port << 16;
	*(__u32 *)(at + 4) = len | (__u32)check << 16;
}

AI void put_udp(struct scratch *s, struct backend *b, void *at, __be16 src_port, __u32 pseudo_sum)
{
	put_udp_over(s, at, src_port, pseudo_sum, 0, 0);
}

// One hop less, as a router between client and backend would do.
AI void lower_ttl(struct scratch *s, void *inner)
{
	if (s->family == 6) {
		*(__u8 *)(inner + offsetof(struct ipv6hdr, hop_limit)) = s->ttl - 1;
		return;
	}
	__u16 *check = inner + offsetof(struct iphdr, check);
	__u32 sum = *check + bpf_htons(0x0100);
	*check = sum + (sum >= 0xffff); // never 0xffff, which is no sum of a header (RFC 1624)
	*(__u8 *)(inner + offsetof(struct iphdr, ttl)) = s->ttl - 1;
}

// What an outer header is put around of: a frame as most are, or one with tags, whose link header has another length.
struct frame {
	__u32 l2;
	int tagged;
	struct tags tags;
	__u32 nic;	     // it leaves by; 0 = the one it came by
	int more;	     // bytes of link header than it came with
	int reason;	     // with which; 0 = it is sent to its backend
	struct offer *offer; // stands in front of the packet inside; 0 = nothing does
};

// Writes it right in front of the packet inside, and returns what it sums up to.
AI __u64 put_offer(struct frame *f, void *inner, int between)
{
	__u64 sum = 0;
	for (int i = 0; i < between / 4; i++) {
		__u32 word = f->offer->word[i];
		*(__u32 *)(inner - between + 4 * i) = word;
		sum += (word & 0xffff) + (word >> 16);
	}
	return sum;
}

AI int leave_sent(struct scratch *s, struct frame *f)
{
	if (!f->nic)
		return leave(s, XDP_TX, f->reason ? f->reason : REASON_FORWARDED);
	return leave(s, bpf_redirect(f->nic, 0), REASON_REDIRECTED);
}

// Two stores instead of a copy byte by byte.
AI void put_ethernet(struct backend *b, struct frame *f, void *data, __be16 eth_proto)
{
	*(__u64 *)data = b->mac_head;
	*(__u32 *)(data + 8) = b->mac_tail;
	if (f->tagged)
		put_tags(retyped(f->tags, f->l2, eth_proto), data);
	else
		*(__be16 *)(data + 12) = eth_proto;
}

AI int put_outer4(struct xdp_md *ctx, struct scratch *s, struct backend *b, struct frame *f, __be16 src_port, int gue)
{
	int between = f->offer ? OFFER4 : 0, grow = sizeof(struct iphdr) + (gue ? sizeof(struct udphdr) : 0) + between;
	if (bpf_xdp_adjust_head(ctx, -(grow + f->more)))
		return leave_dropped(s, XDP_DROP, REASON_NO_HEADROOM);
	// From here on the packet is changed: what goes wrong is a drop.
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	void *ip = data + f->l2, *inner = ip + grow;
	if (inner + sizeof(struct iphdr) > end || (f->tagged && data + LINK_MOST > end))
		return leave_dropped(s, XDP_DROP, REASON_INTERNAL);
	__u8 proto = gue ? IPPROTO_UDP : s->family == 4 ? IPPROTO_IPIP : IPPROTO_IPV6;
	__u32 word0 = bpf_htons(0x4500 | traffic_class(s)) | (__u32)bpf_htons(s->l3_len + grow) << 16;
	__u32 word1 = (__u32)bpf_htons(DONT_FRAGMENT) << 16;
	__u16 ttl_proto = bpf_htons(OUTER_TTL << 8 | proto);
	__u16 check = fold((__u64)b->pseudo_sum + (word0 & 0xffff) + (word0 >> 16) + (word1 >> 16) + ttl_proto);
	put_ethernet(b, f, data, bpf_htons(ETH_P_IP));
	*(__u32 *)ip = word0;
	*(__u32 *)(ip + 4) = word1;
	*(__u32 *)(ip + 8) = ttl_proto | (__u32)check << 16;
	*(__u32 *)(ip + 12) = b->src4;
	*(__u32 *)(ip + 16) = b->dst4;
	if (gue)
		put_udp_over(s, ip + sizeof(struct iphdr), src_port, b->pseudo_sum, between,
			     put_offer(f, inner, between));
	lower_ttl(s, inner);
	return leave_sent(s, f);
}

AI int put_outer6(struct xdp_md *ctx, struct scratch *s, struct backend *b, struct frame *f, __be16 src_port, int gue)
{
	int between = f->offer ? OFFER6 : 0,
	    grow = sizeof(struct ipv6hdr) + (gue ? sizeof(struct udphdr) : 0) + between;
	if (bpf_xdp_adjust_head(ctx, -(grow + f->more)))
		return leave_dropped(s, XDP_DROP, REASON_NO_HEADROOM);
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	void *ip = data + f->l2, *inner = ip + grow;
	if (inner + sizeof(struct iphdr) > end || (f->tagged && data + LINK_MOST > end))
		return leave_dropped(s, XDP_DROP, REASON_INTERNAL);
	__u8 proto = gue ? IPPROTO_UDP : s->family == 4 ? IPPROTO_IPIP : IPPROTO_IPV6;
	put_ethernet(b, f, data, bpf_htons(ETH_P_IPV6));
	*(__u32 *)ip = bpf_htonl(0x60000000 | (__u32)traffic_class(s) << 20);
	*(__u16 *)(ip + 4) = bpf_htons(s->l3_len + grow - sizeof(struct ipv6hdr));
	*(__u16 *)(ip + 6) = bpf_htons(proto << 8 | OUTER_TTL);
	*(__u64 *)(ip + 8) = b->src6[0];
	*(__u64 *)(ip + 16) = b->src6[1];
	*(__u64 *)(ip + 24) = b->dst6[0];
	*(__u64 *)(ip + 32) = b->dst6[1];
	if (gue)
		put_udp_over(s, ip + sizeof(struct ipv6hdr), src_port, b->pseudo_sum, between,
			     put_offer(f, inner, between));
	lower_ttl(s, inner);
	return leave_sent(s, f);
}

// Sends the packet to a backend.
AI int put_outer(struct xdp_md *ctx, struct scratch *s, struct backend *b, struct frame *f, __be16 src_port, int gue)
{
	if (b->family == 6)
		return gue ? put_outer6(ctx, s, b, f, src_port, 1) : put_outer6(ctx, s, b, f, src_port, 0);
	return gue ? put_outer4(ctx, s, b, f, src_port, 1) : put_outer4(ctx, s, b, f, src_port, 0);
}
