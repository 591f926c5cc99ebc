// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "abi_agent.h"
#include "clock.h"

// What an agent goes by, and what it counts.
MAP(agent_settings, ARRAY, struct agent_settings, AGENT_SETTINGS, BPF_F_MMAPABLE);
MAP(agent_vips, ARRAY, struct agent_vip, AGENT_VIPS, BPF_F_MMAPABLE);
MAP(agent_counts, ARRAY, struct agent_counts, 1, BPF_F_MMAPABLE);

// Whom packets came for that nobody here hosts, as far as there is room: the least recent make it.
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, struct stranger);
	__type(value, struct strange);
	__uint(max_entries, STRANGERS);
} strangers SEC(".maps");

AI struct agent_settings *agent_at_hand(struct scratch *s)
{
	__u32 i = settings_at_hand(s);
	return bpf_map_lookup_elem(&agent_settings, &i);
}

// The entry of a hosted address has its number where a service's has the port, and the local address that stands in for
// it where that has its rings.
AI __u32 hosted_number(struct scratch *s)
{
	return s->vip.encap_port & (AGENT_VIPS - 1);
}

AI struct agent_count *agent_count_of(__u32 number)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct agent_counts *c = bpf_map_lookup_elem(&agent_counts, &cpu);
	return c && !dry ? &c->vip[number & (AGENT_VIPS - 1)] : 0;
}

AI void count_in(struct scratch *s, struct count *n)
{
	n->packets++;
	n->bytes += s->bytes;
}

AI void count_stranger(__u8 family, const __u64 *address)
{
	struct stranger key = {.address = {address[0], address[1]}, .family = family};
	struct strange one = {.packets = 1, .at = bpf_ktime_get_coarse_ns()};
	if (dry)
		return;
	struct strange *there = bpf_map_lookup_elem(&strangers, &key);
	if (!there) {
		bpf_map_update_elem(&strangers, &key, &one, BPF_NOEXIST);
		return;
	}
	__sync_fetch_and_add(&there->packets, 1);
	there->at = one.at;
}

// What is unwrapped counts for the agent as a whole, and for the address it came for.
AI void count_decapsulated(struct scratch *s)
{
	struct counters *c = counters_of_this_cpu();
	struct agent_count *n = agent_count_of(hosted_number(s));
	if (dry || !c || !n)
		return;
	count_in(s, &c->vip[AGENT_NUM]);
	count_in(s, &n->in);
}
