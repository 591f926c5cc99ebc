// Package events turns what the data path puts into its ring buffer into values with words.
package events

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"unsafe"

	"github.com/cilium/ebpf/ringbuf"

	"hairpin/engine/datapath"
	"hairpin/engine/reason"
)

// Drop is one dropped packet of many: of each reason some in a second are told, from all of it alike.
type Drop struct {
	Reason   reason.Reason
	Chain    int // number
	VIP      uint16
	Protocol uint8 // IANA number
	Src, Dst netip.AddrPort
	TCPFlags uint8
	Bytes    int // of the frame
	OneIn    int // of so many drops for this reason it is one
}

// Reader reads drops until it is closed. Only the owner has one.
type Reader struct{ ring *ringbuf.Reader }

// Open reads the events of k, beginning with what is left in the buffer.
func Open(k *datapath.Kernel) (*Reader, error) {
	ring, err := k.Events()
	if err != nil {
		return nil, err
	}
	return &Reader{ring}, nil
}

// Close makes Read return os.ErrClosed.
func (r *Reader) Close() error { return r.ring.Close() }

// Read waits for the next drop. A record that cannot be read is skipped.
func (r *Reader) Read() (Drop, error) {
	for {
		raw, err := r.ring.Read()
		if errors.Is(err, ringbuf.ErrClosed) {
			return Drop{}, os.ErrClosed
		}
		if err != nil {
			return Drop{}, fmt.Errorf("read events: %w", err)
		}
		if d, ok := Decode(raw.RawSample); ok {
			return d, nil
		}
	}
}

// Decode reads one record of the ring buffer.
func Decode(raw []byte) (Drop, bool) {
	var e datapath.DropEvent
	if len(raw) < int(unsafe.Sizeof(e)) {
		return Drop{}, false
	}
	copy(unsafe.Slice((*byte)(unsafe.Pointer(&e)), unsafe.Sizeof(e)), raw)
	why, ok := reason.ByID(int(e.Reason))
	if !ok {
		return Drop{}, false
	}
	d := Drop{Reason: why, Chain: int(e.Chain), VIP: e.VIP, Protocol: e.L4Proto, TCPFlags: e.TCPFlags, Bytes: int(e.Bytes), OneIn: int(e.OneIn)}
	src, dst := uint16(e.SrcPort[0])<<8|uint16(e.SrcPort[1]), uint16(e.DstPort[0])<<8|uint16(e.DstPort[1])
	switch e.Family {
	case 4:
		d.Src = netip.AddrPortFrom(netip.AddrFrom4([4]byte(e.Src[:4])), src)
		d.Dst = netip.AddrPortFrom(netip.AddrFrom4([4]byte(e.Dst[:4])), dst)
	case 6:
		d.Src = netip.AddrPortFrom(netip.AddrFrom16(e.Src), src)
		d.Dst = netip.AddrPortFrom(netip.AddrFrom16(e.Dst), dst)
	}
	return d, true
}

// String is the packet in one line, such as "tcp 198.51.100.7:40000 > 10.99.0.1:80 SA, 60 bytes".
func (d Drop) String() string {
	if !d.Src.IsValid() {
		return fmt.Sprintf("not IP, %d bytes", d.Bytes)
	}
	switch d.Protocol {
	case 6:
		return fmt.Sprintf("tcp %s > %s %s, %d bytes", d.Src, d.Dst, flags(d.TCPFlags), d.Bytes)
	case 17:
		return fmt.Sprintf("udp %s > %s, %d bytes", d.Src, d.Dst, d.Bytes)
	}
	return fmt.Sprintf("protocol %d %s > %s, %d bytes", d.Protocol, d.Src.Addr(), d.Dst.Addr(), d.Bytes)
}

func flags(bits uint8) string {
	text := ""
	for i, letter := range "FSRPAUEC" {
		if bits>>i&1 != 0 {
			text += string(letter)
		}
	}
	if text == "" {
		return "no flags"
	}
	return text
}

// size are the words for a payload that fills the frame behind Ethernet, IP and so many bytes of the transport's header, if it is
// more than its options may be. Without them what was dropped for its size would seem to fit.
func (d Drop) size(transport, options int) string {
	const ethernet, four, six = 14, 20, 40
	network := four
	if d.Src.Addr().Is6() {
		network = six
	}
	text := ""
	if n := d.Bytes - ethernet - network - transport; n > options {
		text = fmt.Sprintf(" len %d", n)
	}
	if d.Reason.Name == "too_big_told" && network == four { // others are told nothing
		text += " df"
	}
	return text
}

// Packet is one that is like the dropped one as far as that is known, as a trace takes it; empty where that is not enough.
func (d Drop) Packet() string {
	switch {
	case !d.Src.IsValid():
	case d.Protocol == 6 && d.TCPFlags != 0:
		return fmt.Sprintf("tcp %s > %s %s", d.Src, d.Dst, flags(d.TCPFlags)) + d.size(20, 40)
	case d.Protocol == 17:
		return fmt.Sprintf("udp %s > %s", d.Src, d.Dst) + d.size(8, 0)
	case d.Protocol == 1:
		return fmt.Sprintf("icmp %s > %s", d.Src.Addr(), d.Dst.Addr())
	case d.Protocol == 58:
		return fmt.Sprintf("icmp6 %s > %s", d.Src.Addr(), d.Dst.Addr())
	}
	return ""
}
