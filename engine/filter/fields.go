package filter

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"hairpin/engine/packet"
)

// Fields are the facts of a packet or connection that expressions ask for. What is not known stays zero.
type Fields struct {
	Src, Dst         netip.Addr // of one family; the zero Addr when this is not IP
	Proto            uint8      // of IPv6 what follows the extension headers that are gone through
	SrcPort, DstPort uint16     // of TCP and UDP
	TCPFlags         uint8
	TTL              uint8
	Fragment         bool // a part of a packet, the first one too; its ports mean nothing
	Tagged           bool
	VLAN             uint16 // of the outermost tag
	Bytes            uint32 // of the frame

	Outer, Inner *Fields // of a packet that is or becomes encapsulated; nil = it is and does not

	VIP     string
	Backend netip.Addr
	Stage   string
	Verdict string // drop, pass or forward
	Reason  string
}

// maxTags is how many VLAN tags the data path looks through.
const maxTags = 2

// FieldsOf reads an Ethernet frame as the data path does. A frame that the data path lets no stage see is an error, or has
// no addresses when it is not IP. What is wrong behind the first transport header is none.
func FieldsOf(frame []byte) (Fields, error) {
	s, err := packet.Parse(frame)
	f := Fields{Bytes: uint32(len(frame))}
	if s.Version == 0 || s.TransportAt == s.NetworkAt { // not IP, or what its header says is wrong
		return f, err
	}
	if len(s.VLANs) > maxTags {
		return f, fmt.Errorf("%d VLAN tags, at most %d are looked through", len(s.VLANs), maxTags)
	}
	if len(s.VLANs) > 0 {
		f.Tagged, f.VLAN = true, s.VLANs[0]
	}
	f.Src, f.Dst, f.TTL, f.Proto, f.Fragment = s.Src, s.Dst, s.TTL, s.Protocol, s.Fragmented()
	body, offset := frame[s.TransportAt:s.NetworkAt+s.Length], s.Offset
	if f.family() == 6 {
		through, err := goThrough(frame[s.NetworkAt : s.NetworkAt+s.Length])
		if err != nil {
			return f, err
		}
		f.Proto, f.Fragment, body, offset = through.next, through.fragment, through.body, through.offset
	}
	if !f.ported() {
		if f.Fragment && offset == 0 {
			f.readFirst(body)
		}
		return f, nil
	}
	if err != nil && s.Inner == nil {
		return f, err
	}
	f.SrcPort, f.DstPort = s.SrcPort, s.DstPort
	if f.Proto == tcp {
		f.TCPFlags = body[13]
	}
	return f, nil
}

// readFirst reads ports and flags of a first fragment, in which the whole transport header must be.
func (f *Fields) readFirst(body []byte) {
	switch {
	case f.Proto == tcp && len(body) >= 20 && body[12]>>4 >= 5 && len(body) >= int(body[12]>>4)*4:
		f.TCPFlags = body[13]
	case f.Proto != udp || len(body) < 8:
		return
	}
	f.SrcPort, f.DstPort = binary.BigEndian.Uint16(body), binary.BigEndian.Uint16(body[2:])
}

// family is 4 or 6, and 0 when this is not IP.
func (f *Fields) family() uint8 {
	switch {
	case !f.Src.IsValid():
		return 0
	case f.Src.Is4():
		return 4
	}
	return 6
}

// ported tells whether the ports mean something.
func (f *Fields) ported() bool { return (f.Proto == tcp || f.Proto == udp) && !f.Fragment }
