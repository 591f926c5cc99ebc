package datapath

// Flags of a VIP.
const (
	VIPSettling = 1
	VIPIPIP     = 2
	VIPSticky   = 4
	VIPAddress  = 8
	VIPQUIC     = 64
	VIPLocal    = 128
	VIPRehashed = 256
	VIPTunnel   = 512
	VIPID       = 1024
	VIPHandover = 2048

	vipHashShift = 4 // of a spec.Hash
)

// VIP is an entry of the VIP tables without its key.
type VIP struct {
	Ring       uint32
	RingSize   uint32
	Before     uint32
	BeforeSize uint32
	Num        uint16
	Flags      uint16
	EncapPort  [2]byte
	Routes     uint16
}

type vip4 struct {
	Key uint64
	VIP VIP
}

type vip6 struct {
	Address [2]uint64
	Key     uint64
	VIP     VIP
	_       [2]uint64
}

// One part of a version of the VIPs.
type (
	vip4Table [VIPTable]vip4
	vip6Table [VIPTable]vip6
)

// A server that packets name, from bit 0: id 32, num of the VIP 13, backend 15, 1; 0 = free.
const (
	quicNumShift     = 32
	quicBackendShift = 45
	quicUsed         = 1 << 63
)

type quicTable [VIPTable]uint64

// vipWay is a run of ports and the VIP that it leads to, or sources and theirs.
type vipWay struct {
	Key       uint64
	Low, High uint32
}

type vipWays struct {
	Bits [2][wayLengths]uint8 // of IPv4, and of IPv6
	_    [124]uint64
	Way  [Ways]vipWay
}

const (
	wayLengths = 16
	vipNamed   = 3 << 62
	vipBits4   = 56
	vipBits6   = 24
)
