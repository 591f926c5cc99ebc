// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//go:build ignore

#include "ends.h"
#include "packet.h"
#include "seats.h"
#include "tenant.h"

// The census: counts the TCP sockets that others opened to this host, from the end of their handshake until they are
// closed. The kernel calls it at every change of a socket's state, with the socket locked; a look at all sockets finds
// those that are older than the census, with the socket locked as well.

// States of a TCP socket.
#define STATE_ESTABLISHED 1
#define STATE_SYN_RECV	  3
#define STATE_CLOSE	  7
#define STATE_LISTEN	  10
#define OPEN_STATES                                                                                                    \
	(1 << 1 | 1 << 4 | 1 << 5 | 1 << 8 | 1 << 9 | 1 << 11) // established until closed, but for TIME_WAIT

#define EXISTS 17 // error of the kernel's

// One a live socket.
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u64);
	__type(value, struct socket);
	__uint(max_entries, SOCKETS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
} sockets SEC(".maps");

MAP(census, ARRAY, struct census, 1, BPF_F_MMAPABLE);
MAP(control, ARRAY, struct control, 1, BPF_F_MMAPABLE);

// Where the arguments of a function lie in the registers of a kprobe; the loader knows the machine.
const volatile __u32 argument[2] = {};

AI struct census *the_census(void)
{
	__u32 zero = 0;
	return bpf_map_lookup_elem(&census, &zero);
}

AI struct generation *live_generation(void)
{
	__u32 zero = 0;
	struct control *c = bpf_map_lookup_elem(&control, &zero);
	if (!c)
		return 0;
	__u32 active = *(volatile __u32 *)&c->active & (GENERATIONS - 1);
	return bpf_map_lookup_elem(&generations, &active);
}

// The number of the VIP whose address and port a connection came to, or whose address alone, in what is live; 0 = none.
AI __u32 vip_of(struct ends *e, int address_alone)
{
	struct generation *g = live_generation();
	if (!g || (address_alone && !(g->flags & GENERATION_REPORTS)))
		return 0;
	struct scratch s = {
		.version = g->vip_version,
		.vip_parts = g->vip_parts,
		.vip_seed = g->vip_seed,
		.generation_flags = g->flags,
		.family = e->family,
		.l4_proto = IPPROTO_TCP,
		.dst_port = e->local_port,
		.dst6 = {e->local[0], e->local[1]},
	};
	find_service(&s, address_alone ? 0 : IPPROTO_TCP);
	return s.has_vip ? s.vip.num & (VIPS - 1) : 0;
}

// The number of the tenant of a VIP in what is live; 0 = none.
AI __u32 tenant_of_live(__u32 vip)
{
	struct generation *g = vip ? live_generation() : 0;
	return g ? tenant_of(g->vip_version, vip) : 0;
}

AI void add_open(__u32 seat, int change)
{
	struct seats *x = bpf_map_lookup_elem(&seats, &seat);
	if (!x)
		return;
	__sync_fetch_and_add(&x->open, change);
	if (change > 0)
		leave_seat(x); // its handshake is over
}

AI __u64 who(struct ends *e)
{
	return mix(mix(e->remote[0] ^ e->local_port) + e->remote[1]) ^ ((__u64)e->remote_port << 32 | e->family);
}

// Counts a socket by one more way to tell sources apart.
AI void count_source(struct census *p, struct socket *o, struct ends *e, __u32 i)
{
	struct lens *l = &p->lens[i];
	o->lens[i] = l->id;
	o->seat[i] = 0;
	if (!l->id || (l->by_vip && !o->vip))
		return;
	struct seat_name n = {.lens = l->id, .vip = l->by_vip ? o->vip : 0};
	name_source(&n, e->family, e->remote, l->prefix4, l->prefix6);
	o->seat[i] = seat_of(&n, 1, 0, 1);
	if (o->seat[i])
		add_open(o->seat[i], 1);
	else
		__sync_fetch_and_add(&p->unplaced, 1);
}

AI void uncount_source(struct socket *o, __u32 i)
{
	if (o->seat[i])
		add_open(o->seat[i], -1);
	o->seat[i] = 0;
}

// Counts a socket for the service that it was opened to, where an agent reports of it. What this host opened to itself
// came by no load balancer. One that was found is older than whoever found it: nobody waits to hear that it was opened.
AI void count_service(struct census *p, struct socket *o, struct ends *e, int found)
{
	if (vip_of(e, 1) != AGENT_NUM || (e->local[0] == e->remote[0] && e->local[1] == e->remote[1]))
		return;
	struct seat_name n = {.lens = LENS_SERVICE, .vip = e->local_port, .family = e->family};
	n.address[0] = e->local[0];
	n.address[1] = e->local[1];
	o->service = seat_of(&n, 1, 0, 1);
	struct seats *x = bpf_map_lookup_elem(&seats, &o->service);
	if (!o->service || !x) {
		__sync_fetch_and_add(&p->unplaced, 1);
		return;
	}
	add_open(o->service, 1);
	if (!found)
		__sync_fetch_and_add(&x->opened, 1); // last: what is read as opened is open, or was
}

AI void uncount_service(struct socket *o)
{
	if (o->service)
		add_open(o->service, -1);
	o->service = 0;
}

// Counts a socket everywhere but in its record.
AI void count_socket(struct census *p, struct socket *o, struct ends *e, int found)
{
	o->vip = vip_of(e, 0);
	add_open(0, 1);
	if (o->vip)
		add_open(o->vip, 1);
	o->tenant = tenant_of_live(o->vip);
	if (o->tenant)
		add_open(o->tenant, 1);
	count_service(p, o, e, found);
	for (__u32 i = 0; i < LENSES; i++)
		count_source(p, o, e, i);
}

AI void uncount_socket(struct socket *o)
{
	add_open(0, -1);
	if (o->vip)
		add_open(o->vip, -1);
	if (o->tenant)
		add_open(o->tenant, -1);
	uncount_service(o);
	for (__u32 i = 0; i < LENSES; i++)
		uncount_source(o, i);
}

AI void open_socket(struct census *p, __u64 key, struct ends *e, int found)
{
	struct socket o = {.who = who(e), .pass = p->pass};
	if (is_loopback(e))
		return;
	long err = bpf_map_update_elem(&sockets, &key, &o, BPF_NOEXIST);
	if (err == -EXISTS)
		return; // by the census of another build, which is about to go
	if (err) {
		__sync_fetch_and_add(&p->unrecorded, 1);
		return;
	}
	struct socket *there = bpf_map_lookup_elem(&sockets, &key);
	if (there)
		count_socket(p, there, e, found);
	__sync_fetch_and_add(&p->changes, 1);
}

AI void close_socket(struct census *p, __u64 key)
{
	struct socket *there = bpf_map_lookup_elem(&sockets, &key);
	if (!there)
		return;
	struct socket o = *there;
	if (bpf_map_delete_elem(&sockets, &key))
		return; // somebody else took it off
	uncount_socket(&o);
	__sync_fetch_and_add(&p->changes, 1);
}

AI int on_change(void *sk, int old, int new)
{
	int opens = old == STATE_SYN_RECV && new == STATE_ESTABLISHED;
	struct census *p = the_census();
	if (!p || (!opens && new != STATE_CLOSE))
		return 0;
	if (!opens) {
		close_socket(p, (__u64)sk);
		return 0;
	}
	struct ends e;
	if (BPF_CORE_READ((struct sock *)sk, sk_protocol) == IPPROTO_TCP && read_ends(p->netns, sk, &e))
		open_socket(p, (__u64)sk, &e, 0);
	return 0;
}

// The ways by which the kernel tells of a change, the best one first. All count the same.

SEC("tp_btf/inet_sock_set_state")
int sockets_tp_btf(__u64 *ctx)
{
	return on_change((void *)ctx[0], ctx[1], ctx[2]);
}

SEC("raw_tp/inet_sock_set_state")
int sockets_raw_tp(struct bpf_raw_tracepoint_args *ctx)
{
	return on_change((void *)ctx->args[0], ctx->args[1], ctx->args[2]);
}

// The first fields of sock/inet_sock_set_state, behind what all tracepoints have.
struct state_change {
	__u64 common;
	const void *sk;
	int old;
	int new;
};

SEC("tp/sock/inet_sock_set_state")
int sockets_tp(struct state_change *ctx)
{
	return on_change((void *)ctx->sk, ctx->old, ctx->new);
}

SEC("kprobe/tcp_set_state")
int sockets_kprobe(void *ctx)
{
	struct sock *sk = 0;
	__u64 new = 0;
	bpf_probe_read_kernel(&sk, sizeof(sk), ctx + argument[0]);
	bpf_probe_read_kernel(&new, sizeof(new), ctx + argument[1]);
	return on_change(sk, BPF_CORE_READ(sk, __sk_common.skc_state), (int)new);
}

// A look at all sockets: those that listen come first.

AI void note_listener(struct census *p, struct sock_common *sk)
{
	__u32 port = BPF_CORE_READ(sk, skc_num);
	p->listens[port >> 6 & 1023] |= 1ULL << (port & 63);
}

AI int somebody_listens(struct census *p, struct ends *e)
{
	__u32 port = bpf_ntohs(e->local_port);
	return p->listens[port >> 6 & 1023] >> (port & 63) & 1;
}

AI void count_tenant_again(struct socket *o)
{
	__u32 tenant = tenant_of_live(o->vip);
	if (tenant == o->tenant)
		return;
	if (o->tenant)
		add_open(o->tenant, -1);
	o->tenant = tenant;
	if (tenant)
		add_open(tenant, 1);
}

// Puts a counted socket where it belongs by now: its VIP may have come since, and the ways to tell sources apart.
AI void count_again(struct census *p, struct socket *o, struct ends *e)
{
	__u32 vip = vip_of(e, 0), moved = vip != o->vip;
	o->pass = p->pass;
	if (moved) {
		if (o->vip)
			add_open(o->vip, -1);
		o->vip = vip;
		if (vip)
			add_open(vip, 1);
	}
	count_tenant_again(o);
	if (o->service && vip_of(e, 1) != AGENT_NUM)
		uncount_service(o);
	else if (!o->service)
		count_service(p, o, e, 1);
	for (__u32 i = 0; i < LENSES; i++) {
		struct lens *l = &p->lens[i];
		if (o->lens[i] == l->id && !(moved && l->by_vip) && (o->seat[i] || !l->id))
			continue;
		uncount_source(o, i);
		count_source(p, o, e, i);
	}
}

SEC("iter/tcp")
int sockets_look(struct bpf_iter__tcp *ctx)
{
	struct sock_common *sk = ctx->sk_common;
	struct census *p = the_census();
	struct ends e;
	if (!sk || !p)
		return 0;
	__u32 state = sk->skc_state;
	if (state == STATE_LISTEN) {
		note_listener(p, sk);
		return 0;
	}
	if (!(1 << (state & 15) & OPEN_STATES) || !read_ends(p->netns, sk, &e))
		return 0;
	__u64 key = (__u64)sk;
	struct socket *there = bpf_map_lookup_elem(&sockets, &key);
	if (there && there->who != who(&e)) {
		close_socket(p, key); // of a socket that closed while no census was there
		there = 0;
	}
	if (there)
		count_again(p, there, &e);
	else if (somebody_listens(p, &e))
		open_socket(p, key, &e, 1);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
