// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A probe: counts TCP sockets by the state that they go into. Three ways to get the same event; a spec names one.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define STATES 16

// By state, as in the kernel's enum: 1 is ESTABLISHED.
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, STATES);
	__type(key, __u32);
	__type(value, __u64);
} states SEC(".maps");

static __always_inline int count(__u32 state)
{
	__u64 *n = bpf_map_lookup_elem(&states, &state);
	if (n)
		(*n)++;
	return 0;
}

// Arguments of the tracepoint: socket, old state, new state.
SEC("raw_tp/inet_sock_set_state")
int raw(struct bpf_raw_tracepoint_args *ctx)
{
	return count(ctx->args[2]);
}

SEC("tp_btf/inet_sock_set_state")
int typed(unsigned long long *ctx)
{
	return count(ctx[2]);
}

// As tracefs describes it, events/sock/inet_sock_set_state/format.
struct event {
	__u64 common;
	const void *socket;
	__s32 old_state;
	__s32 new_state;
};

SEC("tracepoint/sock/inet_sock_set_state")
int classic(struct event *ctx)
{
	return count(ctx->new_state);
}

char _license[] SEC("license") = "Dual BSD/GPL";
