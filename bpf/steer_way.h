// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "abi_steer.h"
#include "steer_rule.h"

// Where a path leads a packet: its NIC and the next hop there, by the kernel's routes as they are now.

MAP(steer_paths, ARRAY, struct steer_path, STEER_PATHS, BPF_F_MMAPABLE);

// One element a CPU.
MAP(steer_counts, ARRAY, struct steer_counts, 1, BPF_F_MMAPABLE);

enum steer_way {
	WAY_FOUND = 0,
	WAY_DOWN = 1,	// the path takes no packets
	WAY_NONE = 2,	// no route of it leads there
	WAY_SMALL = 3,	// the packet is too large for it
	WAY_UNASKED = 4 // the kernel cannot be asked: forwarding is off on all NICs that it could be asked of
};

struct way {
	__u32 ifindex;
	__u32 family; // of hop: AF_*; 0 = the NIC's own routes say
	__u32 hop[4];
	__u32 mtu;
	__u32 packets; // of the flow, in this window
	__u8 macs[12]; // as they stand in a frame, where they were asked for
};

#define AF_INET	 2
#define AF_INET6 10
#define LOOPBACK 1 // index of lo, in each network namespace

AI void ask_of(struct scratch *s, struct bpf_fib_lookup *f, int tc)
{
	f->l4_protocol = s->l4_proto;
	f->sport = s->src_port;
	f->dport = s->dst_port;
	f->tot_len = tc ? 0 : s->l3_len; // of an skb the kernel knows itself
	if (s->family == 4) {
		f->family = AF_INET;
		f->tos = tos_of(s);
		f->ipv4_src = s->src4;
		f->ipv4_dst = s->dst4;
		return;
	}
	f->family = AF_INET6;
	f->flowinfo = s->first_word & bpf_htonl(0x0fffffff);
	*(__u64 *)&f->ipv6_src[0] = s->src6[0];
	*(__u64 *)&f->ipv6_src[2] = s->src6[1];
	*(__u64 *)&f->ipv6_dst[0] = s->dst6[0];
	*(__u64 *)&f->ipv6_dst[2] = s->dst6[1];
}

AI void take_hop(struct bpf_fib_lookup *f, struct way *w)
{
	w->ifindex = f->ifindex;
	w->family = f->family;
	w->hop[0] = f->ipv6_dst[0]; // of IPv4 as well
	w->hop[1] = f->ipv6_dst[1];
	w->hop[2] = f->ipv6_dst[2];
	w->hop[3] = f->ipv6_dst[3];
	w->mtu = f->mtu_result;
	__builtin_memcpy(w->macs, f->dmac, 6);
	__builtin_memcpy(w->macs + 6, f->smac, 6);
}

// By a table's routes. The kernel wants a NIC on which forwarding is on, whichever; lo will do.
AI long ask_table(void *ctx, struct bpf_fib_lookup *f, __u32 table, __u32 nic, __u32 flags)
{
	__u32 how = BPF_FIB_LOOKUP_DIRECT | BPF_FIB_LOOKUP_TBID | flags;
	f->ifindex = nic;
	*(__u32 *)&f->h_vlan_proto = table;
	long failed = bpf_fib_lookup(ctx, f, sizeof(*f), how);
	if (failed != BPF_FIB_LKUP_RET_FWD_DISABLED)
		return failed;
	f->ifindex = LOOPBACK;
	*(__u32 *)&f->h_vlan_proto = table;
	return bpf_fib_lookup(ctx, f, sizeof(*f), how);
}

AI enum steer_way found_way(long failed)
{
	if (failed == BPF_FIB_LKUP_RET_FRAG_NEEDED)
		return WAY_SMALL;
	if (failed == BPF_FIB_LKUP_RET_FWD_DISABLED)
		return WAY_UNASKED;
	return failed ? WAY_NONE : WAY_FOUND;
}

// By a next hop that the spec names.
AI enum steer_way by_hop(void *ctx, struct steer_path *p, struct way *w)
{
	__u32 mtu = 0;
	long failed = bpf_check_mtu(ctx, p->ifindex, &mtu, 0, 0);
	w->ifindex = p->ifindex;
	w->mtu = mtu;
	w->family = p->family == 4 ? AF_INET : AF_INET6;
	*(__u64 *)&w->hop[0] = p->via[0];
	*(__u64 *)&w->hop[2] = p->via[1];
	return failed < 0 ? WAY_DOWN : failed ? WAY_SMALL : WAY_FOUND;
}

AI enum steer_way lead(void *ctx, int tc, struct scratch *s, struct steer_path *p, __u32 nic, struct way *w)
{
	struct bpf_fib_lookup f = {};
	if (p->table) {
		ask_of(s, &f, tc);
		enum steer_way way = found_way(ask_table(ctx, &f, p->table, nic, BPF_FIB_LOOKUP_SKIP_NEIGH));
		take_hop(&f, w);
		return way;
	}
	if (p->family && (p->family == s->family || s->family == 4))
		return by_hop(ctx, p, w);
	if (p->family)
		return WAY_NONE; // IPv6 behind a next hop of IPv4
	ask_of(s, &f, tc);
	f.ifindex = p->ifindex;
	enum steer_way way =
		found_way(bpf_fib_lookup(ctx, &f, sizeof(f), BPF_FIB_LOOKUP_OUTPUT | BPF_FIB_LOOKUP_SKIP_NEIGH));
	take_hop(&f, w);
	if (way != WAY_UNASKED)
		return way;
	w->ifindex = p->ifindex; // forwarding is off there: the kernel looks itself, when it sends
	w->family = 0;
	return WAY_FOUND;
}

FUNCTION int find_way_tc(struct __sk_buff *ctx, struct scratch *s, struct steer_path *p, struct way *w)
{
	if (!s || !p || !w)
		return WAY_DOWN;
	return lead(ctx, 1, s, p, ctx->ifindex, w);
}

FUNCTION int find_way_xdp(struct xdp_md *ctx, struct scratch *s, struct steer_path *p, struct way *w)
{
	if (!s || !p || !w)
		return WAY_DOWN;
	return lead(ctx, 0, s, p, ctx->ingress_ifindex, w);
}

// That a probe came by, whatever becomes of it.
AI void count_measure(__u32 path)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct steer_counts *c = bpf_map_lookup_elem(&steer_counts, &cpu);
	if (c)
		c->measured[path & (STEER_PATHS - 1)]++;
}

AI void count_path(struct scratch *s, __u32 path)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct steer_counts *c = bpf_map_lookup_elem(&steer_counts, &cpu);
	if (dry || !c)
		return;
	c->path[path & (STEER_PATHS - 1)].packets++;
	c->path[path & (STEER_PATHS - 1)].bytes += s->bytes;
}
