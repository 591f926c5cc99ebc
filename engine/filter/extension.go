package filter

import (
	"encoding/binary"
	"fmt"

	"hairpin/engine/packet"
)

// Bounds of the data path's walk over IPv6 extension headers; see bpf/extension.h.
const (
	maxExtensions     = 6
	maxExtensionBytes = 72
	mobility          = 135
)

// through is what a walk over the extension headers of an IPv6 packet ends with: what follows them, or the first one where
// the walk has to stop.
type through struct {
	next     uint8
	fragment bool
	offset   int
	body     []byte
}

// goThrough walks over the extension headers of a whole IPv6 packet. One that reaches beyond it is an error.
func goThrough(ip []byte) (through, error) {
	stopped := through{next: ip[6]}
	t, walked := through{next: ip[6], body: ip[40:]}, 0
	for i := 0; isExtension(t.next) && t.offset == 0; i++ {
		if i == maxExtensions {
			return stopped, nil
		}
		if len(t.body) < 8 {
			return t, fmt.Errorf("extension header %d: %d bytes", t.next, len(t.body))
		}
		size := extensionSize(t.next, t.body)
		if walked += size; size == 0 || walked > maxExtensionBytes || i > 0 && t.next == packet.ProtoHopByHop {
			return stopped, nil
		}
		if len(t.body) < size {
			return t, fmt.Errorf("extension header %d: %d of %d bytes", t.next, len(t.body), size)
		}
		if t.next == packet.ProtoFragment {
			word := int(binary.BigEndian.Uint16(t.body[2:]))
			t.offset, t.fragment = word&^7, word&^7 != 0 || word&1 != 0
		}
		t.next, t.body = t.body[0], t.body[size:]
	}
	return t, nil
}

func isExtension(next uint8) bool {
	switch next {
	case packet.ProtoHopByHop, packet.ProtoRouting, packet.ProtoFragment, packet.ProtoAuth, packet.ProtoDestOpts, mobility:
		return true
	}
	return false
}

// extensionSize is that of the header at the begin of body, 0 where the walk stops.
func extensionSize(kind uint8, body []byte) int {
	switch {
	case kind == mobility || kind == packet.ProtoRouting && body[3] != 0:
		return 0
	case kind == packet.ProtoFragment:
		return 8
	case kind == packet.ProtoAuth:
		return (int(body[1]) + 2) * 4
	}
	return (int(body[1]) + 1) * 8
}
