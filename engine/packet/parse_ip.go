package packet

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

func (p *parser) ipv4(s *Summary, at, end int) error {
	b, err := p.need("ipv4", at, end, 20)
	if err != nil {
		return err
	}
	s.Version, s.TOS, s.TTL, s.Protocol = 4, b[1], b[8], b[9]
	s.Src, s.Dst = netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
	s.Length = int(binary.BigEndian.Uint16(b[2:]))
	s.ID = uint32(binary.BigEndian.Uint16(b[4:]))
	flags := binary.BigEndian.Uint16(b[6:])
	s.DF, s.More, s.Offset = flags>>14&1 == 1, flags>>13&1 == 1, int(flags&0x1fff)*8
	size := int(b[0]&0xf) * 4
	if size < 20 {
		return fmt.Errorf("ipv4 header: ihl %d: below 5", size/4)
	}
	if b, err = p.need("ipv4", at, end, size); err != nil {
		return err
	}
	if sum := Checksum(0, b); sum != 0 && !p.quoted {
		p.fault(s, "ipv4", binary.BigEndian.Uint16(b[10:]))
	}
	if s.Length < size {
		return fmt.Errorf("ipv4 header: length %d: below the %d bytes of the header", s.Length, size)
	}
	if end, err = p.fit(s, "ipv4", at, end); err != nil {
		return err
	}
	return p.transport(s, at+size, end, s.Dst)
}

// fit is where the IP packet at position at ends by its own length; what follows is its trailer.
func (p *parser) fit(s *Summary, header string, at, end int) (int, error) {
	if s.Length > end-at {
		if p.quoted {
			return end, nil
		}
		return end, fmt.Errorf("%s header: length %d: only %d bytes follow", header, s.Length, end-at)
	}
	s.Trailer = end - at - s.Length
	return at + s.Length, nil
}

func (p *parser) ipv6(s *Summary, at, end int) error {
	b, err := p.need("ipv6", at, end, 40)
	if err != nil {
		return err
	}
	s.Version, s.TOS, s.TTL, s.Protocol = 6, b[0]<<4|b[1]>>4, b[7], b[6]
	s.Src, s.Dst = netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
	s.Length = 40 + int(binary.BigEndian.Uint16(b[4:]))
	if end, err = p.fit(s, "ipv6", at, end); err != nil {
		return err
	}
	at, last, err := p.extensions(s, at+40, end)
	if err != nil {
		return err
	}
	return p.transport(s, at, end, last)
}

// extensions reads extension headers up to the first that is none, or to the data of a fragment that is not the first. It
// returns the position behind them, and the destination that checksums count with.
func (p *parser) extensions(s *Summary, at, end int) (int, netip.Addr, error) {
	last := s.Dst
	for s.Offset == 0 {
		name, unit := "", 8
		switch s.Protocol {
		case ProtoHopByHop:
			name = "hop-by-hop"
		case ProtoDestOpts:
			name = "destination options"
		case ProtoRouting:
			name = "routing"
		case ProtoFragment:
			name, unit = "fragment", 0
		case ProtoAuth:
			name, unit = "authentication", 4
		default:
			return at, last, nil
		}
		s.TransportAt = at
		b, err := p.need(name, at, end, 8)
		if err != nil {
			return at, last, err
		}
		if b, err = p.need(name, at, end, 8+unit*int(b[1])); err != nil {
			return at, last, err
		}
		s.Extensions = append(s.Extensions, s.Protocol)
		switch s.Protocol {
		case ProtoFragment:
			offset := binary.BigEndian.Uint16(b[2:])
			s.Offset, s.More, s.ID = int(offset&^7), offset&1 == 1, binary.BigEndian.Uint32(b[4:])
		case ProtoRouting:
			if a, ok := routeEnd(b); ok {
				last = a
			}
		}
		s.Protocol = b[0]
		at += len(b)
	}
	return at, last, nil
}
