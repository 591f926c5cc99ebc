// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "abi.h"
#include "map.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>

// The ends of a connection, read from the kernel's socket.

#define KERNEL __attribute__((preserve_access_index))

// What is read of the kernel's structs; where it lies is found out when the program is loaded.
struct ns_common {
	unsigned int inum;
} KERNEL;

struct net {
	struct ns_common ns;
} KERNEL;

typedef struct {
	struct net *net;
} possible_net_t;

struct in6_addr_of_kernel {
	__u64 part[2];
};

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num;
	short unsigned int skc_family;
	volatile unsigned char skc_state;
	possible_net_t skc_net;
	struct in6_addr_of_kernel skc_v6_daddr;
	struct in6_addr_of_kernel skc_v6_rcv_saddr;
} KERNEL;

struct sock {
	struct sock_common __sk_common;
	__u16 sk_protocol;
} KERNEL;

struct bpf_iter_meta;

struct bpf_iter__tcp {
	struct bpf_iter_meta *meta;
	struct sock_common *sk_common;
} KERNEL;

#define FAMILY_IPV4 2
#define FAMILY_IPV6 10

// One end of a connection and its other.
struct ends {
	__u64 remote[2];
	__u64 local[2];
	__be16 remote_port;
	__be16 local_port;
	__u8 family; // 4, 6
};

AI int is_mapped(const __u64 *address)
{
	return !address[0] && (__u32)address[1] == bpf_htonl(0xffff);
}

// Reads the ends of a socket of a network namespace, named by its inode. Returns 0 where it is of another, or not of
// TCP.
AI int read_ends(__u32 netns, struct sock_common *sk, struct ends *e)
{
	struct net *net = BPF_CORE_READ(sk, skc_net.net);
	if (BPF_CORE_READ(net, ns.inum) != netns)
		return 0;
	__u16 family = BPF_CORE_READ(sk, skc_family);
	e->remote_port = BPF_CORE_READ(sk, skc_dport);
	e->local_port = bpf_htons(BPF_CORE_READ(sk, skc_num));
	e->family = 4;
	if (family == FAMILY_IPV6) {
		bpf_core_read(e->remote, sizeof(e->remote), &sk->skc_v6_daddr);
		bpf_core_read(e->local, sizeof(e->local), &sk->skc_v6_rcv_saddr);
		if (!is_mapped(e->remote)) {
			e->family = 6;
			return 1;
		}
	} else if (family != FAMILY_IPV4) {
		return 0;
	}
	e->remote[0] = (__u32)BPF_CORE_READ(sk, skc_daddr);
	e->local[0] = (__u32)BPF_CORE_READ(sk, skc_rcv_saddr);
	e->remote[1] = e->local[1] = 0;
	return 1;
}

// A connection within the host meets no chain.
AI int is_loopback(struct ends *e)
{
	if (e->family == 4)
		return (__u8)e->remote[0] == 127;
	return !e->remote[0] && e->remote[1] == bpf_cpu_to_be64(1);
}
