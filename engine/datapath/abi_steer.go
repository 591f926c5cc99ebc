package datapath

// Sizes and flags of bpf/abi_steer.h.
const (
	Steers          = 32
	SteerRules      = 32
	SteerPaths      = 256
	SteerGroups     = 64
	SteerGroupPaths = 8
	SteerSlots      = 251
	SteerCgroups    = 64
	SteerSets       = 16384
	SteerWays       = 4
	SteerHots       = 4096
	SteerDevices    = 64

	// SteerMark and a path's number are the mark of a socket that measures the path: what it sends goes by that path, or nowhere.
	SteerMark = 0x68720000

	steerStrict     = 1
	steerAsksSource = 1
	steerPathUp     = 1
	steerPathAlive  = 2
)

// steerRule is a rule as the data path asks it. Addresses are as on the wire.
type steerRule struct {
	From, FromMask [16]byte
	To, ToMask     [16]byte
	DSCP           uint64
	Mark, MarkMask uint32
	VIP            uint16
	Cgroup         uint16
	Group          uint16
	Path           uint16
	Family         uint8
	Flags          uint8
	Number         uint8
	_              [5]uint8
}

// steer is what a steer stage goes by.
type steer struct {
	Rules, Hot, Flags uint32
	_                 uint32
	Rule              [SteerRules]steerRule
}

// steerPath is a way out: what never changes of it, and behind NIC what was seen when somebody last looked.
type steerPath struct {
	Group   uint64 // digest of the group's name; 0 = of none
	Via     [16]byte
	Table   uint32
	Family  uint32
	NIC     [16]byte
	Ifindex uint32
	Flags   uint32
	_       uint64
}

// steerGroup is paths and the ring by which flows take them.
type steerGroup struct {
	Name uint64
	Path [SteerGroupPaths]uint16
	Slot [SteerSlots]uint16
	_    uint16
}

// steerCgroup is a cgroup as it was last looked; ID 0 = there is none.
type steerCgroup struct {
	Name uint64
	ID   uint64
}

// steerFlow is a flow that has a path.
type steerFlow struct{ Key, Seen uint64 }

type steerSet struct{ Flow [SteerWays]steerFlow }

// steerHot is a flow that XDP forwards.
type steerHot struct {
	Key, Until uint64
	MAC        [12]byte
	Came, Out  uint32
	Packets    uint32
	Settings   uint16
	MTU        uint16
	Generation uint8
	TOS        uint8
	_          [2]uint8
	Own        uint64
	_          uint64
}

// steerCounts is what one CPU sent by each path.
type steerCounts struct {
	Path     [SteerPaths]Count
	Measured [SteerPaths]uint64 // probes
}
