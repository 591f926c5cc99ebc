// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once
#include <linux/types.h>
#include "abi_drop.h"
#include "abi_ratelimit.h"
#include "abi_vip.h"

// What user space and the data path agree on. A change of any size, offset or meaning here is a new ABI number, which
// is part of the pin path (engine/datapath/abi.go). Words are in host order unless their type says otherwise.

#define GENERATIONS   16  // 0 means "nothing applied" and never has rows
#define CHAINS	      128 // (NIC, hook) pairs
#define POSITIONS     16  // of a row; 0 is always parse
#define REASONS	      64
#define VIPS	      8192  // counter slots; 0 is nobody's
#define BACKENDS      32768 // ids; 0 is none
#define SEGMENTS      128   // of the ring store, each with room for 16 rings of 65537 slots on whole words
#define SEGMENT_SLOTS 1048644
#define SETS	      32768 // of the connection table
#define SET_WAYS      8
#define DROPS	      4096 // rows of the drop ledger
#define DROP_PROBES   8
#define EXTERNALS     512  // programs that are not ours; 0 is none
#define FIREWALLS     256  // elements of settings; 0 says nothing
#define RULES	      64   // of one firewall
#define RULE_COUNTERS 1024 // of all; 0 is nobody's

#define PREFIX_SEGMENTS 128   // of the prefix store
#define PREFIX_NODES	32768 // of a segment
#define PREFIX_BLOCK	4096  // nodes that are given out together
#define CONN_LIMITS	64    // of one connlimit stage
#define CONN_SETTINGS	256   // of connlimit stages; 0 is none
#define LENSES		4     // ways to tell the sources of sockets apart
#define SEAT_SETS	8192  // of sources, SET_WAYS each

// Why a packet left the chain. The names, verdicts and stages that people read are in engine/reason.
enum reason {
	REASON_FORWARDED = 1,
	REASON_EMPTY_SLOT = 2,
	REASON_NOT_IP = 3,
	REASON_TRUNCATED = 4,
	REASON_MALFORMED = 5,
	REASON_NO_VIP = 6,
	REASON_FRAGMENT = 7,
	REASON_EXTENSION_HEADER = 8,
	REASON_ICMP = 9,
	REASON_VLAN = 10,
	REASON_TTL_EXCEEDED = 11,
	REASON_NO_BACKEND = 12,
	REASON_NO_NEXT_HOP = 13,
	REASON_OTHER_NIC = 14,
	REASON_TOO_BIG = 15,
	REASON_NO_HEADROOM = 16,
	REASON_DECAPSULATED = 17,
	REASON_NOT_ENCAPSULATED = 18,
	REASON_FOREIGN_VIP = 19,
	REASON_INNER_MALFORMED = 20,
	REASON_NO_GENERATION = 21,
	REASON_INTERNAL = 22,
	REASON_CHAIN_END = 23,
	REASON_EXTERNAL = 24,
	REASON_FIREWALL_RULE = 25,
	REASON_FIREWALL_SOURCE = 26,
	REASON_FIREWALL_DESTINATION = 27,
	REASON_RATE_LIMITED = 28,
	REASON_SOURCE_RATE_LIMITED = 29,
	REASON_CONN_LIMITED = 30,
	REASON_SOURCE_CONN_LIMITED = 31,
	REASON_ECHO_ANSWERED = 32,
	REASON_ECHO_LIMITED = 33,
	REASON_TOO_BIG_TOLD = 34,
	REASON_BAD_FRAGMENT = 35,
	REASON_REDIRECTED = 36,
	REASON_LOOPED = 37,
	REASON_LOCAL = 42,
	REASON_HANDED_OVER = 46,
	REASON_NOT_HANDED_OVER = 47,
	REASON_FIRST_UNSEEN = 48,
	REASON_TRANSLATED = 50,
	REASON_UNTRANSLATED = 51,
	REASON_FLOW_TAKEN = 52,
	REASON_FLOWS_FULL = 53,
	REASON_NO_SOCKET = 54,
	REASON_CONGESTED = 55,
	REASON_UNTRANSLATABLE = 56,
	REASON_NOT_TLS = 57,
	REASON_WALL_FULL = 58,
	REASON_STEERED = 60,
	REASON_UNSTEERED = 61,
};

// Packets and the bytes of their frames.
struct count {
	__u64 packets;
	__u64 bytes;
};

// What is live. Only the gate writes it; user space cannot, the map is frozen.
struct control {
	__u64 epoch;	// of the process that may write
	__u64 deadline; // ns of CLOCK_MONOTONIC at which active goes back to confirmed; means nothing unless pending
	union {
		struct {
			__u32 active;  // generation
			__u32 pending; // 1 = waits for confirmation
		};
		__u64 live; // both, for one atomic step
	};
	__u32 confirmed; // generation
	__u32 fallbacks; // how often the timer went back
	__u32 busy;	 // a run of the gate is inside
	__u32 pad;
	__u64 switched;		 // ns of CLOCK_MONOTONIC, the last change of active
	__u64 left[GENERATIONS]; // ns of CLOCK_MONOTONIC at which a generation was last left
};
_Static_assert(sizeof(struct control) == 176, "control");

enum gate_op {
	GATE_TAKE = 1,	   // a new owner: epoch becomes args.epoch, which must be higher
	GATE_ACTIVATE = 2, // active: from → to, going back after deadline_ns unless confirmed (0 = confirmed at once)
	GATE_CONFIRM = 3,  // confirmed = active
	GATE_REVERT = 4,   // active = confirmed, now
};

enum gate_result {
	GATE_DONE = 0,
	GATE_BUSY = 1,	  // another run is inside; try again
	GATE_EPOCH = 2,	  // the caller is not the owner any more
	GATE_MOVED = 3,	  // from is not active any more
	GATE_LATE = 4,	  // nothing is pending: the deadline has passed, active is confirmed again
	GATE_NOTIMER = 5, // the timer could not be armed; nothing was switched
	GATE_INVALID = 6, // no such op or generation
};

struct gate_args {
	__u64 epoch;
	__u64 deadline_ns; // from now
	__u32 op;
	__u32 from;
	__u32 to;
	__u32 pad;
};
_Static_assert(sizeof(struct gate_args) == 32, "gate_args");

// One applied spec: the versions of the tables it reads.
struct generation {
	__u64 vip_seed;
	__u16 vip_version;
	__u8 vip_parts;	 // of that version, less one: a mask of the hash that chooses one
	__u8 quic_parts; // likewise of the servers of QUIC
	__u16 flags;
	__be16 decap_port; // outer UDP destination port that the agent takes GUE from
	__u8 revision[16]; // of the spec
};
_Static_assert(sizeof(struct generation) == 32, "generation");
#define GENERATION_LIVE	    1	 // its rows are filled
#define GENERATION_ANY_PORT 2	 // some VIP takes every port
#define GENERATION_WATCHED  4	 // somebody looks at what stages cost and how clients fare
#define GENERATION_REPORTS  8	 // the connections to the agent's VIPs are counted, for load balancers
#define GENERATION_CAPTURED 16	 // its packets go by the captor
#define GENERATION_WIDE	    2048 // some VIP has prefixes, a range of ports or sources
#define AGENT_NUM	    1023 // of the addresses that an agent takes packets for

// What the stages of one row go by, element generation × CHAINS + chain.
struct row {
	__u16 settings[POSITIONS]; // which element of its kind's settings a stage goes by
	__u8 kind[POSITIONS];	   // enum stage
	__u32 shadow;		   // bit p: the stage at position p counts what it would drop, and lets it pass
	__u32 length;		   // positions in use
	__u64 accounts;		   // 4 bits a position: under which number its stage is counted; see struct chain
};
_Static_assert(sizeof(struct row) == 64, "row");

// A run of rings. Bit 15 of a slot of a VIP's `before` marks a slot in which the rings have differed.
struct segment {
	__u16 slot[SEGMENT_SLOTS];
};
#define SLOT_MARK 0x8000
#define SLOT_ID	  0x7fff

// How to reach a backend, all of it in one cache line.
struct backend {
	__u8 family; // 4, 6; 0 = no such backend
	__u8 flags;
	__u16 mtu;	  // of the NIC it is reached by
	__u32 pseudo_sum; // of the outer addresses' 16-bit words, not folded
	__u64 mac_head;	  // the Ethernet addresses as they stand in the frame: 8 bytes
	__u32 mac_tail;	  // and 4
	__u16 chain;	  // it is reached by the NIC of this chain; with BACKEND_TAGGED
	__u16 vip;	  // num of the VIP it belongs to
	union {
		struct {
			__be32 src4;
			__be32 dst4;
		};
		struct {
			__u64 src6[2];
			__u64 dst6[2];
		};
	};
	__u32 ifindex; // of its NIC, where frames of other NICs may be sent by it; else 0
	__u32 tag;     // that frames get, as it lies in them: its type, the VLAN's id; 0 = none
};
_Static_assert(sizeof(struct backend) == 64, "backend");
#define BACKEND_NEW	  1   // takes new flows
#define BACKEND_GONE	  2   // takes nothing any more
#define BACKEND_REACHABLE 4   // its next hop is known
#define BACKEND_DOWN	  128 // somebody said that it does not answer
#define BACKEND_TAGGED                                                                                                 \
	0x8000 // of chain: so that it is no packet's own, and the few that get a tag cost the others nothing
#define BACKEND_CHAIN 0x7fff
#define BACKEND_OUT   8 // its checks took it out: it is not NEW, whatever the spec says

// The connection table: sets of one cache line. An entry, from bit 0: backend 15, confirmed 1, closing 1, age 11,
// seq 8, tag 28. Age is in ticks of 2^32 ns (4.3 s), and wraps after 2.4 h. An entry is 0 when free.
struct set {
	__u64 entry[SET_WAYS];
};
_Static_assert(sizeof(struct set) == 64, "set");
#define ENTRY_CONFIRMED	 (1ULL << 15)
#define ENTRY_CLOSING	 (1ULL << 16)
#define ENTRY_AGE_SHIFT	 17
#define ENTRY_AGE_MASK	 0x7ff
#define ENTRY_SEQ_SHIFT	 28
#define ENTRY_SEQ_MASK	 0xff
#define ENTRY_TAG_SHIFT	 36
#define LIFE_UNCONFIRMED 14 // ticks
#define LIFE_CLOSING	 28 // ticks
#define SKEW		 1  // ticks

// What settling needs of a VIP beyond its table entry; shared by all generations. Element 0 holds the longest life.
struct settling {
	__u64 sticky_until; // ns of CLOCK_MONOTONIC: until then, an unknown UDP flow follows `before`
	__u32 life;	    // ticks that an idle flow is remembered
	__u8 hash_before;   // enum vip_hash, by which the ring before is read
	__u8 migrate;	    // flows of UDP leave a backend that is down
	__u16 pad;
};
_Static_assert(sizeof(struct settling) == 16, "settling");

// One row of the drop ledger. Its key, from bit 0: reason 6, vip 13, account 4, chain 7, shadow 1; bit 31 is always
// set.
struct drop {
	__u32 key; // 0 = free
	__u32 pad;
	struct count count;
	__u64 pad2;
};
_Static_assert(sizeof(struct drop) == 32, "drop");
#define DROP_VIP_SHIFT	   6
#define DROP_ACCOUNT_SHIFT 19
#define DROP_CHAIN_SHIFT   23
#define DROP_SHADOW	   (1U << 30)
#define DROP_USED	   (1U << 31)

// What the packets sampled at one position cost.
struct cost {
	__u64 ns;
	__u64 packets;
};

// What went into an external program, and what came out of it: the rest it ended by itself, with a verdict of its own.
struct passage {
	struct count in;
	struct count out;
};

// What the limits of connections of one chain or VIP did with SYNs.
struct admission {
	struct count passed;
	struct count over; // refused, or would have been
};

// Packets that said which server is theirs, in a connection id of QUIC or elsewhere.
struct quic {
	__u64 known;
	__u64 unknown; // no server of the VIP has that id, or it takes nothing any more
};

// Counters of one CPU. Nobody else writes them.
struct counters {
	struct count exit[CHAINS][REASONS];
	struct count vip[VIPS];	     // forwarded or decapsulated
	struct count vip_drop[VIPS]; // dropped after the VIP was known
	struct count backend[BACKENDS];
	__u64 stray[VIPS];    // packets that went elsewhere than the ring says
	__u64 stray_at[VIPS]; // ns of CLOCK_MONOTONIC of the last of them
	__u64 unheld[VIPS];   // SYNs that could not be remembered
	struct quic quic[VIPS];
	struct told told[REASONS]; // drops that were told, by reason
	__u64 events_lost;
	__u64 budget_tick;
	__u64 budget_used;   // entries made in the connection table in this tick
	__u64 drops_lost;    // drops that the ledger had no row for
	struct cost clock;   // what a look at the clock costs, which is in all costs
	__u64 conn_full;     // flows that did not begin, for want of an entry
	__u64 conn_unplaced; // flows that began and are not counted for their source: its set was full of others
	struct count rule[RULE_COUNTERS]; // packets that matched a rule of a firewall
	struct drop drop[DROPS];	  // which stage dropped what of whom; exit has the sums
	struct admission conn_chain[CHAINS];
	struct admission conn_vip[VIPS];
	struct cost cost[CHAINS][POSITIONS];
	struct passage passage[CHAINS][POSITIONS];
	struct judged window[WINDOWS];
};
#define BUDGET 32768 // new entries per CPU and tick

// One chain, as `status` finds it without an engine.
struct chain {
	char nic[16];
	__u32 ifindex;
	__u16 hook; // enum hook
	__u16 mode; // enum mode
	__u8 used;
	__u8 of; // the generation by whose row the offsets below are
	__u8 pad[6];
	struct count lost; // what root had counted for want of a row when the chain got its number
	// By the number under which a stage of that name is counted in this chain, wherever it stands and while it does
	// not stand. 0 is parse.
	struct {
		char name[32];
		struct count offset; // of what reached it, against what the counters say by the places of today
	} accounts[POSITIONS];
};
_Static_assert(sizeof(struct chain) == 816, "chain");

enum hook {
	HOOK_XDP = 1,
	HOOK_TCX_INGRESS = 2,
	HOOK_TCX_EGRESS = 3,
	HOOK_CLSACT_INGRESS = 4,
	HOOK_CLSACT_EGRESS = 5,
};

enum mode {
	MODE_NATIVE = 1,
	MODE_GENERIC = 2,
	MODE_TC = 3,
};

enum stage {
	STAGE_PARSE = 1,
	STAGE_BALANCER = 2,
	STAGE_DECAP = 3,
	STAGE_FIREWALL = 4,
	STAGE_RATELIMIT = 5,
	STAGE_CONNLIMIT = 6,
	STAGE_EXTERNAL = 7,
	STAGE_SNAT = 8,
	STAGE_TLSWALL = 9,
	STAGE_MIRROR = 10,
	STAGE_STEER = 11,
};

// What a dry packet left behind.
struct note {
	__u64 seq; // the run's own number, from its metadata
	__u32 reason;
	__u32 backend;
	__u32 vip;
	__u32 settled; // enum settled
};

enum settled {
	SETTLED_QUIET = 0,    // the ring alone decided
	SETTLED_UNMARKED = 1, // the rings agree on this slot
	SETTLED_KNOWN = 2,    // the connection table knew the flow
	SETTLED_NEW = 3,      // a new flow: the ring's backend
	SETTLED_BEFORE = 4,   // nothing known: the ring before
	SETTLED_UNHELD = 5,   // a new flow that could not be remembered
};

// Metadata of a dry packet: which generation and chain to run, and the number of the run.
struct dry_run {
	__u64 seq;
	__u32 generation;
	__u32 chain;
};
_Static_assert(sizeof(struct dry_run) == 16, "dry_run");

// Who made these maps, and what cannot change while they live. Its members keep their places in every ABI, so that an
// older hairpin can say which newer one it met.
struct meta {
	__u64 magic;
	__u64 conn_key[2]; // of the connection table's hash
	__u32 cpus;	   // elements of counters
	__u32 from;	   // ABI that is being taken over; 0 = none
	char version[32];
	__u64 epoch;	  // of the owner that was to end the takeover by a switch
	__u32 generation; // to this one
	__u32 flags;	  // META_*
};
#define META_FRAGS 1 // programs at XDP take frames in several buffers: all that share an array of programs must agree
_Static_assert(sizeof(struct meta) == 80, "meta");
