// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A tc stage: gives packets a mark, by which the host's routing rules and filters can tell them, and counts.
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

// The mark: maps: {config: {0: 0x10}}.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} config SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} marked SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} next SEC(".maps");

SEC("tc")
int mark(struct __sk_buff *ctx)
{
	__u32 zero = 0, *value = bpf_map_lookup_elem(&config, &zero);
	__u64 *n = bpf_map_lookup_elem(&marked, &zero);
	if (value && n) {
		ctx->mark = *value;
		(*n)++;
	}
	bpf_tail_call(ctx, &next, 0);
	return TC_ACT_UNSPEC;
}

char _license[] SEC("license") = "Dual BSD/GPL";
