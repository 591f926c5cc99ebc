package packet

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// EtherTypes.
const (
	TypeIPv4 = 0x0800
	TypeARP  = 0x0806
	TypeVLAN = 0x8100
	TypeIPv6 = 0x86dd
	TypeMPLS = 0x8847
	TypeQinQ = 0x88a8
)

// MAC is an Ethernet address.
type MAC [6]byte

// String is the address in lower-case hexadecimal with colons.
func (m MAC) String() string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5])
}

// RouterMAC and NodeMAC are the addresses of an Ethernet header that says nothing else.
var (
	RouterMAC = MAC{2, 0, 0, 0, 0, 0xfe}
	NodeMAC   = MAC{2, 0, 0, 0, 0, 0x01}
)

// or is m, or right when m says nothing.
func (m MAC) or(right MAC) MAC {
	if m == (MAC{}) {
		return right
	}
	return m
}

// Eth is an Ethernet header, from RouterMAC to NodeMAC by default.
type Eth struct {
	Src, Dst MAC
	Type     Field
}

func (e Eth) encode(p place, body []byte) []byte {
	src, dst := e.Src.or(RouterMAC), e.Dst.or(NodeMAC)
	b := append(append(make([]byte, 0, 14), dst[:]...), src[:]...)
	return prepend(binary.BigEndian.AppendUint16(b, e.Type.or(etherType(p.next()))), body)
}

// VLAN is an 802.1Q tag, ID 100 by default; with TPID TypeQinQ it is the outer one of two.
type VLAN struct {
	ID       Field
	Priority uint8
	TPID     Field // written in the header before it
	Type     Field
}

func (v VLAN) encode(p place, body []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(v.Priority)<<13|v.ID.or(100)&0xfff)
	return prepend(binary.BigEndian.AppendUint16(b, v.Type.or(etherType(p.next()))), body)
}

// MPLS is one label stack entry, the last one unless More.
type MPLS struct {
	Label uint32
	More  bool
	TTL   Field
}

func (m MPLS) encode(_ place, body []byte) []byte {
	entry := m.Label<<12 | 1<<8 | uint32(m.TTL.or8(64))
	if m.More {
		entry &^= 1 << 8
	}
	return prepend(binary.BigEndian.AppendUint32(nil, entry), body)
}

// ARP is a request (Op 1, the default) or reply (2) for IPv4 over Ethernet, asking for VIP4.
type ARP struct {
	Op             Field
	SrcMAC, DstMAC MAC
	Src, Dst       netip.Addr
}

func (a ARP) encode(_ place, body []byte) []byte {
	src, dst, mac := orAddr(a.Src, Client4), orAddr(a.Dst, VIP4), a.SrcMAC.or(RouterMAC)
	b := binary.BigEndian.AppendUint16([]byte{0, 1, 8, 0, 6, 4}, a.Op.or(1))
	b = append(append(b, mac[:]...), src.AsSlice()...)
	b = append(append(b, a.DstMAC[:]...), dst.AsSlice()...)
	return prepend(b, body)
}

// etherType is what the header before l says of it; bytes without a header are announced as a local experiment.
func etherType(l Layer) uint16 {
	switch l := l.(type) {
	case IPv4:
		return TypeIPv4
	case IPv6:
		return TypeIPv6
	case Inner:
		if l.version() == 6 {
			return TypeIPv6
		}
		return TypeIPv4
	case ARP:
		return TypeARP
	case MPLS:
		return TypeMPLS
	case VLAN:
		return l.TPID.or(TypeVLAN)
	}
	return 0x88b5
}
