// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "abi_steer.h"
#include "encap.h"
#include "own.h"
#include "parse.h"
#include "steer_flow.h"
#include "steer_way.h"

// Flows that come by one NIC and leave by another, so many packets of them that XDP forwards them itself. It has them
// by a lease from tc: the packets of a second go by what tc found out, then one goes by the kernel's forwarding again,
// and tc decides anew. So nothing holds for longer than that: rules, routes, neighbours. What has no such time to wait
// ends a lease at once: another generation, a path that takes no packets, a NIC that is away.
MAP(steer_hots, ARRAY, struct steer_hot, STEER_HOTS, BPF_F_MMAPABLE);

// NICs whose drivers send what came in by others, by their index.
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
	__uint(max_entries, STEER_DEVICES);
} steer_devices SEC(".maps");

// The Ethernet addresses of NICs with a chain at XDP, by their index, as they stand in a frame. A NIC may see frames
// for other stations too, as when somebody listens on it: the kernel drops those, so XDP does not forward them.
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u64));
	__uint(max_entries, STEER_DEVICES);
} steer_stations SEC(".maps");

#define STATION_MASK (~0ULL >> 16) // of a frame's first eight bytes

AI struct steer_hot *hot_of(__u64 hash)
{
	__u32 place = hash >> 32 & (STEER_HOTS - 1);
	return bpf_map_lookup_elem(&steer_hots, &place);
}

AI __u32 generation_at_hand(struct scratch *s)
{
	return (s->next - 1) / (CHAINS * POSITIONS);
}

// Whether XDP could forward a packet such as this one: anything out of the ordinary goes by the kernel.
AI int is_plain(struct scratch *s)
{
	__u32 header = s->family == 4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	return !(s->kind & (KIND_UNBALANCED & ~KIND_ICMP)) && s->l4_off == header && !s->has_vip;
}

// Gives a flow to XDP. MACs and MTU of the way are known.
AI void lease(struct scratch *s, struct steer_hot *h, __u64 key, struct way *w, __u32 came, __u64 own)
{
	*(volatile __u64 *)&h->key = 0; // who reads it meanwhile sees that it is being written
	h->until = coarse_now(s) + STEER_LEASE;
	h->mac_head = *(__u64 *)w->macs;
	h->mac_tail = *(__u32 *)(w->macs + 8);
	h->came = came;
	h->own = own;
	h->out = w->ifindex;
	h->packets = 0;
	h->settings = settings_at_hand(s);
	h->mtu = w->mtu;
	h->generation = generation_at_hand(s);
	h->tos = tos_of(s);
	asm volatile("" ::: "memory");
	*(volatile __u64 *)&h->key = key;
	count_own(s, STEER_LEASES);
}

// The MACs of a way, if the kernel knows them: with its neighbour in the place of the destination.
AI int find_macs(struct __sk_buff *ctx, struct scratch *s, struct way *w)
{
	struct bpf_fib_lookup f = {.ifindex = w->ifindex};
	ask_of(s, &f, 1);
	f.family = w->family;
	if (w->family == AF_INET6 && s->family == 4)
		return 0; // a source of another family
	f.ipv6_dst[0] = w->hop[0];
	f.ipv6_dst[1] = w->hop[1];
	f.ipv6_dst[2] = w->hop[2];
	f.ipv6_dst[3] = w->hop[3];
	if (bpf_fib_lookup(ctx, &f, sizeof(f), BPF_FIB_LOOKUP_OUTPUT) || f.ifindex != w->ifindex)
		return 0;
	__u32 mtu = f.mtu_result;
	take_hop(&f, w);
	w->mtu = mtu;
	return 1;
}

// After a packet that tc steered: key is its flow and path.
FUNCTION int heat(struct __sk_buff *ctx, struct scratch *s, struct steer *x, __u64 key, struct way *w)
{
	if (!s || !x || !w || !ctx->ingress_ifindex || !is_plain(s))
		return 0;
	struct steer_hot *h = hot_of(key);
	if (!h)
		return 0;
	__u64 now = coarse_now(s), has = *(volatile __u64 *)&h->key;
	int same = !((has ^ key) & ~STEER_PATH_MASK), over = now >= h->until;
	if (same && has != key) { // it has another path
		*(volatile __u64 *)&h->key = 0;
		same = 0;
	}
	if (same && !over)
		return 0; // XDP did not want this packet
	int busy = w->packets >= x->hot || (same && h->packets >= x->hot);
	if (!busy && same)
		*(volatile __u64 *)&h->key = 0;
	__u32 came = ctx->ingress_ifindex;
	__u64 *own = bpf_map_lookup_elem(&steer_stations, &came);
	if (busy && own && (same || !has || over) && find_macs(ctx, s, w))
		lease(s, h, key, w, came, *own);
	return 0;
}

// Whether a lease is for the packet at hand.
AI int is_leased(struct xdp_md *ctx, struct scratch *s, struct steer_hot *h)
{
	return coarse_now(s) < h->until && h->came == ctx->ingress_ifindex && h->generation == generation_at_hand(s) &&
	       h->settings == settings_at_hand(s) && h->tos == tos_of(s) && h->mtu >= s->l3_len && s->ttl > 1;
}

AI int write_hot(struct xdp_md *ctx, struct scratch *s, __u64 own, __u64 mac_head, __u32 mac_tail)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	if (data + ETH_HLEN + sizeof(struct iphdr) > end)
		return 0;
	if (s->family == 6 && data + ETH_HLEN + sizeof(struct ipv6hdr) > end)
		return 0;
	if (!dry && (*(__u64 *)data ^ own) & STATION_MASK) // a dry frame's addresses are made up
		return 0;
	*(__u64 *)data = mac_head;
	*(__u32 *)(data + 8) = mac_tail;
	lower_ttl(s, data + ETH_HLEN);
	return 1;
}

// Forwards a packet of a flow that has a lease. Returns whether it did: else it is as it was.
AI int forward_hot(struct xdp_md *ctx, struct scratch *s)
{
	__u64 hash = steer_hash(s);
	struct steer_hot *h = hot_of(hash);
	if (!h || !is_plain(s))
		return 0;
	__u64 key = *(volatile __u64 *)&h->key;
	if (!key || (key ^ hash) & ~STEER_PATH_MASK || !is_leased(ctx, s, h))
		return 0;
	__u32 id = key & STEER_PATH_MASK, out = h->out, mac_tail = h->mac_tail;
	__u64 own = h->own, mac_head = h->mac_head;
	struct steer_path *p = bpf_map_lookup_elem(&steer_paths, &id);
	if (!p || (p->flags & STEER_PATH_TAKES) != STEER_PATH_TAKES)
		return 0;
	asm volatile("" ::: "memory");
	if (*(volatile __u64 *)&h->key != key || bpf_redirect_map(&steer_devices, out, XDP_PASS) != XDP_REDIRECT)
		return 0;
	saw(s, SAW_STEER_HOT, id, out);
	if (!write_hot(ctx, s, own, mac_head, mac_tail))
		return 0;
	if (!dry)
		h->packets++;
	count_path(s, id);
	count_own(s, STEER_CAUGHT);
	return 1;
}
