// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//go:build ignore

#include "parse.h"

// What packets are measured with: a program that calls another one many times a run, the unit to compare it with, and a
// stage that does nothing.

// How often target is called in one run, for packets of which family, and over how many flows, less one.
const volatile __u32 calls = 1;
const volatile __u32 family = 4;
const volatile __u32 flow_mask = 0;
const volatile __u32 first_flow = 0; // source address of the first one: its last 32 bits
const volatile __u32 inward = 0;     // the target takes GUE over IPv4 off, and rewrites what is inside

#define MAX_CALLS 33 // tail calls in one run

__u32 next_flow;
__u32 never;

// What stands where the loader puts the program under test. As it is, it costs what every program costs to call.
__attribute__((weak, noinline)) int target(struct xdp_md *ctx)
{
	if (never)
		bpf_xdp_adjust_head(ctx, 0); // may move the packet, as far as its callers know
	return XDP_TX;
}

// The bytes of a packet that its way through a balancer changes: the Ethernet header is written over, the TTL lowered.
struct changed {
	__u64 mac_head;
	__u32 mac_tail;
	__u16 eth_proto;
	__u64 ttl_and_sum;
};

AI struct changed save(void *data)
{
	return (struct changed){
		.mac_head = *(__u64 *)data,
		.mac_tail = *(__u32 *)(data + 8),
		.eth_proto = *(__u16 *)(data + 12),
		.ttl_and_sum = *(__u64 *)(data + 18),
	};
}

// Every store is at least as wide as the loads of the target that follow, so that none of those waits for it.
AI void restore(void *data, struct changed c)
{
	*(__u64 *)data = c.mac_head;
	*(__u32 *)(data + 8) = c.mac_tail;
	*(__u16 *)(data + 12) = c.eth_proto;
	if (family == 4)
		*(__u64 *)(data + 18) = c.ttl_and_sum;
	else
		*(__u32 *)(data + 18) = c.ttl_and_sum; // the source address follows
}

AI void set_flow(void *data, __u32 n)
{
	__u32 source = bpf_htonl(first_flow + (n & flow_mask));
	if (family == 4)
		*(__u32 *)(data + 26) = source;
	else
		*(__u64 *)(data + 30) = (__u64)source << 32;
}

// What a target changes that unwraps a packet: all its headers. The flow is the inner packet's.
#define HEADERS 96
#define INNER	28

struct headers {
	__u64 word[HEADERS / 8];
};

AI void save_headers(struct headers *to, void *data)
{
	for (int i = 0; i < HEADERS / 8; i++)
		to->word[i] = ((__u64 *)data)[i];
}

AI void restore_headers(void *data, struct headers *from)
{
	for (int i = 0; i < HEADERS / 8; i++)
		((__u64 *)data)[i] = from->word[i];
}

#define NEEDED 60 // bytes of a frame that are touched here, at most

AI __u64 length_of(struct xdp_md *ctx)
{
	__u64 length = (__u64)(long)ctx->data_end - (__u64)(long)ctx->data;
	asm volatile("" : "+r"(length)); // a number from here on, not two pointers
	return length;
}

SEC("xdp")
int wrap(struct xdp_md *ctx)
{
	__u32 flow = next_flow;
	int verdict = XDP_ABORTED;
	struct headers whole;
	for (__u32 i = 0; i < calls && i < MAX_CALLS; i++) {
		void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
		if (data + (inward ? HEADERS : NEEDED) > end)
			return XDP_ABORTED;
		struct changed before = save(data);
		if (inward)
			save_headers(&whole, data);
		__u64 length = length_of(ctx);
		set_flow(inward ? data + INNER : data, flow++);
		verdict = target(ctx);
		if (bpf_xdp_adjust_head(ctx, length_of(ctx) - length))
			return XDP_ABORTED;
		data = (void *)(long)ctx->data;
		end = (void *)(long)ctx->data_end;
		if (data + (inward ? HEADERS : NEEDED) > end)
			return XDP_ABORTED;
		if (inward)
			restore_headers(data, &whole);
		else
			restore(data, before);
	}
	next_flow = flow;
	return verdict;
}

// The unit: parse, grow by 28 bytes, write an outer IPv4 and UDP header with a right checksum. No table, no counter.

#define GROW	    (sizeof(struct iphdr) + sizeof(struct udphdr))
#define OUTER_SRC   0x0a010002
#define OUTER_DST   0x0a01010b
#define OUTER_PORTS (bpf_htons(51234) | (__u32)bpf_htons(6080) << 16)

AI __u16 fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

AI __u32 words(__u32 word)
{
	return (word & 0xffff) + (word >> 16);
}

struct segment_sum {
	__u32 length; // of the inner packet
	__u32 sum;    // of its words: those of a TCP segment complement those of its pseudo header
};

AI int parse_inner(void *data, void *end, struct segment_sum *inner)
{
	struct ethhdr *eth = data;
	struct iphdr *ip = data + sizeof(*eth);
	if ((void *)(ip + 1) > end || eth->h_proto != bpf_htons(ETH_P_IP))
		return -1;
	__u32 header = ip->ihl * 4, length = bpf_ntohs(ip->tot_len);
	if (ip->version != 4 || header < sizeof(*ip) || length < header || data + sizeof(*eth) + length > end)
		return -1;
	if (ip->frag_off & bpf_htons(FRAG_MASK) || ip->protocol != IPPROTO_TCP)
		return -1;
	struct tcphdr *tcp = (void *)ip + header;
	if ((void *)(tcp + 1) > end || tcp->dest != bpf_htons(80))
		return -1;
	inner->length = length;
	inner->sum = 6 * 0xffff - words(ip->saddr) - words(ip->daddr) - (IPPROTO_TCP << 8) - bpf_htons(length - header);
	return 0;
}

SEC("xdp")
int least(struct xdp_md *ctx)
{
	struct segment_sum inner;
	if (parse_inner((void *)(long)ctx->data, (void *)(long)ctx->data_end, &inner))
		return XDP_PASS;
	if (bpf_xdp_adjust_head(ctx, -(int)GROW))
		return XDP_DROP;
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	if (data + sizeof(struct ethhdr) + GROW > end)
		return XDP_DROP;
	__u32 src = bpf_htonl(OUTER_SRC), dst = bpf_htonl(OUTER_DST), pseudo = words(src) + words(dst);
	__u32 word0 = bpf_htons(0x4500) | (__u32)bpf_htons(inner.length + GROW) << 16;
	__u32 udp_len = bpf_htons(inner.length + sizeof(struct udphdr)), ttl_proto = bpf_htons(64 << 8 | IPPROTO_UDP);
	__u16 ip_check = fold(pseudo + words(word0) + ttl_proto);
	__u16 udp_check = fold((__u64)inner.sum + pseudo + bpf_htons(IPPROTO_UDP) + 2 * udp_len + words(OUTER_PORTS));
	*(__u64 *)data = 0x0202000000000002;
	*(__u32 *)(data + 8) = 0x01000000;
	*(__u16 *)(data + 12) = bpf_htons(ETH_P_IP);
	*(__u32 *)(data + 14) = word0;
	*(__u32 *)(data + 18) = 0;
	*(__u32 *)(data + 22) = ttl_proto | (__u32)ip_check << 16;
	*(__u32 *)(data + 26) = src;
	*(__u32 *)(data + 30) = dst;
	*(__u32 *)(data + 34) = OUTER_PORTS;
	*(__u32 *)(data + 38) = udp_len | (__u32)(udp_check ? udp_check : 0xffff) << 16;
	return XDP_TX;
}

// A stage as short as a stage can be.
SEC("xdp")
int nothing(struct xdp_md *ctx)
{
	struct scratch *s = scratch_of_this_cpu();
	if (!s)
		return XDP_PASS;
	next_stage(ctx, s);
	return leave(s, XDP_PASS, REASON_EMPTY_SLOT);
}

char _license[] SEC("license") = "Dual BSD/GPL";
