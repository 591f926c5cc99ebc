package shells

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Session is one established connection to an SSH server of this node.
type Session struct {
	Local  netip.AddrPort
	Remote netip.AddrPort
}

// Sessions are the established connections to these local ports, in the network namespace of the calling thread. The kernel
// looks for them: other connections, however many, are not copied.
func Sessions(ports []uint16) ([]Session, error) {
	var list []Session
	for _, port := range ports {
		for _, family := range families {
			found, err := dump(family, established, port)
			if err != nil {
				return nil, fmt.Errorf("find SSH sessions: %w", err)
			}
			for _, s := range found {
				list = append(list, Session{s.local, s.remote})
			}
		}
	}
	return list, nil
}

// socket is what the kernel says of one.
type socket struct {
	local, remote netip.AddrPort
	inode         uint32
}

var families = [...]uint8{unix.AF_INET, unix.AF_INET6}

// States of TCP, as bits of a request.
const (
	established = 1 << 1
	listen      = 1 << 10
)

// attrBytecode is INET_DIAG_REQ_BYTECODE.
const attrBytecode = 1

// dumpTries bounds how often a list is asked for anew that changed while it was made. The last one is taken as it is.
const dumpTries = 5

// dump asks sock_diag(7) for the TCP sockets of a family and state, with a local port; 0 = with any.
func dump(family uint8, states uint32, port uint16) (list []socket, err error) {
	for try := range dumpTries {
		request := nl.NewNetlinkRequest(nl.SOCK_DIAG_BY_FAMILY, unix.NLM_F_DUMP)
		request.AddData(diagRequest{family, states})
		if port != 0 {
			request.AddData(nl.NewRtAttr(attrBytecode, onlyPort(port)))
		}
		messages, err := request.Execute(unix.NETLINK_INET_DIAG, 0)
		interrupted := errors.Is(err, nl.ErrDumpInterrupted)
		if err != nil && !interrupted {
			return nil, err
		}
		list = list[:0]
		for _, m := range messages {
			if s, ok := readSocket(m); ok {
				list = append(list, s)
			}
		}
		if !interrupted || try == dumpTries-1 {
			break
		}
	}
	return list, nil
}

// diagRequest is struct inet_diag_req_v2 without a particular socket.
type diagRequest struct {
	family uint8
	states uint32
}

func (r diagRequest) Len() int { return 56 }

func (r diagRequest) Serialize() []byte {
	b := make([]byte, r.Len())
	b[0], b[1] = r.family, unix.IPPROTO_TCP
	binary.NativeEndian.PutUint32(b[4:], r.states)
	return b
}

// onlyPort is a program for the kernel (struct inet_diag_bc_op): the local port is at least and at most port. A step that
// does not hold jumps behind the end, which is a no.
func onlyPort(port uint16) []byte {
	const atLeast, atMost, step, all = 2, 3, 8, 16
	var b []byte
	for i, code := range []byte{atLeast, atMost} {
		b = append(b, code, step)
		b = binary.NativeEndian.AppendUint16(b, uint16(all-i*step+4))
		b = append(b, 0, 0)
		b = binary.NativeEndian.AppendUint16(b, port)
	}
	return b
}

// readSocket reads struct inet_diag_msg.
func readSocket(m []byte) (s socket, ok bool) {
	if len(m) < 72 {
		return s, false
	}
	local, remote := m[8:24], m[24:40]
	if m[0] == unix.AF_INET {
		local, remote = local[:4], remote[:4]
	}
	address := func(b []byte, port []byte) netip.AddrPort {
		a, _ := netip.AddrFromSlice(b)
		return netip.AddrPortFrom(a.Unmap(), binary.BigEndian.Uint16(port))
	}
	return socket{address(local, m[4:6]), address(remote, m[6:8]), binary.NativeEndian.Uint32(m[68:72])}, true
}
