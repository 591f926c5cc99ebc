// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include "agent.h"
#include "encap.h"

// Passing a packet on that came to the wrong backend. See offer.h.
//
// Whoever can send to this host could have it send to others in its own name. So an offer is taken only where both who
// sent the packet and who is to get it are within the networks that the spec names, and the packet inside is for a VIP
// that is hosted here, of TCP, and begins no connection. What leaves is one packet for one that came, smaller by the
// offer, in the encapsulation that the receiver takes from any load balancer: there is nothing to gain by it against
// sending there oneself. It carries no offer, and its TTL is one less: it goes on once.

enum handover_state {
	OFFER_NONE = 0,
	OFFER_REFUSED = 1, // from, or to, somebody that the spec does not name
	OFFER_TAKEN = 2,
};

struct handover {
	struct backend to;
	__u32 state;	 // enum handover_state
	__be16 src_port; // of the outer header, as it came
	__u16 pad;
};

#define MAPPED4 0xffff0000ULL // an address of IPv4 within IPv6: its second half, before the address

FUNCTION int is_peer(struct agent_settings *a, __u64 head, __u64 tail)
{
	if (!a)
		return 0;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < PEERS; i++) {
		struct peer *p = &a->peer[i];
		if (p->mask[1] | p->mask[0] && !((head ^ p->address[0]) & p->mask[0]) &&
		    !((tail ^ p->address[1]) & p->mask[1]))
			return 1;
	}
	return 0;
}

AI __u32 sum_of_words(const __u32 *word, int words)
{
	__u32 sum = 0;
	for (int i = 0; i < words; i++)
		sum += (word[i] & 0xffff) + (word[i] >> 16);
	return sum;
}

// The link's addresses of the frame that goes on, of those of the frame that came and those in the offer.
AI void choose_next_hop(struct backend *to, void *data, __u32 *macs)
{
	__u8 *came = data, *said = (__u8 *)macs;
	__u16 *from = data + ETH_ALEN, *sender = (void *)said + ETH_ALEN;
	int link = from[0] == sender[0] && from[1] == sender[1] && from[2] == sender[2];
	__u16 *next = link ? (__u16 *)said : from, *own = (__u16 *)came;
	to->mac_head = next[0] | (__u64)next[1] << 16 | (__u64)next[2] << 32 | (__u64)own[0] << 48;
	to->mac_tail = own[1] | (__u32)own[2] << 16;
}

// Reads the offer of a packet that is encapsulated still.
FUNCTION int read_offer(struct xdp_md *ctx, struct agent_settings *a, struct handover *h)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct scratch *s = scratch_of_this_cpu();
	if (!s || !a || !h || s->l4_proto != IPPROTO_UDP)
		return 0;
	__u32 *word = data + sizeof(struct ethhdr) + (s->l4_off & 0xff) + sizeof(struct udphdr);
	int v6 = s->family == 6;
	if (data + sizeof(struct ethhdr) > end || (void *)word + OFFER6 > end ||
	    (word[0] & OFFER_LENGTH) != (offer_head(v6 ? OFFER6 : OFFER4, 4) & OFFER_LENGTH) || word[1] != offer_mark())
		return 0;
	struct backend *to = &h->to;
	__u64 mapped = MAPPED4, who[2] = {0, mapped | (__u64)s->src4 << 32}, whom[2] = {0, mapped};
	to->family = s->family;
	if (v6) {
		who[0] = s->src6[0];
		who[1] = s->src6[1];
		to->src6[0] = s->dst6[0];
		to->src6[1] = s->dst6[1];
		to->dst6[0] = whom[0] = word[OFFER_ADDRESS] | (__u64)word[OFFER_ADDRESS + 1] << 32;
		to->dst6[1] = whom[1] = word[OFFER_ADDRESS + 2] | (__u64)word[OFFER_ADDRESS + 3] << 32;
		to->pseudo_sum = sum_of_words((__u32 *)to->src6, 8);
	} else {
		to->src4 = s->dst4;
		to->dst4 = word[OFFER_ADDRESS];
		whom[1] |= (__u64)to->dst4 << 32;
		to->pseudo_sum = sum_of_words(&to->src4, 2);
	}
	choose_next_hop(to, data, &word[OFFER_MACS]);
	h->src_port = s->src_port;
	saw(s, SAW_OFFERED, whom[0], whom[1]);
	h->state = is_peer(a, who[0], who[1]) && is_peer(a, whom[0], whom[1]) ? OFFER_TAKEN : OFFER_REFUSED;
	return 0;
}

// Sends on the packet at hand, which was unwrapped and read.
FUNCTION int hand_over(struct xdp_md *ctx, struct handover *h)
{
	struct scratch *s = scratch_of_this_cpu();
	struct frame f = {.l2 = sizeof(struct ethhdr), .reason = REASON_HANDED_OVER};
	if (!s || !h)
		return XDP_DROP;
	s->vip.encap_port = s->decap_port;
	return h->to.family == 6 ? put_outer6(ctx, s, &h->to, &f, h->src_port, 1)
				 : put_outer4(ctx, s, &h->to, &f, h->src_port, 1);
}
