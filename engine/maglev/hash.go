package maglev

import (
	"encoding/binary"
	"net/netip"
)

// Constants that tell the uses of one hash apart. All are odd and have about half of their bits set.
const (
	saltHigh   = 0xa24baed4963ee407
	saltOffset = 0x9fb21c651e98df25
	saltSkip   = 0xd6e8feb86659fd93
)

// hash condenses the 16 bytes of key to 64 bits that every node computes alike. It is constant in time and not keyed:
// the addresses of backends are the operator's own. Two keys may collide; the caller then orders them by their bytes.
func hash(key netip.Addr) uint64 {
	b := key.As16()
	return mix(binary.BigEndian.Uint64(b[8:]) ^ mix(binary.BigEndian.Uint64(b[:8])+saltHigh))
}

// mix is the finalizer of SplitMix64: a bijection in which every bit of x reaches every bit of the result.
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	x ^= x >> 31
	return x
}

// scale maps the high half of h evenly onto 0 to n-1; so does the data path with a flow's hash.
func scale(h uint64, n uint32) uint32 {
	return uint32((h >> 32) * uint64(n) >> 32)
}
