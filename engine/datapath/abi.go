// Package datapath holds every kernel object of hairpin's: the pinned maps, programs and links of one node, read and
// written through one type. Engine memory is never the truth about them; the pins are.
package datapath

// ABI is the number of bpf/abi.h's layout. It is part of the pin path, so that two layouts never meet.
const ABI = 4

// Sizes of bpf/abi.h.
const (
	Generations  = 16
	Chains       = 128
	Positions    = 16
	Reasons      = 64
	VIPs         = 8192
	VIPTable     = 4096
	VIPParts     = 8
	QUICParts    = 64
	Ways         = 4096
	VIPChain     = 4
	Backends     = 32768
	Segments     = 128
	SegmentSlots = 16*65540 + 4
	Sets         = 32768
	SetWays      = 8
	Drops        = 4096
	Externals    = 512
	Firewalls    = 256
	Rules        = 64
	RuleCounters = 1024

	PrefixSegments = 128
	PrefixNodes    = 32768
	PrefixBlock    = 4096
	ConnLimits     = 64
	ConnSettings   = 256
	Lenses         = 4
	SeatSets       = 8192
	AgentSeats     = VIPs + SeatSets*SetWays
	Seats          = AgentSeats + VIPs
	FlowSets       = 131072
	TallySets      = 2048
	TallySources   = VIPs + Chains
	Tallies        = TallySources + TallySets*SetWays
	TallyNear      = 64
	TallyFar       = 64
)

const metaMagic = 0x6e69707269616801 // "\x01hairpin", little-endian

// Count is packets and the bytes of their frames.
type Count struct{ Packets, Bytes uint64 }

// Control is what is live, as only the gate writes it. Times are ns of CLOCK_MONOTONIC.
type Control struct {
	Epoch     uint64
	Deadline  uint64
	Active    uint32
	Pending   uint32
	Confirmed uint32
	Fallbacks uint32
	Busy      uint32
	_         uint32
	Switched  uint64
	Left      [Generations]uint64
}

// Flags of a generation.
const (
	GenerationLive    = 1
	GenerationAnyPort = 2
	GenerationWatched = 4
	GenerationReports = 8
	GenerationWide    = 2048
	GenerationAside   = 32

	GenerationCaptured = 16
)

// rowSettings is what the stages of one chain go by in one generation, by position.
type rowSettings struct {
	Settings [Positions]uint16
	Kind     [Positions]uint8
	Shadow   uint32
	Length   uint32
	Accounts uint64
}

// drop is one row of the drop ledger. Its key, from bit 0: reason 6, vip 13, account 4, chain 7, shadow 1; bit 31 is set.
type drop struct {
	Key   uint32
	_     uint32
	Count Count
	_     uint64
}

const (
	dropVIPShift     = 6
	dropAccountShift = 19
	dropChainShift   = 23
	dropShadow       = 1 << 30
)

// Cost is what the packets sampled at one position took, in ns.
type Cost struct{ NS, Packets uint64 }

// Generation names the table versions of one applied spec.
type Generation struct {
	VIPSeed    uint64
	VIPVersion uint16
	VIPParts   uint8 // of that version, less one
	QUICParts  uint8 // likewise of the servers of QUIC
	Flags      uint16
	DecapPort  [2]byte
	Revision   [16]byte
}

// Flags of a backend.
const (
	BackendNew       = 1
	BackendGone      = 2
	backendTagged    = 0x8000 // of chain
	BackendReachable = 4
	BackendDown      = 128
	BackendOut       = 8
)

// backend is one element of the map of the same name; Addresses is src4, dst4 or src6, dst6.
type backend struct {
	Family    uint8
	Flags     uint8
	MTU       uint16
	PseudoSum uint32
	MAC       [12]byte
	Chain     uint16
	VIP       uint16
	Addresses [32]byte
	Ifindex   uint32 // of its NIC, where frames of other NICs may be sent by it; else 0
	Tag       [4]byte
}

// An entry of the connection table, from bit 0: backend 15, confirmed 1, closing 1, age 11, seq 8, tag 28.
const (
	entryConfirmed  = 1 << 15
	entryClosing    = 1 << 16
	entryAgeShift   = 17
	entryAgeMask    = 0x7ff
	lifeUnconfirmed = 14
	lifeClosing     = 28
	skew            = 1
	tickShift       = 32 // a tick is 2^32 ns
	slotMark        = 0x8000
	slotID          = 0x7fff
)

type set [SetWays]uint64

type settling struct {
	StickyUntil uint64
	Life        uint32
	HashBefore  uint8
	Migrate     uint8
	_           uint16
}

// passage is what went into an external program and what came out of it.
type passage struct{ In, Out Count }

// prefixNode is eight bits of an address in a table of prefixes.
type prefixNode struct {
	Any     [4]uint64
	Below   [4]uint32
	Skipped uint64
	Skip    uint32
	_       uint32
}

type prefixSegment struct{ Node [PrefixNodes]prefixNode }

// firewall is what a stage of that kind goes by: tables of prefixes by list and family, and what its rules do.
type firewall struct {
	Src4, Src6, Dst4, Dst6 uint32 // first node, plus 1; 0 = none
	Digest                 [4]uint64
	Lists                  uint64
	Rules                  uint64
	Action                 [Rules]uint8
	Counter                [Rules]uint16
}

type ruleName struct{ Stage, Rule [32]byte }

// admission is what the limits of connections of one chain or VIP did with SYNs.
type admission struct{ Passed, Over Count }

// QUICCount is the packets that said which server is theirs: one that the VIP has, or not.
type QUICCount struct{ Known, Unknown uint64 }

// told is of how many drops for a reason one is an event.
type told struct {
	Skip  uint32
	Tick  uint16
	Shift uint8
	Told  uint8
}

// counters of one CPU.
type counters struct {
	Exit         [Chains][Reasons]Count
	VIP          [VIPs]Count
	VIPDrop      [VIPs]Count
	Backend      [Backends]Count
	Stray        [VIPs]uint64
	StrayAt      [VIPs]uint64
	Unheld       [VIPs]uint64
	QUIC         [VIPs]QUICCount
	Told         [Reasons]told
	EventsLost   uint64
	BudgetTick   uint64
	BudgetUsed   uint64
	DropsLost    uint64
	Clock        Cost
	ConnFull     uint64
	ConnUnplaced uint64
	Rule         [RuleCounters]Count
	Drop         [Drops]drop
	ConnChain    [Chains]admission
	ConnVIP      [VIPs]admission
	Cost         [Chains][Positions]Cost
	Passage      [Chains][Positions]passage
	Window       [Windows]Judged
}

// Hook is where a chain is attached.
type Hook uint16

// Hooks.
const (
	XDP Hook = iota + 1
	TCXIngress
	TCXEgress
	ClsactIngress
	ClsactEgress
)

// Mode is how.
type Mode uint16

// Modes: Native runs in the driver, Generic after it allocated a socket buffer, TC at the traffic control hook.
const (
	Native Mode = iota + 1
	Generic
	TC
)

// chain is one (NIC, hook) pair.
type chain struct {
	NIC      [16]byte
	Ifindex  uint32
	Hook     Hook
	Mode     Mode
	Used     uint8
	Of       uint8
	_        [6]byte
	Lost     Count
	Accounts [Positions]account
}

// account is what a stage of a name is counted under in a chain, by number, wherever it stands and while it does not stand.
// Offset is what reached it, less what the counters say of it by the places of today.
type account struct {
	Name   [32]byte
	Offset Count
}

// DropEvent is one dropped packet of many, as it comes out of the ring buffer.
type DropEvent struct {
	Time     uint64
	Chain    uint32
	Bytes    uint32
	VIP      uint16
	SrcPort  [2]byte
	DstPort  [2]byte
	Reason   uint8
	Family   uint8
	L4Proto  uint8
	TCPFlags uint8
	_        [2]byte
	OneIn    uint32 // of so many drops for its reason it is one
	Src      [16]byte
	Dst      [16]byte
}

// Settled says how a packet of a settling VIP found its backend.
type Settled uint32

// Ways; see enum settled in bpf/abi.h.
const (
	Quiet Settled = iota
	Unmarked
	Known
	New
	Before
	Unheld
)

// Note is what a dry packet left behind.
type Note struct {
	Seq     uint64
	Reason  uint32
	Backend uint32
	VIP     uint32
	Settled Settled
}

type dryRun struct {
	Seq        uint64
	Generation uint32
	Chain      uint32
}

// meta is who made the maps. What stands in it keeps its place in every ABI.
type meta struct {
	Magic      uint64
	ConnKey    [2]uint64
	CPUs       uint32
	From       uint32 // ABI that is being taken over; 0 = none
	Version    [versionSize]byte
	Epoch      uint64 // of the owner that was to end the takeover by a switch
	Generation uint32 // to this one
	Flags      uint32 // what its programs have in common; see frags.go
}

const (
	versionSize = 32
	metaVersion = 32 // where the version stands
	metaSize    = 80
)

type entry struct {
	Generation uint32
	Chain      uint32
	Lost       [Chains]Count
}
