package datapath

import (
	"encoding/binary"
	"net/netip"

	"hairpin/engine/spec"
)

// SlotHash chooses the slot of a ring for a flow, by what a VIP says is to decide.
func SlotHash(by spec.Hash, src, dst netip.AddrPort) uint32 {
	d := wirePort(dst.Port())
	to := uint64(binary.LittleEndian.Uint16(d[:])) << 16
	switch by {
	case spec.HashNoSourcePort:
		return uint32(flowHash(src.Addr(), to) >> 32)
	case spec.HashDestinationPort:
		return uint32(mix(to) >> 32)
	case spec.HashAddresses:
		return uint32(addressesHash(src.Addr(), dst.Addr()) >> 32)
	}
	return uint32(FlowHash(src, dst) >> 32)
}

func addressesHash(src, dst netip.Addr) uint64 {
	if src.Is4() {
		s, d := src.As4(), dst.As4()
		return mix(uint64(binary.LittleEndian.Uint32(s[:])) | uint64(binary.LittleEndian.Uint32(d[:]))<<32)
	}
	s, d := src.As16(), dst.As16()
	h := mix(mix(binary.LittleEndian.Uint64(s[:8])) + binary.LittleEndian.Uint64(s[8:]))
	return mix(mix(h+binary.LittleEndian.Uint64(d[:8])) + binary.LittleEndian.Uint64(d[8:]))
}

// FlowHash is the hash by which the data path balances a flow, as bpf/ring.h computes it: the upper half chooses the slot
// of a ring, the lower 16 bits the outer source port. It is the same on every node.
func FlowHash(src, dst netip.AddrPort) uint64 {
	s, d := wirePort(src.Port()), wirePort(dst.Port())
	return flowHash(src.Addr(), uint64(binary.LittleEndian.Uint16(s[:]))|uint64(binary.LittleEndian.Uint16(d[:]))<<16)
}

func flowHash(src netip.Addr, ports uint64) uint64 {
	if src.Is4() {
		a := src.As4()
		return mix(uint64(binary.LittleEndian.Uint32(a[:])) | ports<<32)
	}
	a := src.As16()
	h := binary.LittleEndian.Uint64(a[:8]) * mix1
	h = ((h ^ h>>32) + binary.LittleEndian.Uint64(a[8:])) * mix2
	return mix((h ^ h>>29) + ports)
}
