// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//go:build ignore

#include <linux/in.h>
#include "map.h"

// Which local socket new connections and datagrams for a VIP go to, where balancer and server share a host: by address
// and port, and not by what the socket is bound to. So two versions of a server have sockets of their own, and which of
// them takes what is new changes by one write. Everything here is of engine/sockets, which keeps it pinned.

#define BINDINGS 128 // addresses and ports
#define SERVICES 64
#define FAMILIES 2 // a service has a socket for each, which may be the same

// Addresses and ports that are a service's. No two of a protocol overlap.
struct binding {
	__u32 address[4]; // as on the wire; of IPv4 the first
	__u32 mask[4];
	__u16 from; // ports, in host order
	__u16 to;
	__u8 l4_proto;
	__u8 family; // 4, 6; 0 = free. It is written last
	__u16 service;
};
_Static_assert(sizeof(struct binding) == 40, "binding");

// What became of what came for a service.
struct service_count {
	__u64 given;   // to its socket
	__u64 missing; // it has none, so that it went where it would have gone without us
};

MAP(bindings, ARRAY, struct binding, BINDINGS, 0);
MAP(service_counts, PERCPU_ARRAY, struct service_count, SERVICES, 0);

struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, SERVICES *FAMILIES);
} service_sockets SEC(".maps");

AI int is_bound(struct binding *b, struct bpf_sk_lookup *ctx)
{
	if (b->l4_proto != ctx->protocol || ctx->local_port < b->from || ctx->local_port > b->to)
		return 0;
	if (b->family == 4)
		return ctx->family == 2 && (ctx->local_ip4 & b->mask[0]) == b->address[0];
	return b->family == 6 && ctx->family == 10 && (ctx->local_ip6[0] & b->mask[0]) == b->address[0] &&
	       (ctx->local_ip6[1] & b->mask[1]) == b->address[1] && (ctx->local_ip6[2] & b->mask[2]) == b->address[2] &&
	       (ctx->local_ip6[3] & b->mask[3]) == b->address[3];
}

AI int give(struct bpf_sk_lookup *ctx, struct binding *b)
{
	__u32 service = b->service, place = service * FAMILIES + (b->family == 6);
	struct service_count *n = bpf_map_lookup_elem(&service_counts, &service);
	struct bpf_sock *sk = bpf_map_lookup_elem(&service_sockets, &place);
	if (!sk) {
		if (n)
			n->missing++;
		return SK_PASS;
	}
	long failed = bpf_sk_assign(ctx, sk, 0);
	bpf_sk_release(sk);
	if (n && failed)
		n->missing++;
	else if (n)
		n->given++;
	return SK_PASS;
}

SEC("sk_lookup")
int steer_socket(struct bpf_sk_lookup *ctx)
{
	for (__u32 i = 0; i < BINDINGS; i++) {
		__u32 at = i;
		struct binding *b = bpf_map_lookup_elem(&bindings, &at);
		if (b && is_bound(b, ctx))
			return give(ctx, b);
	}
	return SK_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
