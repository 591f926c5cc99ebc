// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//go:build ignore

#include <linux/pkt_cls.h>
#include "encap.h"

// What this node sends to a VIP to find out whether a backend serves: the mark of its socket says which backend, and it
// goes there in the encapsulation by which the balancer sends what clients say. The answer comes by the network, as any
// packet to this node does.

// What becomes of a packet that asks a backend; engine/datapath/checkpath.go has the same.
enum check_end {
	CHECK_SENT,
	CHECK_NO_WAY,	// to the backend
	CHECK_NO_FRAME, // that could be wrapped
	CHECK_NO_ROOM,	// for the tunnel
	CHECK_ENDS
};

// How a backend is to be asked, and how many packets ended how since.
struct checkpath {
	__u32 ifindex; // of the NIC that it is reached by; 0 = it is not asked
	__be16 port;   // outer UDP destination port; 0 = IPIP
	__u16 pad;
	__u32 ends[CHECK_ENDS];
};

// By the backend's id. The process that asks has it for itself, and what it marks goes nowhere once that has ended.
MAP(checkpaths, ARRAY, struct checkpath, BACKENDS, BPF_F_MMAPABLE);

#define CHECK_MARK    0x68700000 // | backend; engine/datapath/checkpath.go has the same
#define CHECK_MASK    0xffff8000
#define CHECK_SOURCES 0xc000

// What stands in front of the inner packet; the kernel wants every word of the stack in its place.
struct front {
	__u16 pad;
	__u8 macs[2 * ETH_ALEN];
	__be16 eth_proto;
	__u8 ip[sizeof(struct ipv6hdr) + sizeof(struct udphdr)];
};

AI void put_ip4(struct front *f, struct backend *b, __u8 proto, __u32 len)
{
	struct iphdr *ip = (void *)f->ip;
	*(__u32 *)ip = bpf_htons(0x4500) | (__u32)bpf_htons(len) << 16;
	ip->frag_off = bpf_htons(DONT_FRAGMENT);
	ip->ttl = OUTER_TTL;
	ip->protocol = proto;
	ip->saddr = b->src4;
	ip->daddr = b->dst4;
	ip->check = fold((__u64)b->pseudo_sum + bpf_htons(0x4500) + bpf_htons(len) + bpf_htons(DONT_FRAGMENT) +
			 bpf_htons(OUTER_TTL << 8 | proto));
	f->eth_proto = bpf_htons(ETH_P_IP);
}

AI void put_ip6(struct front *f, struct backend *b, __u8 proto, __u32 len)
{
	struct ipv6hdr *ip = (void *)f->ip;
	*(__u32 *)ip = bpf_htonl(0x60000000);
	ip->payload_len = bpf_htons(len);
	ip->nexthdr = proto;
	ip->hop_limit = OUTER_TTL;
	__builtin_memcpy(&ip->saddr, b->src6, sizeof(ip->saddr));
	__builtin_memcpy(&ip->daddr, b->dst6, sizeof(ip->daddr));
	f->eth_proto = bpf_htons(ETH_P_IPV6);
}

// Returns how much it is, from the outer IP header on.
AI __u32 put_front(struct front *f, struct scratch *s, struct backend *b)
{
	__u32 udp = s->vip.encap_port ? sizeof(struct udphdr) : 0;
	__u8 proto = udp ? IPPROTO_UDP : s->family == 4 ? IPPROTO_IPIP : IPPROTO_IPV6;
	__be16 src_port = bpf_htons(CHECK_SOURCES) | s->src_port;
	__builtin_memcpy(f->macs, &b->mac_head, sizeof(f->macs));
	if (b->family == 6) {
		put_ip6(f, b, proto, s->l3_len + udp);
		if (udp)
			put_udp(s, b, f->ip + sizeof(struct ipv6hdr), src_port, b->pseudo_sum);
		return sizeof(struct ipv6hdr) + udp;
	}
	put_ip4(f, b, proto, s->l3_len + udp + sizeof(struct iphdr));
	if (udp)
		put_udp(s, b, f->ip + sizeof(struct iphdr), src_port, b->pseudo_sum);
	return sizeof(struct iphdr) + udp;
}

AI __u64 room_for(struct backend *b, int gue)
{
	__u64 flags = b->family == 6 ? BPF_F_ADJ_ROOM_ENCAP_L3_IPV6 : BPF_F_ADJ_ROOM_ENCAP_L3_IPV4;
	return flags | (gue ? BPF_F_ADJ_ROOM_ENCAP_L4_UDP : 0);
}

AI int check_dropped(struct checkpath *p, enum check_end why)
{
	__sync_fetch_and_add(&p->ends[why], 1);
	return TC_ACT_SHOT;
}

SEC("tc")
int checkpath(struct __sk_buff *ctx)
{
	__u32 mark = ctx->mark, id = mark & (BACKENDS - 1);
	if ((mark & CHECK_MASK) != CHECK_MARK)
		return TC_ACT_UNSPEC;
	struct checkpath *p = bpf_map_lookup_elem(&checkpaths, &id);
	struct backend *b = bpf_map_lookup_elem(&backends, &id);
	struct scratch *s = scratch_of_this_cpu();
	if (!p || !b || !s)
		return TC_ACT_SHOT;
	// As it is, it would ask whichever backend the ring says.
	if (!p->ifindex || !(b->flags & BACKEND_REACHABLE))
		return check_dropped(p, CHECK_NO_WAY);
	s->bytes = ctx->len;
	s->l2_len = sizeof(struct ethhdr);
	*(__u64 *)&s->family = 0; // family to has_vip, eight bytes in a row
	s->ports = 0;
	if (parse_frame(0, (void *)(long)ctx->data, (void *)(long)ctx->data_end, s) ||
	    s->l2_len != sizeof(struct ethhdr))
		return check_dropped(p, CHECK_NO_FRAME);
	s->no_sum |= s->family == 4 && s->l4_proto == IPPROTO_ICMP; // whose sum has no pseudo header
	s->ttl++;						    // nobody has lowered it
	s->vip.encap_port = p->port;
	struct front f = {};
	__u32 grow = put_front(&f, s, b);
	if (bpf_skb_adjust_room(ctx, grow, BPF_ADJ_ROOM_MAC, room_for(b, p->port != 0)))
		return check_dropped(p, CHECK_NO_ROOM);
	if (grow > sizeof(f.ip) || bpf_skb_store_bytes(ctx, 0, f.macs, sizeof(struct ethhdr) + grow, 0))
		return check_dropped(p, CHECK_NO_ROOM);
	__sync_fetch_and_add(&p->ends[CHECK_SENT], 1);
	ctx->mark = 0; // it is as it should be, also where it leaves by another NIC
	return p->ifindex == ctx->ifindex ? TC_ACT_UNSPEC : bpf_redirect(p->ifindex, 0);
}

char _license[] SEC("license") = "Dual BSD/GPL";
