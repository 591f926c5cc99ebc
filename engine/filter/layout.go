package filter

import (
	"fmt"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// Layout says where the data path keeps the facts of the packet at hand, and which numbers stand for names.
type Layout struct {
	VIPs    map[string]uint16   // num of each VIP, by its name
	Reasons map[string]uint16   // number of each reason; for captures, as what follows
	Stages  map[string][]uint16 // numbers of each stage, wherever it stands

	family, proto, flags, ttl, kind, hasVIP, vip, srcPort, dstPort, bytes, tci field
	src4, dst4, src6, dst6                                                     field
	ending                                                                     ending
}

// ending is where a captor keeps how a packet left.
type ending struct {
	known                          bool
	verdict, reason, stage, layers field
}

// Bits of the kind of a packet, as bpf/scratch.h defines them.
const (
	kindBitFragment = 1
	kindBitVLAN     = 8
)

// field is a place in a struct, which is one of those that a function is called with.
type field struct {
	offset int16
	size   asm.Size
	base   base
}

// base is a struct that a function is called with. All have the scratch of the packet at hand; captors have more.
type base uint8

const (
	ofPacket base = iota
	ofOuter
	ofInner
	ofEnding
)

// register is that of the argument. The second one is free for what is compared.
func (b base) register() asm.Register { return [...]asm.Register{asm.R1, asm.R3, asm.R4, asm.R5}[b] }

// word is the n-th 4 bytes from the beginning of a field on.
func (f field) word(n int) field { return field{f.offset + int16(4*n), asm.Word, f.base} }

// of is the layout of another header than the first.
func (l Layout) of(b base) *Layout {
	for _, f := range []*field{&l.family, &l.proto, &l.flags, &l.ttl, &l.kind, &l.srcPort, &l.dstPort, &l.src4, &l.dst4, &l.src6, &l.dst6} {
		f.base = b
	}
	return &l
}

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
	return l, l.findEnding(types)
}

// findEnding reads where a captor keeps how a packet left; other objects have none.
func (l *Layout) findEnding(types *btf.Spec) error {
	var s *btf.Struct
	if err := types.TypeByName("ending", &s); err != nil {
		return nil
	}
	found := map[string]field{}
	if err := fieldsOf(s, "", 0, found); err != nil {
		return fmt.Errorf("layout of struct ending: %w", err)
	}
	for name, to := range map[string]*field{"verdict": &l.ending.verdict, "reason": &l.ending.reason, "stage": &l.ending.stage, "layers": &l.ending.layers} {
		f, ok := found[name]
		if !ok || f.size != asm.Word {
			return fmt.Errorf("layout of struct ending: member %s is missing or of another size", name)
		}
		f.base = ofEnding
		*to = f
	}
	l.ending.known = true
	return nil
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
			into[name] = field{offset: int16(at), size: sizeOf(m.Type, size)}
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
