package datapath

import "hairpin/engine/spec"

// Sizes of bpf/abi_agent.h.
const (
	AgentVIPs     = 1024
	AgentSettings = 512
	NATSets       = 65536
	NATWays       = 8
)

// peer is a network, of IPv4 within IPv6, in the order of the wire.
type peer struct{ Address, Mask [16]byte }

// agentSettings is what decap and snat go by where they stand.
type agentSettings struct {
	Salt  uint64
	Scope uint16
	MSS   uint16
	Flags uint32
	Peer  [spec.MaxPeers]peer
}

// Flags of agentSettings.
const (
	agentTranslates = 1
	agentOrphans    = 2
	agentHandover   = 4
)

// agentVIP is an address that is hosted, by the number that its flows name.
type agentVIP struct {
	Address [16]byte
	Family  uint8
	_       [7]byte
}

// AgentCount is what came for one hosted address, and what became of it.
type AgentCount struct {
	In      Count
	Out     Count // replies that were translated
	Orphans Count // packets of TCP for which no socket waits
	Taken   Count // refused, since their flow is a direct connection's or another VIP's
	Full    Count // refused, for want of room to remember the flow
	Handed  Count // packets of TCP for which no socket waits, passed on to another backend
}

type agentCounts struct{ VIP [AgentVIPs]AgentCount }

// stranger is an address that packets came for and nobody here hosts.
type stranger struct {
	Address [16]byte
	Family  uint8
	_       [7]byte
}

type strange struct{ Packets, At uint64 }

// natSet is a set of flows that are translated. A state, from bit 0: VIP 10, confirmed 1, closing 1, UDP 1, answered 1,
// claimed 1, spare 1, sequence number 16, age 32.
type natSet struct {
	Flow  [NATWays]uint64
	State [NATWays]uint64
}

const (
	natVIP         = 0x3ff
	natConfirmed   = 1 << 10
	natClosing     = 1 << 11
	natUDP         = 1 << 12
	natAnswered    = 1 << 13
	natClaimed     = 1 << 14
	natAgeShift    = 32
	natLifeNew     = 14
	natLifeClosing = 28
	natLifeUDP     = 42
	natLifeTCP     = 20117
)
