package nexthop

import (
	"encoding/binary"
	"errors"
	"iter"
	"net/netip"

	"golang.org/x/sys/unix"
)

var errShort = errors.New("the kernel's message is cut off")

// message is one netlink message as it came.
type message struct {
	kind, flags uint16
	seq         uint32
	body        []byte
}

// errno is the error that an NLMSG_ERROR carries, nil for an acknowledgement.
func (m message) errno() error {
	if len(m.body) < 4 {
		return errShort
	}
	if code := int32(binary.NativeEndian.Uint32(m.body)); code != 0 {
		return unix.Errno(-code)
	}
	return nil
}

// messages yields what a datagram holds.
func messages(data []byte) iter.Seq2[message, error] {
	return func(yield func(message, error) bool) {
		for len(data) > 0 {
			if len(data) < unix.SizeofNlMsghdr {
				yield(message{}, errShort)
				return
			}
			n := int(binary.NativeEndian.Uint32(data))
			if n < unix.SizeofNlMsghdr || n > len(data) {
				yield(message{}, errShort)
				return
			}
			m := message{
				kind: binary.NativeEndian.Uint16(data[4:]), flags: binary.NativeEndian.Uint16(data[6:]),
				seq: binary.NativeEndian.Uint32(data[8:]), body: data[unix.SizeofNlMsghdr:n],
			}
			if !yield(m, nil) {
				return
			}
			data = data[min(aligned(n), len(data)):]
		}
	}
}

// attributes yields type and value of each attribute after the fixed part of a message, which is header bytes long.
func attributes(body []byte, header int) iter.Seq2[uint16, []byte] {
	const typeMask = 1<<14 - 1 // above are the flags "nested" and "network byte order"
	return func(yield func(uint16, []byte) bool) {
		for b := body[min(aligned(header), len(body)):]; len(b) >= unix.SizeofRtAttr; {
			n := int(binary.NativeEndian.Uint16(b))
			if n < unix.SizeofRtAttr || n > len(b) {
				return
			}
			if !yield(binary.NativeEndian.Uint16(b[2:])&typeMask, b[unix.SizeofRtAttr:n]) {
				return
			}
			b = b[min(aligned(n), len(b)):]
		}
	}
}

// request is a message to the kernel: its fixed part, then attributes. The sequence number is written when it is sent.
func request(kind, flags uint16, fixed []byte, attrs ...[]byte) []byte {
	m := make([]byte, unix.SizeofNlMsghdr, 64)
	binary.NativeEndian.PutUint16(m[4:], kind)
	binary.NativeEndian.PutUint16(m[6:], flags|unix.NLM_F_REQUEST)
	m = append(m, fixed...)
	for _, a := range attrs {
		m = append(m, a...)
	}
	binary.NativeEndian.PutUint32(m, uint32(len(m)))
	return m
}

func attribute(kind uint16, value []byte) []byte {
	a := make([]byte, aligned(unix.SizeofRtAttr+len(value)))
	binary.NativeEndian.PutUint16(a, uint16(unix.SizeofRtAttr+len(value)))
	binary.NativeEndian.PutUint16(a[2:], kind)
	copy(a[unix.SizeofRtAttr:], value)
	return a
}

func attribute32(kind uint16, value uint32) []byte {
	return attribute(kind, binary.NativeEndian.AppendUint32(nil, value))
}

// number is an attribute of 32 bits, 0 when it has another size.
func number(value []byte) uint32 {
	if len(value) != 4 {
		return 0
	}
	return binary.NativeEndian.Uint32(value)
}

func address(value []byte) netip.Addr {
	a, _ := netip.AddrFromSlice(value)
	return a
}

func family(a netip.Addr) uint8 {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// aligned rounds up to the boundary on which messages and attributes begin.
func aligned(n int) int { return (n + 3) &^ 3 }
