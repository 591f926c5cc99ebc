package packet

import (
	"encoding/binary"
	"net/netip"
)

// Addresses of a packet that says nothing else: a client, and the first VIP of the lab.
var (
	Client4 = netip.MustParseAddr("198.51.100.7")
	Client6 = netip.MustParseAddr("2001:db8::7")
	VIP4    = netip.MustParseAddr("10.99.0.1")
	VIP6    = netip.MustParseAddr("fd00:99::1")
)

// orAddr is a, or right when a is the zero Addr.
func orAddr(a, right netip.Addr) netip.Addr {
	if a.IsValid() {
		return a
	}
	return right
}

// Protocols and next headers by their IANA numbers.
const (
	ProtoHopByHop = 0
	ProtoICMP     = 1
	ProtoIPv4     = 4
	ProtoTCP      = 6
	ProtoUDP      = 17
	ProtoIPv6     = 41
	ProtoRouting  = 43
	ProtoFragment = 44
	ProtoAuth     = 51
	ProtoICMPv6   = 58
	ProtoNone     = 59
	ProtoDestOpts = 60
	ProtoTest     = 253 // for bytes without a header
)

// protocol is what the header before l says of it.
func protocol(l Layer) uint8 {
	switch l := l.(type) {
	case nil:
		return ProtoNone
	case IPv4:
		return ProtoIPv4
	case IPv6:
		return ProtoIPv6
	case Inner:
		if l.version() == 6 {
			return ProtoIPv6
		}
		return ProtoIPv4
	case TCP:
		return ProtoTCP
	case UDP:
		return ProtoUDP
	case ICMPv4:
		return ProtoICMP
	case ICMPv6:
		return ProtoICMPv6
	case HopByHop:
		return ProtoHopByHop
	case DestOpts:
		return ProtoDestOpts
	case Routing:
		return ProtoRouting
	case Fragment:
		return ProtoFragment
	}
	return ProtoTest
}

// IPv4 is an IPv4 header, from Client4 to VIP4 with TTL 64 by default.
type IPv4 struct {
	Src, Dst netip.Addr
	TTL      Field
	TOS      uint8
	ID       uint16
	DF, MF   bool
	Reserved bool   // the flag that must not be set
	Offset   uint16 // of a fragment, in units of 8 bytes
	Options  []byte // filled up with zeros to a multiple of 4
	Protocol Field
	Version  Field
	IHL      Field // in words of 4 bytes
	Len      Field // of the packet in bytes
	Checksum Field
}

func (h IPv4) addresses() (src, dst netip.Addr) { return orAddr(h.Src, Client4), orAddr(h.Dst, VIP4) }

func (h IPv4) encode(p place, body []byte) []byte {
	src, dst := h.addresses()
	size := 20 + (len(h.Options)+3)/4*4
	b := make([]byte, size)
	b[0] = h.Version.or8(4)<<4 | h.IHL.or8(uint8(size/4))&0xf
	b[1] = h.TOS
	binary.BigEndian.PutUint16(b[2:], h.Len.or(uint16(size+len(body))))
	binary.BigEndian.PutUint16(b[4:], h.ID)
	binary.BigEndian.PutUint16(b[6:], bit(h.Reserved, 15)|bit(h.DF, 14)|bit(h.MF, 13)|h.Offset&0x1fff)
	b[8] = h.TTL.or8(64)
	b[9] = h.Protocol.or8(protocol(p.next()))
	copy(b[12:16], src.AsSlice())
	copy(b[16:20], dst.AsSlice())
	copy(b[20:], h.Options)
	binary.BigEndian.PutUint16(b[10:], h.Checksum.or(Checksum(0, b)))
	return prepend(b, body)
}

// bit is a 16-bit word with bit n set, or none.
func bit(set bool, n int) uint16 {
	if set {
		return 1 << n
	}
	return 0
}
