// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include "chain.h"
#include "extension.h"
#include "frame.h"

// The only parser of the data path. Each parse_x checks bounds, fills in what it read, and moves the cursor on.

struct vlan_tag {
	__be16 tci;
	__be16 eth_proto;
};

#define VLAN_TAGS   2
#define FRAG_MASK   0x3fff // more fragments, or an offset
#define FRAG_MORE   0x2000
#define FRAG_OFFSET 0x1fff

// The first fragment of a packet has ports when the whole transport header is in it.
AI enum reason parse_first(struct cursor *c, struct scratch *s)
{
	__u32 room = s->l3_len - s->l4_off;
	struct tcphdr *tcp = c->at;
	struct udphdr *udp = c->at;
	if (s->l4_proto == IPPROTO_TCP && room >= sizeof(*tcp) && (void *)(tcp + 1) <= c->end) {
		if (tcp->doff * 4 < sizeof(*tcp) || room < tcp->doff * 4)
			return 0;
		s->seq_high = bpf_ntohl(tcp->seq) >> 16;
		s->tcp_flags = *((__u8 *)tcp + 13);
	} else if (s->l4_proto != IPPROTO_UDP || room < sizeof(*udp) || (void *)(udp + 1) > c->end) {
		return 0;
	}
	s->ports = *(__u32 *)udp;
	s->kind |= KIND_FIRST;
	return 0;
}

// Fills in what a fragment header says, in either family. The fragment itself begins at the cursor.
AI void parse_fragment(struct scratch *s, __u32 at, __u32 more, __u32 id, __u32 header)
{
	s->kind |= more ? KIND_FRAGMENT | KIND_MORE : KIND_FRAGMENT;
	s->frag_at = at;
	s->frag_bytes = s->l3_len - header;
	s->frag_id = id;
	s->no_sum = 1;
}

// The IP packet has been found to lie within the frame: a header that does not fit the packet contradicts it, whatever
// padding follows.
AI enum reason parse_ports(struct cursor *c, struct scratch *s)
{
	if (s->l4_proto == IPPROTO_TCP) {
		struct tcphdr *tcp = c->at;
		if (s->l3_len < s->l4_off + sizeof(*tcp))
			return REASON_MALFORMED;
		if ((void *)(tcp + 1) > c->end)
			return REASON_TRUNCATED;
		if (tcp->doff * 4 < sizeof(*tcp) || s->l3_len < s->l4_off + tcp->doff * 4)
			return REASON_MALFORMED;
		s->ports = *(__u32 *)tcp;
		s->seq_high = bpf_ntohl(tcp->seq) >> 16;
		s->tcp_flags = *((__u8 *)tcp + 13);
	} else if (s->l4_proto == IPPROTO_UDP) {
		struct udphdr *udp = c->at;
		if (s->l3_len < s->l4_off + sizeof(*udp))
			return REASON_MALFORMED;
		if ((void *)(udp + 1) > c->end)
			return REASON_TRUNCATED;
		__u32 len = bpf_ntohs(udp->len);
		if (len < sizeof(*udp) || s->l3_len < s->l4_off + len)
			return REASON_MALFORMED;
		s->ports = *(__u32 *)udp;
		s->no_sum = !udp->check || s->l3_len > s->l4_off + len;
	}
	return 0;
}

// Whether a frame ends before so many bytes.
AI int ends_before(struct cursor *c, struct scratch *s, __u32 bytes)
{
	if (bytes <= s->bytes)
		return 0;
	if (!frags || !c->xdp)
		return 1;
	s->bytes = bpf_xdp_get_buff_len(c->xdp);
	return bytes > s->bytes;
}

AI enum reason parse_ipv4(struct cursor *c, struct scratch *s)
{
	struct iphdr *ip = c->at;
	if ((void *)(ip + 1) > c->end)
		return REASON_TRUNCATED;
	__u32 header = ip->ihl * 4, total = bpf_ntohs(ip->tot_len);
	if (ip->version != 4 || header < sizeof(*ip) || total < header)
		return REASON_MALFORMED;
	if (ends_before(c, s, s->l2_len + total))
		return REASON_TRUNCATED;
	s->family = 4;
	s->l3_len = total;
	s->l4_off = header;
	s->l4_proto = ip->protocol;
	s->ttl = ip->ttl;
	s->first_word = *(__u32 *)ip;
	s->src4 = ip->saddr;
	s->dst4 = ip->daddr;
	if (ip->protocol == IPPROTO_ICMP)
		s->kind |= KIND_ICMP;
	c->at += header;
	if (ip->frag_off & bpf_htons(FRAG_MASK)) {
		__u32 off = bpf_ntohs(ip->frag_off);
		parse_fragment(s, (off & FRAG_OFFSET) * 8, off & FRAG_MORE, ip->id | (__u32)ip->protocol << 16, header);
		return s->frag_at ? 0 : parse_first(c, s);
	}
	return parse_ports(c, s);
}

AI enum reason parse_ipv6(struct cursor *c, struct scratch *s)
{
	struct ipv6hdr *ip = c->at;
	if ((void *)(ip + 1) > c->end)
		return REASON_TRUNCATED;
	__u32 total = sizeof(*ip) + bpf_ntohs(ip->payload_len);
	if (ip->version != 6)
		return REASON_MALFORMED;
	if (ends_before(c, s, s->l2_len + total))
		return REASON_TRUNCATED;
	s->family = 6;
	s->l3_len = total;
	s->l4_off = sizeof(*ip);
	s->l4_proto = ip->nexthdr;
	s->ttl = ip->hop_limit;
	s->first_word = *(__u32 *)ip;
	__u64 *address = (void *)&ip->saddr;
	s->src6[0] = address[0];
	s->src6[1] = address[1];
	s->dst6[0] = address[2];
	s->dst6[1] = address[3];
	c->at += sizeof(*ip);
	if (ip->nexthdr == IPPROTO_ICMPV6)
		s->kind |= KIND_ICMP;
	else if (is_extension(ip->nexthdr))
		s->kind |= KIND_EXTENSION;
	return parse_ports(c, s);
}

// Fills in what the packet says. Returns the reason to let it pass, or 0.
AI enum reason parse_frame(void *xdp, void *data, void *end, struct scratch *s)
{
	struct cursor c = {.at = data, .end = end, .xdp = xdp};
	struct ethhdr *eth = data;
	if ((void *)(eth + 1) > end)
		return REASON_TRUNCATED;
	__be16 eth_proto = eth->h_proto;
	c.at += sizeof(*eth);
#pragma clang loop unroll(full)
	for (int i = 0; i < VLAN_TAGS; i++) {
		if (eth_proto != bpf_htons(ETH_P_8021Q) && eth_proto != bpf_htons(ETH_P_8021AD))
			break;
		struct vlan_tag *tag = c.at;
		if ((void *)(tag + 1) > end)
			return REASON_TRUNCATED;
		s->kind |= KIND_VLAN;
		if (!i)
			s->tci = tag->tci;
		eth_proto = tag->eth_proto;
		c.at += sizeof(*tag);
		s->l2_len += sizeof(*tag);
	}
	if (eth_proto == bpf_htons(ETH_P_IP))
		return parse_ipv4(&c, s);
	if (eth_proto == bpf_htons(ETH_P_IPV6))
		return parse_ipv6(&c, s);
	return REASON_NOT_IP;
}

// What stands between an IPv6 header and its transport: taken in its stride where it is short and does not send the
// packet elsewhere; else the packet keeps KIND_EXTENSION and has no ports.
AI enum reason parse_extensions(void *data, void *end, struct scratch *s)
{
	struct cursor c = {.at = data + (s->l2_len & 0xff) + sizeof(struct ipv6hdr), .end = end};
	struct extensions x = {.next = s->l4_proto, .room = s->l3_len - sizeof(struct ipv6hdr)};
	enum reason reason = skip_extensions(&c, &x);
	if (reason || (is_extension(x.next) && !x.at))
		return reason;
	s->kind &= ~KIND_EXTENSION;
	s->l4_proto = x.next;
	s->l4_off = s->l3_len - x.room;
	if (x.next == IPPROTO_ICMPV6)
		s->kind |= KIND_ICMP;
	if (x.at || x.more) {
		parse_fragment(s, x.at, x.more, x.id, x.fragment);
		return x.at ? 0 : parse_first(&c, s);
	}
	reason = parse_ports(&c, s);
	s->no_sum = 1; // what sums up to nothing is only what follows them
	return reason;
}

// The same as functions of their own, for those few packets that need it.
FUNCTION int walk_extensions(struct xdp_md *ctx, struct scratch *s)
{
	return s ? parse_extensions((void *)(long)ctx->data, (void *)(long)ctx->data_end, s) : 0;
}

FUNCTION int walk_extensions_tc(struct __sk_buff *ctx, struct scratch *s)
{
	return s ? parse_extensions((void *)(long)ctx->data, (void *)(long)ctx->data_end, s) : 0;
}
