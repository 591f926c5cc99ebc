package datapath

// connLimit is one limit of a connlimit stage.
type connLimit struct {
	Max     uint32
	Lens    uint32
	VIP     uint16
	ByVIP   uint8 // or byTenant, and VIP is a tenant's
	Prefix4 uint8
	Prefix6 uint8
	Slot    uint8
	_       [2]uint8
}

// connSettings is what a connlimit stage goes by.
type connSettings struct {
	Count uint32
	Reset uint32
	Idle  uint32 // ticks of 2^30 ns; 0 = sockets are counted
	Clock uint32 // the tick it is, for tests; 0 = the kernel's
	Base  uint32 // of seats, the first that it counts in: 0, or AgentSeats

	Tenants uint32 // the flows of tenants are counted
	Lens    [Lenses]lens
	Limit   [ConnLimits]connLimit
}

const byTenant = 2

// tally is how many flows there are of a VIP, a tenant, a chain or a source.
type tally struct {
	Sum    uint32
	Tick   uint32
	Bucket [TallyNear + TallyFar]uint32
}

// seats are the places that the sockets of the host, of a VIP, of a source or of an agent's service take. Pending, from bit 0: handshakes of this
// tick, of the one before and of the one before that, 16 bits each, and the tick.
type seats struct {
	Pending uint64
	Over    uint64
	Open    uint32
	Opened  uint32 // ever, modulo 2^32; of a service only
}

// lensService is of the names of services.
const lensService = 0xffffffff

// seatName is whose a place in the sets is: a source's, or a service's, which has an address and, as VIP, a port as on the
// wire.
type seatName struct {
	Address [16]byte
	Lens    uint32
	VIP     uint16
	Family  uint8
	_       uint8
}

// lens is one way to tell sources apart.
type lens struct {
	ID               uint32
	Prefix4, Prefix6 uint8
	ByVIP            uint8
	_                uint8
}

// census is what the count of sockets goes by, and what it could not do.
type census struct {
	Netns      uint32
	Pass       uint32
	Lens       [Lenses]lens
	Changes    uint64
	Unrecorded uint64
	Unplaced   uint64
	NextLens   uint32
	Kind       censusKind
	Listens    [1024]uint64
}

// censusKind is how the kernel tells of changes.
type censusKind uint32

const (
	censusTPBTF censusKind = iota + 1
	censusRawTP
	censusTP
	censusKprobe
)

// socket is where an open socket is counted.
type socket struct {
	Who     uint64
	Pass    uint32
	VIP     uint32
	Lens    [Lenses]uint32
	Seat    [Lenses]uint32
	Service uint32 // seat; 0 = of none
	Tenant  uint32 // 0 = none's
}
