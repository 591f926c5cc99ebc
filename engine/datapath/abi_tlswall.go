package datapath

// Sizes and flags of bpf/abi_tlswall.h.
const (
	TLSWalls   = 32
	WallSets   = 32768
	WallWays   = 4
	WallAllows = 64

	tlsWallReset  = 1
	tlsWallStrict = 2
	tlsWallOfVIP  = 4
)

// wallAllow is addresses that may say what they like, as on the wire.
type wallAllow struct {
	Address, Mask [16]byte
	Family        uint64
}

// tlsWall is what a tlswall stage goes by.
type tlsWall struct {
	Port   [1024]uint64
	VIP    [VIPs / 64]uint64
	Wait   uint64
	Flags  uint32
	Allows uint32
	Allow  [WallAllows]wallAllow
}

// States of a flow; see enum wall_state.
const (
	wallBegun = iota
	wallOpen
	wallSeen
	wallRefused
)

// wallFlow is a flow whose first bytes are awaited, or were seen a while ago. State stands in the two lowest bits of At.
type wallFlow struct{ Key, At uint64 }

type wallSet struct{ Flow [WallWays]wallFlow }
