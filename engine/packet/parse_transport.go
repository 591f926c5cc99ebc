package packet

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
)

// transport reads what an IP header bears. Of a fragment only the first has ports, and none has a checksum of its own.
func (p *parser) transport(s *Summary, at, end int, dst netip.Addr) error {
	s.TransportAt, s.Payload = at, p.data[at:end]
	if s.Offset > 0 {
		return nil
	}
	switch s.Protocol {
	case ProtoTCP:
		return p.tcp(s, at, end, dst)
	case ProtoUDP:
		return p.udp(s, at, end, dst)
	case ProtoICMP, ProtoICMPv6:
		if (s.Protocol == ProtoICMP) == (s.Version == 4) {
			return p.icmp(s, at, end, dst)
		}
	case ProtoIPv4, ProtoIPv6:
		if !s.More && (!p.quoted || p.cut) {
			return p.inside(s, at, end)
		}
	}
	return nil
}

// whole tells whether the checksum from at on covers what is there.
func (p *parser) whole(s *Summary) bool { return !p.quoted && !s.Fragmented() }

// ports reads the first 4 bytes of TCP and UDP, which is all that a quote must have.
func (p *parser) ports(s *Summary, header string, at, end, size int) ([]byte, error) {
	if p.quoted && end-at < size {
		size = 4
	}
	b, err := p.need(header, at, end, size)
	if err != nil {
		return nil, err
	}
	s.HasPorts, s.SrcPort, s.DstPort = true, binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	s.Payload = p.data[at+size : end]
	return b, nil
}

func (p *parser) tcp(s *Summary, at, end int, dst netip.Addr) error {
	b, err := p.ports(s, "tcp", at, end, 20)
	if err != nil || len(b) < 20 {
		return err
	}
	s.Seq, s.Ack = binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
	s.Flags = flags(b[13])
	size := int(b[12]>>4) * 4
	if size < 20 {
		return fmt.Errorf("tcp header: data offset %d: below 5", size/4)
	}
	if p.quoted {
		size = min(size, end-at)
	}
	if _, err = p.need("tcp", at, end, size); err != nil {
		return err
	}
	s.Payload = p.data[at+size : end]
	if p.whole(s) && Checksum(pseudo(s.Src, dst, ProtoTCP, end-at), p.data[at:end]) != 0 {
		p.fault(s, "tcp", binary.BigEndian.Uint16(b[16:]))
	}
	return nil
}

// flags are the letters of a flags byte.
func flags(b byte) string {
	var letters []byte
	for i := range flagLetters {
		if b>>i&1 == 1 {
			letters = append(letters, flagLetters[i])
		}
	}
	return string(letters)
}

func (p *parser) udp(s *Summary, at, end int, dst netip.Addr) error {
	b, err := p.ports(s, "udp", at, end, 8)
	if err != nil || len(b) < 8 {
		return err
	}
	if p.cut && !s.Fragmented() {
		return p.gueInside(s, at+8, end)
	}
	if !p.whole(s) {
		return nil
	}
	size := int(binary.BigEndian.Uint16(b[4:]))
	if size < 8 || size > end-at {
		return fmt.Errorf("udp header: length %d: not from 8 to %d", size, end-at)
	}
	end = at + size
	s.Payload = p.data[at+8 : end]
	sum := binary.BigEndian.Uint16(b[6:])
	if sum == 0 && s.Version == 6 || sum != 0 && Checksum(pseudo(s.Src, dst, ProtoUDP, size), p.data[at:end]) != 0 {
		p.fault(s, "udp", sum)
	}
	return p.gueInside(s, at+8, end)
}

// gueInside reads the packet inside GUE. Variant 1 begins with the version of the inner packet, 01 in two bits; variant 0 has a
// header, which says its length and, where it has neither flags nor control messages, what follows.
func (p *parser) gueInside(s *Summary, at, end int) error {
	if !slices.Contains(p.gue, s.DstPort) || len(s.Payload) == 0 {
		return nil
	}
	if s.Payload[0]>>6 == 1 {
		return p.inside(s, at, end)
	}
	const control, words = 0x20, 0x1f
	if b := s.Payload; len(b) > 4 && b[0]>>6 == 0 && b[0]&control == 0 && b[2] == 0 && b[3] == 0 {
		header := 4 + 4*int(b[0]&words)
		if (b[1] == ProtoIPv4 || b[1] == ProtoIPv6) && len(b) > header { // the packet's own version counts, as in variant 1
			return p.inside(s, at+header, end)
		}
	}
	return nil
}

func (p *parser) icmp(s *Summary, at, end int, dst netip.Addr) error {
	b, err := p.need("icmp", at, end, 8)
	if err != nil {
		return err
	}
	s.Type, s.Code, s.Rest = b[0], b[1], binary.BigEndian.Uint32(b[4:])
	s.Payload = p.data[at+8 : end]
	if p.whole(s) {
		sum := uint32(0)
		if s.Version == 6 {
			sum = pseudo(s.Src, dst, ProtoICMPv6, end-at)
		}
		if Checksum(sum, p.data[at:end]) != 0 {
			p.fault(s, "icmp", binary.BigEndian.Uint16(b[2:]))
		}
	}
	if s.icmpError() && !p.quote {
		quote, q := Summary{}, *p
		q.quoted, q.quote = true, true
		if err := q.ip(&quote, at+8, end); err == nil || quote.Version != 0 {
			s.Quote = &quote
		}
	}
	return nil
}

// icmpError tells whether an ICMP message quotes the packet that it is about.
func (s *Summary) icmpError() bool {
	if s.Version == 6 {
		return s.Type < 128
	}
	switch s.Type {
	case 3, 4, 5, 11, 12:
		return true
	}
	return false
}
