package packet

import (
	"encoding/binary"
	"net/netip"
)

// Checksum is the internet checksum (RFC 1071) of b, to which sum, a partial result of Sum, is added. It is 0 when b
// contains its own right checksum.
func Checksum(sum uint32, b []byte) uint16 {
	sum = Sum(sum, b)
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// Sum adds the 16-bit words of b to sum; an odd last byte counts as if a zero followed. Parts but the last must be even.
func Sum(sum uint32, b []byte) uint32 {
	sum = sum>>16 + sum&0xffff
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
		sum = sum>>16 + sum&0xffff
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	return sum
}

// pseudo is the sum of the pseudo header of TCP, UDP and ICMPv6 (RFC 9293, RFC 8200).
func pseudo(src, dst netip.Addr, protocol uint8, length int) uint32 {
	sum := uint32(protocol) + uint32(length)>>16 + uint32(length)&0xffff
	return Sum(Sum(sum, src.AsSlice()), dst.AsSlice())
}

// pseudo is the pseudo header's sum for the transport layer at p; without an IP layer in front of it there is none.
func (p place) pseudo(protocol uint8, length int) uint32 {
	var end netip.Addr // where a routing header sends the packet after all
	for i := p.at - 1; i >= 0; i-- {
		switch l := p.layers[i].(type) {
		case Routing:
			if a, ok := routeEnd(l.header(0)); ok && !end.IsValid() {
				end = a
			}
		case IPv4:
			src, dst := l.addresses()
			return pseudo(src, dst, protocol, length)
		case IPv6:
			src, dst := l.addresses()
			if end.IsValid() {
				dst = end
			}
			return pseudo(src, dst, protocol, length)
		}
	}
	return 0
}
