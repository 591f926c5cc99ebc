package filter

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"net/netip"
)

// lower is e in terms of the scratch.
func (l *Layout) lower(e *Expr) (node, error) {
	if e.op == opTerm {
		return l.lowerTerm(&e.term)
	}
	var kids []node
	for _, k := range e.kids {
		n, err := l.lower(k)
		if err != nil {
			return node{}, err
		}
		kids = append(kids, n)
	}
	switch e.op {
	case opNot:
		return node{op: opNot, kids: kids}, nil
	case opAnd:
		return allOf(mergeNots(kids)...), nil
	}
	return anyOf(merge(kids)...).sorted(), nil
}

func (l *Layout) lowerTerm(t *term) (node, error) {
	if t.layer != first {
		return l.lowerLayered(*t)
	}
	isIP := compare(l.family, unequal, 0)
	switch t.kind {
	case kindFamily:
		return compare(l.family, equal, uint32(t.family)), nil
	case kindProto:
		family := isIP
		if t.family != 0 {
			family = compare(l.family, equal, uint32(t.family))
		}
		return allOf(family, compare(l.proto, equal, uint32(t.proto))), nil
	case kindHost, kindNet:
		return l.address(t), nil
	case kindPort:
		return l.port(t), nil
	case kindFlags:
		return allOf(compare(l.proto, equal, tcp), node{op: opNot, kids: []node{l.bit(kindBitFragment)}}, quantity(l.flags, t)), nil
	case kindTTL:
		return allOf(isIP, quantity(l.ttl, t)), nil
	case kindLength:
		return quantity(l.bytes, t), nil
	case kindFragment:
		return l.bit(kindBitFragment), nil
	case kindVLAN:
		if t.low != t.high {
			return l.bit(kindBitVLAN), nil
		}
		id := node{load: load{l.tci, true, everyVLAN}, is: equal, to: uint32(t.low)}
		return allOf(l.bit(kindBitVLAN), id), nil
	case kindVIP:
		num, ok := l.VIPs[t.name]
		if !ok {
			return node{}, fmt.Errorf("vip %s: there is no VIP of this name", t.name)
		}
		return allOf(compare(l.hasVIP, unequal, 0), compare(l.vip, equal, uint32(num))), nil
	}
	if l.ending.known {
		return l.lowerEnding(t)
	}
	return node{}, fmt.Errorf("%v: the data path does not know this of a packet where it is asked", t)
}

// bit asks whether a bit of the kind is set.
func (l *Layout) bit(bit uint32) node {
	return node{load: load{field: l.kind, mask: bit}, is: unequal}
}

func quantity(f field, t *term) node {
	n := compare(f, t.relation, t.value)
	if uint64(t.mask) != t.kind.most() {
		n.load.mask = t.mask
	}
	return n
}

func (l *Layout) address(t *term) node {
	family, from, to := uint32(4), l.src4, l.dst4
	if t.prefix.Addr().Is6() {
		family, from, to = 6, l.src6, l.dst6
	}
	is := compare(l.family, equal, family)
	if t.prefix.Bits() == 0 {
		return is
	}
	return allOf(is, t.direction.node(prefix(from, t.prefix), prefix(to, t.prefix)))
}

// prefix asks whether the address at f, which is in network order, lies in p, word by word.
func prefix(f field, p netip.Prefix) node {
	var words []node
	address := p.Addr().AsSlice()
	for at := 0; at*32 < p.Bits(); at++ {
		n := compare(f.word(at), equal, wire32(address[4*at:]))
		if left := p.Bits() - at*32; left < 32 {
			n.load.mask = bits.ReverseBytes32(^uint32(0) << (32 - left))
		}
		words = append(words, n)
	}
	return allOf(words...)
}

func (l *Layout) port(t *term) node {
	proto := anyOf(compare(l.proto, equal, tcp), compare(l.proto, equal, udp))
	if t.proto != 0 {
		proto = compare(l.proto, equal, uint32(t.proto))
	}
	whole := node{op: opNot, kids: []node{l.bit(kindBitFragment)}}
	return allOf(proto, whole, t.direction.node(ports(l.srcPort, t), ports(l.dstPort, t)))
}

func ports(f field, t *term) node {
	if t.low == t.high {
		return compare(f, equal, uint32(bits.ReverseBytes16(t.low)))
	}
	low, high := compare(f, atLeast, uint32(t.low)), compare(f, atMost, uint32(t.high))
	low.load.swapped, high.load.swapped = true, true
	return allOf(low, high)
}

func (d direction) node(atSrc, atDst node) node {
	switch d {
	case src:
		return atSrc
	case dst:
		return atDst
	case both:
		return allOf(atSrc, atDst)
	}
	return anyOf(atSrc, atDst)
}

// wire32 is the number that a little-endian machine reads from four bytes.
func wire32(b []byte) uint32 { return binary.LittleEndian.Uint32(b) }
