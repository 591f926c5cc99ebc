package filter

import (
	"fmt"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// Layout says where the data path keeps the facts of the packet at hand, and which numbers stand for names.
type Layout struct {
	VIPs map[string]uint16 // num of each VIP, by its name

	family, proto, flags, ttl, kind, hasVIP, vip, srcPort, dstPort, bytes, tci field
	src4, dst4, src6, dst6                                                     field
}

// Bits of the kind of a packet, as bpf/scratch.h defines them.
const (
	kindBitFragment = 1
	kindBitVLAN     = 8
)

// field is a place in the scratch.
type field struct {
	offset int16
	size   asm.Size
}

// word is the n-th 4 bytes from the beginning of a field on.
func (f field) word(n int) field { return field{f.offset + int16(4*n), asm.Word} }

// LayoutOf reads where the members of struct scratch are from the types of an object of the data path.
func LayoutOf(types *btf.Spec) (Layout, error) {
	var scratch *btf.Struct
	if err := types.TypeByName("scratch", &scratch); err != nil {
		return Layout{}, fmt.Errorf("layout of struct scratch: %w", err)
	}
	found := map[string]field{}
	if err := fieldsOf(scratch, "", 0, found); err != nil {
		return Layout{}, fmt.Errorf("layout of struct scratch: %w", err)
	}
	var l Layout
	for name, at := range map[string]struct {
		to   *field
		size asm.Size
	}{
		"family": {&l.family, asm.Byte}, "l4_proto": {&l.proto, asm.Byte}, "tcp_flags": {&l.flags, asm.Byte}, "ttl": {&l.ttl, asm.Byte},
		"kind": {&l.kind, asm.Byte}, "has_vip": {&l.hasVIP, asm.Byte}, "vip.num": {&l.vip, asm.Half}, "src_port": {&l.srcPort, asm.Half},
		"tci": {&l.tci, asm.Half}, "dst_port": {&l.dstPort, asm.Half}, "bytes": {&l.bytes, asm.Word}, "src4": {&l.src4, asm.Word}, "dst4": {&l.dst4, asm.Word},
		"src6": {&l.src6, 0}, "dst6": {&l.dst6, 0},
	} {
		f, ok := found[name]
		if !ok || f.size != at.size {
			return Layout{}, fmt.Errorf("layout of struct scratch: member %s is missing or of another size", name)
		}
		*at.to = f
	}
	return l, nil
}

// sizes are those that one instruction can load.
var sizes = map[int]asm.Size{1: asm.Byte, 2: asm.Half, 4: asm.Word, 8: asm.DWord}

// fieldsOf collects the members of a struct or union by their path; those of an unnamed one inside belong to it. The size
// of what is no single number is 0.
func fieldsOf(t btf.Type, path string, base uint32, into map[string]field) error {
	var members []btf.Member
	switch t := btf.UnderlyingType(t).(type) {
	case *btf.Struct:
		members = t.Members
	case *btf.Union:
		members = t.Members
	default:
		return nil
	}
	for _, m := range members {
		at, name := base+m.Offset.Bytes(), path+m.Name
		size, err := btf.Sizeof(m.Type)
		if err != nil {
			return err
		}
		if m.Name != "" {
			into[name] = field{int16(at), sizeOf(m.Type, size)}
			name += "."
		}
		if err := fieldsOf(m.Type, name, at, into); err != nil {
			return err
		}
	}
	return nil
}

// sizeOf is the size of a number, and 0 of anything else.
func sizeOf(t btf.Type, size int) asm.Size {
	if _, ok := btf.UnderlyingType(t).(*btf.Int); ok {
		return sizes[size]
	}
	return 0
}
