package datapath

// Sizes of bpf/abi_mirror.h.
const (
	Mirrors    = 64
	MirrorSnap = 2048

	// MirrorMark is that of sockets by which copies are sent; packets that carry it are not copied again.
	MirrorMark = 0x68710000
)

// mirror is what a mirror stage goes by.
type mirror struct {
	ID    uint64
	Rules uint64
	OneIn uint32
	Snap  uint32
	Rate  uint32
	_     uint32
}

// mirrored is in front of each copy.
type mirrored struct {
	ID    uint64
	Bytes uint32
	L2Len uint16
	_     uint16
}
