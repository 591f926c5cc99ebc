// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Stages that tests need: one that changes packets, one that ends all of them, and some that cannot be stages.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

// Leads on by its element 2.
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u32);
} onward SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8);
	__type(key, __u64);
	__type(value, __u64);
} calls SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 8);
	__type(value, __u64);
} waiting SEC(".maps");

// TCP to port 81 becomes TCP to port 80, and four bytes are added at the end. The checksum stays as it was.
SEC("xdp")
int rewrite(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct iphdr *ip = (void *)(eth + 1);
	struct tcphdr *tcp = (void *)(ip + 1);
	if ((void *)(tcp + 1) <= end && eth->h_proto == bpf_htons(ETH_P_IP) && tcp->dest == bpf_htons(81))
		tcp->dest = bpf_htons(80);
	bpf_xdp_adjust_tail(ctx, 4);
	bpf_tail_call(ctx, &onward, 2);
	return XDP_PASS;
}

SEC("xdp")
int all_back(struct xdp_md *ctx)
{
	bpf_tail_call(ctx, &onward, 1); // is empty
	return XDP_TX;
}

// Does nothing.
SEC("xdp")
int idle(struct xdp_md *ctx)
{
	bpf_tail_call(ctx, &onward, 2);
	return XDP_PASS;
}

SEC("xdp.frags")
int frags(struct xdp_md *ctx)
{
	bpf_tail_call(ctx, &onward, 2);
	return XDP_PASS;
}

// Reads behind the packet's end.
SEC("xdp")
int careless(struct xdp_md *ctx)
{
	return *(__u8 *)(long)ctx->data;
}

SEC("tc")
int through(struct __sk_buff *ctx)
{
	bpf_tail_call(ctx, &onward, 2);
	return TC_ACT_UNSPEC;
}

static __always_inline int count(void)
{
	__u64 key = 7, one = 1, *n = bpf_map_lookup_elem(&calls, &key);
	if (n)
		__sync_fetch_and_add(n, 1);
	else
		bpf_map_update_elem(&calls, &key, &one, BPF_ANY);
	return 0;
}

SEC("uprobe")
int called(void *ctx)
{
	return count();
}

SEC("kprobe")
int entered(void *ctx)
{
	return count();
}

SEC("xdp")
int queued(struct xdp_md *ctx)
{
	__u64 one = 1;
	bpf_map_push_elem(&waiting, &one, BPF_ANY);
	bpf_tail_call(ctx, &onward, 2);
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
