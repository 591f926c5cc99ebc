package datapath

import (
	"encoding/binary"
	"net/netip"
)

// FlowHash is the hash by which the data path balances a flow, as bpf/ring.h computes it: the upper half chooses the slot
// of a ring, the lower 16 bits the outer source port. It is the same on every node.
func FlowHash(src, dst netip.AddrPort) uint64 {
	s, d := wirePort(src.Port()), wirePort(dst.Port())
	ports := uint64(binary.LittleEndian.Uint16(s[:])) | uint64(binary.LittleEndian.Uint16(d[:]))<<16
	if src.Addr().Is4() {
		a := src.Addr().As4()
		return mix(uint64(binary.LittleEndian.Uint32(a[:])) | ports<<32)
	}
	a := src.Addr().As16()
	h := binary.LittleEndian.Uint64(a[:8]) * mix1
	h = ((h ^ h>>32) + binary.LittleEndian.Uint64(a[8:])) * mix2
	return mix((h ^ h>>29) + ports)
}
