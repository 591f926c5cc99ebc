package packet

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
)

// maxNested bounds packets inside packets.
const maxNested = 8

// Parse reads an Ethernet frame down to the innermost packet. The inside of UDP is looked for on the given ports, GUEPort
// when none is given. On an error, which says what is malformed or cut off, the summary holds what was read before it.
// A wrong checksum is no error: see Summary.Check.
func Parse(frame []byte, gue ...uint16) (Summary, error) {
	p := newParser(frame, gue)
	var s Summary
	if err := p.ethernet(&s); err != nil {
		return s, fmt.Errorf("parse packet: %w", err)
	}
	return s, nil
}

// ParseCut is Parse for the begin of a frame, as captures hold it: what its headers announce need not all be there, and
// checksums are not looked at.
func ParseCut(frame []byte, gue ...uint16) (Summary, error) {
	p := newParser(frame, gue)
	p.quoted, p.cut = true, true
	var s Summary
	if err := p.ethernet(&s); err != nil {
		return s, fmt.Errorf("parse packet: %w", err)
	}
	return s, nil
}

// ParseIP is Parse for a packet without an Ethernet header.
func ParseIP(packet []byte, gue ...uint16) (Summary, error) {
	p := newParser(packet, gue)
	var s Summary
	if err := p.ip(&s, 0, len(packet)); err != nil {
		return s, fmt.Errorf("parse packet: %w", err)
	}
	return s, nil
}

// parser walks over one frame. Positions count from its begin, ends are exclusive.
type parser struct {
	data   []byte
	gue    []uint16
	nested int
	quoted bool // what is read may be cut off, and its checksums mean nothing
	quote  bool // what is read is quoted by an ICMP error: quotes in it are not looked for
	cut    bool // but it may be a tunnel
}

func newParser(data []byte, gue []uint16) *parser {
	if len(gue) == 0 {
		gue = []uint16{GUEPort}
	}
	return &parser{data: data, gue: gue}
}

// need is the size bytes of a header at position at, or an error that names it.
func (p *parser) need(header string, at, end, size int) ([]byte, error) {
	if end-at < size {
		return nil, fmt.Errorf("%s header: %d of %d bytes", header, max(0, end-at), size)
	}
	return p.data[at : at+size], nil
}

func (p *parser) ethernet(s *Summary) error {
	end := len(p.data)
	b, err := p.need("ethernet", 0, end, 14)
	if err != nil {
		return err
	}
	s.DstMAC, s.SrcMAC = MAC(b[:6]), MAC(b[6:12])
	s.EtherType = binary.BigEndian.Uint16(b[12:])
	at := 14
	for s.EtherType == TypeVLAN || s.EtherType == TypeQinQ {
		b, err := p.need("vlan", at, end, 4)
		if err != nil {
			return err
		}
		s.VLANs = append(s.VLANs, binary.BigEndian.Uint16(b)&0xfff)
		s.EtherType = binary.BigEndian.Uint16(b[2:])
		at += 4
	}
	switch s.EtherType {
	case TypeIPv4, TypeIPv6:
		want := uint8(4)
		if s.EtherType == TypeIPv6 {
			want = 6
		}
		if at < end && p.data[at]>>4 != want {
			return fmt.Errorf("ethernet type %#04x: ip version %d", s.EtherType, p.data[at]>>4)
		}
		return p.ip(s, at, end)
	case TypeARP:
		return p.arp(s, at, end)
	}
	s.NetworkAt, s.TransportAt, s.Payload = at, at, p.data[at:]
	return nil
}

func (p *parser) arp(s *Summary, at, end int) error {
	b, err := p.need("arp", at, end, 28)
	if err != nil {
		return err
	}
	if !slices.Equal(b[:6], []byte{0, 1, 8, 0, 6, 4}) {
		return fmt.Errorf("arp header: not ipv4 over ethernet")
	}
	s.NetworkAt, s.TransportAt, s.Trailer = at, at+28, end-at-28
	s.ARP = binary.BigEndian.Uint16(b[6:])
	s.Src, s.Dst = netip.AddrFrom4([4]byte(b[14:18])), netip.AddrFrom4([4]byte(b[24:28]))
	return nil
}

// ip reads the IP packet from at to end, which may be followed by padding.
func (p *parser) ip(s *Summary, at, end int) error {
	if p.nested++; p.nested > maxNested {
		return fmt.Errorf("ip header: more than %d packets inside each other", maxNested)
	}
	b, err := p.need("ip", at, end, 1)
	if err != nil {
		return err
	}
	s.NetworkAt, s.TransportAt = at, at
	switch b[0] >> 4 {
	case 4:
		return p.ipv4(s, at, end)
	case 6:
		return p.ipv6(s, at, end)
	}
	return fmt.Errorf("ip header: version %d", b[0]>>4)
}

// inside reads the packet that a tunnel carries.
func (p *parser) inside(s *Summary, at, end int) error {
	s.Inner, s.Payload = &Summary{}, nil
	if err := p.ip(s.Inner, at, end); err != nil {
		return fmt.Errorf("inside %s: %w", s.kind(), err)
	}
	return nil
}

// fault notes a wrong checksum.
func (p *parser) fault(s *Summary, header string, got uint16) {
	s.Faults = append(s.Faults, fmt.Sprintf("%s checksum %#04x is wrong", header, got))
}
