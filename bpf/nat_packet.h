// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "nat.h"
#include "rewrite.h"

// What a packet says of its flow, and where it stands in it: TCP, UDP, echo, ICMP errors with what they quote, and
// fragments, of which the first alone has ports.

enum nat_kind {
	NAT_NO = 0,	// of no flow that could be translated
	NAT_PACKET = 1, // of a flow
	NAT_ERROR = 2,	// about a packet of a flow
	NAT_LATER = 3,	// a later fragment: its addresses are all there is
};

// The head of an ICMP message of either family; the words behind it differ.
struct icmp_head {
	__u8 type;
	__u8 code;
	__u16 sum;
	__be16 id; // of an echo
	__be16 seq;
};

#define ECHO4	    8
#define ECHO_REPLY4 0
#define ECHO6	    128
#define ECHO_REPLY6 129
#define ERRORS4	    (1 << 3 | 1 << 4 | 1 << 11 | 1 << 12) // unreachable, quench, time exceeded, bad parameter
#define ERRORS6	    (1 << 1 | 1 << 2 | 1 << 3 | 1 << 4)	  // unreachable, too big, time exceeded, bad parameter

struct nat_packet {
	struct nat_ends ends;
	struct rewrite r;
	enum nat_kind kind;
	__u32 tcp_seq; // and ack, in host order
	__u32 tcp_ack;
	__u32 quoted[4] __attribute__((aligned(8))); // the address that is replaced in what an error quotes
};

#define SWAPPED(ports) ((ports) << 16 | (ports) >> 16)

AI void *at_place(void *data, __u32 place)
{
	return data + (place & PLACE_MASK);
}

AI int sum_of_tcp(__u32 l4)
{
	return l4 + offsetof(struct tcphdr, check);
}
AI int sum_of_udp(__u32 l4)
{
	return l4 + offsetof(struct udphdr, check);
}

// Reads the ports of what begins at l4, and notes where its checksum stands.
AI enum nat_kind read_transport(struct nat_packet *p, void *data, void *end, __u32 l4, int to_server)
{
	__u32 *ports = at_place(data, l4);
	if (p->ends.l4_proto != IPPROTO_TCP && p->ends.l4_proto != IPPROTO_UDP)
		return NAT_NO;
	if ((void *)(ports + 2) > end)
		return NAT_NO;
	p->ends.ports = to_server ? ports[0] : SWAPPED(ports[0]);
	p->r.pseudo = 1;
	if (p->ends.l4_proto == IPPROTO_UDP) {
		p->r.sum = sum_of_udp(l4);
		p->r.may_be_off = 1;
		return NAT_PACKET;
	}
	p->r.sum = sum_of_tcp(l4);
	p->tcp_seq = bpf_ntohl(ports[1]);
	if ((void *)(ports + 3) <= end)
		p->tcp_ack = bpf_ntohl(ports[2]);
	return NAT_PACKET;
}

AI int is_error(__u8 family, __u8 type)
{
	return type < 16 && (family == 4 ? ERRORS4 : ERRORS6) >> type & 1;
}

AI int is_echo(__u8 family, __u8 type, int to_server)
{
	if (family == 4)
		return type == (to_server ? ECHO4 : ECHO_REPLY4);
	return type == (to_server ? ECHO6 : ECHO_REPLY6);
}

// What is behind the quoted IP header, as far as it is quoted: eight bytes at least. The transport's checksum is put
// right where it is among them; what is cut off is not missed by who reads it.
AI enum nat_kind read_quoted_transport(struct nat_packet *p, void *data, void *end, __u32 l4, __u32 l3_end,
				       int to_server)
{
	__u32 *ports = at_place(data, l4);
	if ((void *)(ports + 2) > end || l4 + 8 > l3_end)
		return NAT_NO;
	p->ends.ports = to_server ? SWAPPED(ports[0]) : ports[0];
	if (p->ends.l4_proto == IPPROTO_UDP) {
		p->r.may_be_off = 1;
		if (ports[1] >> 16)
			p->r.quoted_sum = sum_of_udp(l4);
		return NAT_ERROR;
	}
	if (p->ends.l4_proto != IPPROTO_TCP)
		return NAT_NO;
	if ((void *)(ports + 5) <= end && l4 + sizeof(struct tcphdr) <= l3_end)
		p->r.quoted_sum = sum_of_tcp(l4);
	return NAT_ERROR;
}

AI enum nat_kind read_quote4(struct nat_packet *p, void *data, void *end, __u32 at, __u32 l3_end, int to_server)
{
	struct iphdr *ip = at_place(data, at);
	if ((void *)(ip + 1) > end || ip->version != 4 || ip->ihl < 5 || ip->frag_off & bpf_htons(FRAG_OFFSET))
		return NAT_NO;
	p->ends.l4_proto = ip->protocol;
	p->ends.client[0] = to_server ? ip->daddr : ip->saddr;
	p->quoted[0] = to_server ? ip->saddr : ip->daddr;
	p->r.quoted = at + (to_server ? offsetof(struct iphdr, saddr) : offsetof(struct iphdr, daddr));
	p->r.quoted_header_sum = at + offsetof(struct iphdr, check);
	return read_quoted_transport(p, data, end, at + ip->ihl * 4, l3_end, to_server);
}

AI enum nat_kind read_quote6(struct nat_packet *p, void *data, void *end, __u32 at, __u32 l3_end, int to_server)
{
	struct ipv6hdr *ip = at_place(data, at);
	if ((void *)(ip + 1) > end || ip->version != 6)
		return NAT_NO;
	__u64 *address = (void *)&ip->saddr, src[2] = {address[0], address[1]}, dst[2] = {address[2], address[3]};
	p->ends.l4_proto = ip->nexthdr;
	p->ends.client[0] = to_server ? dst[0] : src[0];
	p->ends.client[1] = to_server ? dst[1] : src[1];
	*(__u64 *)p->quoted = to_server ? src[0] : dst[0];
	*(__u64 *)&p->quoted[2] = to_server ? src[1] : dst[1];
	p->r.quoted = at + (to_server ? offsetof(struct ipv6hdr, saddr) : offsetof(struct ipv6hdr, daddr));
	return read_quoted_transport(p, data, end, at + sizeof(*ip), l3_end, to_server);
}

AI enum nat_kind read_icmp(struct scratch *s, struct nat_packet *p, void *data, void *end, __u32 l4, int to_server)
{
	struct icmp_head *icmp = at_place(data, l4);
	__u32 l3_end = s->l2_len + s->l3_len, sum = l4 + offsetof(struct icmp_head, sum), quote = l4 + sizeof(*icmp);
	if ((void *)(icmp + 1) > end)
		return NAT_NO;
	if (is_echo(s->family, icmp->type, to_server)) {
		p->ends.ports = icmp->id * 0x10001U;
		p->r.sum = s->family == 6 ? sum : 0;
		return NAT_PACKET;
	}
	p->r.sum = sum;
	if (!is_error(s->family, icmp->type))
		return NAT_NO;
	return s->family == 4 ? read_quote4(p, data, end, quote, l3_end, to_server)
			      : read_quote6(p, data, end, quote, l3_end, to_server);
}

AI void read_client(struct scratch *s, struct nat_packet *p, int to_server)
{
	if (s->family == 4) {
		p->ends.client[0] = to_server ? s->src4 : s->dst4;
		p->r.address = s->l2_len + (to_server ? offsetof(struct iphdr, daddr) : offsetof(struct iphdr, saddr));
		p->r.header_sum = s->l2_len + offsetof(struct iphdr, check);
		return;
	}
	p->ends.client[0] = to_server ? s->src6[0] : s->dst6[0];
	p->ends.client[1] = to_server ? s->src6[1] : s->dst6[1];
	p->r.address = s->l2_len + (to_server ? offsetof(struct ipv6hdr, daddr) : offsetof(struct ipv6hdr, saddr));
}

// Fills in p but for what is not in the packet: the local address of one that goes to the server.
AI void read_flow(struct scratch *s, struct nat_packet *p, void *data, void *end, int to_server)
{
	p->r.family = s->family;
	p->ends.l4_proto = s->l4_proto;
	p->kind = NAT_NO;
	read_client(s, p, to_server);
	if (s->kind & KIND_EXTENSION)
		return;
	__u32 l4 = s->l2_len + s->l4_off;
	if (s->kind & KIND_FRAGMENT && s->frag_at)
		p->kind = NAT_LATER;
	else if (s->kind & KIND_ICMP)
		p->kind = read_icmp(s, p, data, end, l4, to_server);
	else
		p->kind = read_transport(p, data, end, l4, to_server);
}

// Both are functions of their own, which the verifier sees once.
FUNCTION int read_flow_xdp(struct xdp_md *ctx, struct nat_packet *p, int to_server)
{
	struct scratch *s = scratch_of_this_cpu();
	if (s && p)
		read_flow(s, p, (void *)(long)ctx->data, (void *)(long)ctx->data_end, to_server);
	return 0;
}

FUNCTION int read_flow_tc(struct __sk_buff *ctx, struct nat_packet *p, int to_server)
{
	struct scratch *s = scratch_of_this_cpu();
	if (s && p)
		read_flow(s, p, (void *)(long)ctx->data, (void *)(long)ctx->data_end, to_server);
	return 0;
}

// Says by what the address is replaced, and what that makes of the sums. from is what it replaces.
AI void replace_by(struct nat_packet *p, const __u32 *from, const __u32 *to, int in_header)
{
	struct rewrite *r = &p->r;
	int words = r->family == 4 ? 1 : 4;
	r->to[0] = to[0];
	if (words == 4) {
		r->to[1] = to[1];
		r->to[2] = to[2];
		r->to[3] = to[3];
		r->diff = diff_of(from, to, 4);
	} else {
		r->diff = diff_of(from, to, 1);
	}
	if (!in_header) {
		r->address = 0;
		r->header_sum = 0;
	}
	if (p->kind != NAT_ERROR) {
		r->sum_diff = r->diff;
		return;
	}
	// An ICMP sum covers the quoted address, the quoted sums that change against it, and with IPv6 the packet's own
	// addresses.
	__u64 sum = r->diff;
	if (r->quoted_header_sum)
		sum += (__u32)~r->diff;
	if (r->quoted_sum)
		sum += (__u32)~r->diff;
	if (r->family == 6 && in_header)
		sum += r->diff;
	r->sum_diff = fold32(sum);
}
