package packet

import (
	"encoding/binary"
	"net/netip"
)

// IPv6 is an IPv6 header, from Client6 to VIP6 with hop limit 64 by default.
type IPv6 struct {
	Src, Dst netip.Addr
	TTL      Field // the hop limit
	Class    uint8
	Label    uint32 // of the flow, 20 bits
	Next     Field
	Version  Field
	Len      Field // of what follows this header, in bytes
}

func (h IPv6) addresses() (src, dst netip.Addr) { return orAddr(h.Src, Client6), orAddr(h.Dst, VIP6) }

func (h IPv6) encode(p place, body []byte) []byte {
	src, dst := h.addresses()
	b := make([]byte, 40)
	binary.BigEndian.PutUint32(b, uint32(h.Version.or8(6))<<28|uint32(h.Class)<<20|h.Label&0xfffff)
	binary.BigEndian.PutUint16(b[4:], h.Len.or(uint16(len(body))))
	b[6] = h.Next.or8(protocol(p.next()))
	b[7] = h.TTL.or8(64)
	copy(b[8:24], src.AsSlice())
	copy(b[24:40], dst.AsSlice())
	return prepend(b, body)
}

// HopByHop is a hop-by-hop options header. Options are filled up with zeros, each a Pad1, to the next full 8 bytes.
type HopByHop struct {
	Options []byte
	Next    Field
	Len     Field // in units of 8 bytes, not counting the first
}

func (h HopByHop) encode(p place, body []byte) []byte {
	return prepend(options(h.Next.or8(protocol(p.next())), h.Len, h.Options), body)
}

// DestOpts is a destination options header, built like HopByHop.
type DestOpts struct {
	Options []byte
	Next    Field
	Len     Field
}

func (h DestOpts) encode(p place, body []byte) []byte {
	return prepend(options(h.Next.or8(protocol(p.next())), h.Len, h.Options), body)
}

// options is an extension header of options.
func options(next uint8, length Field, list []byte) []byte {
	size := (2 + len(list) + 7) / 8 * 8
	b := make([]byte, size)
	b[0], b[1] = next, length.or8(uint8(size/8-1))
	copy(b[2:], list)
	return b
}

// Routing is a routing header. With Left above 0 checksums count with the last address of the route.
type Routing struct {
	Type  uint8 // 0, 2 or 4; in a header of type 4 the route is written backwards
	Left  uint8 // segments still to visit
	Route []netip.Addr
	Next  Field
	Len   Field // in units of 8 bytes, not counting the first
}

func (h Routing) encode(p place, body []byte) []byte {
	return prepend(h.header(h.Next.or8(protocol(p.next()))), body)
}

func (h Routing) header(next uint8) []byte {
	b := []byte{next, h.Len.or8(uint8(2 * len(h.Route))), h.Type, h.Left, 0, 0, 0, 0}
	if h.Type == 4 && len(h.Route) > 0 {
		b[4] = uint8(len(h.Route) - 1)
	}
	for i := range h.Route {
		if h.Type == 4 {
			i = len(h.Route) - 1 - i
		}
		a := h.Route[i].As16()
		b = append(b, a[:]...)
	}
	return b
}

// routeEnd is the address at which a routing header lets the packet end, if that is not the destination it bears.
func routeEnd(header []byte) (netip.Addr, bool) {
	if len(header) < 24 || header[3] == 0 {
		return netip.Addr{}, false
	}
	last := header[8 : 8+(len(header)-8)/16*16]
	if header[2] == 4 {
		last = last[:16]
	}
	return netip.AddrFrom16([16]byte(last[len(last)-16:])), true
}

// Fragment is a fragment header.
type Fragment struct {
	Offset uint16 // in units of 8 bytes
	MF     bool
	ID     uint32
	Next   Field
}

func (h Fragment) encode(p place, body []byte) []byte {
	b := []byte{h.Next.or8(protocol(p.next())), 0}
	b = binary.BigEndian.AppendUint16(b, h.Offset<<3|bit(h.MF, 0))
	return prepend(binary.BigEndian.AppendUint32(b, h.ID), body)
}
