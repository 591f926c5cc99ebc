// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// An XDP stage: drops UDP to one port, and counts.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

// The spec fills it: maps: {config: {0: {port: 53}}}. A value of type __be16 takes the number and its byte order.
struct config {
	__be16 port;
	__u16 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct config);
} config SEC(".maps");

// What was seen and what was dropped; a watched element is added up over CPUs.
struct hits {
	__u64 seen;
	__u64 dropped;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct hits);
} hits SEC(".maps");

// Hairpin puts the program that comes next into element 0.
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} next SEC(".maps");

static __always_inline int listed(struct xdp_md *ctx, struct config *c)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct iphdr *ip = (void *)(eth + 1);
	struct udphdr *udp = (void *)(ip + 1);
	if ((void *)(udp + 1) > end || eth->h_proto != bpf_htons(ETH_P_IP))
		return 0;
	return ip->ihl == 5 && ip->protocol == IPPROTO_UDP && udp->dest == c->port;
}

SEC("xdp")
int guard(struct xdp_md *ctx)
{
	__u32 zero = 0;
	struct config *c = bpf_map_lookup_elem(&config, &zero);
	struct hits *h = bpf_map_lookup_elem(&hits, &zero);
	if (!c || !h)
		return XDP_ABORTED;
	h->seen++;
	if (listed(ctx, c)) {
		h->dropped++;
		return XDP_DROP;
	}
	bpf_tail_call(ctx, &next, 0);
	return XDP_PASS; // not reached in a chain
}

char _license[] SEC("license") = "Dual BSD/GPL";
