package tcpflows

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Bytes of struct inet_diag_req_v2, and where its parts are.
const (
	askBytes  = 56
	askStates = 4
	askPorts  = 8
	askSource = 12
	askDest   = 28
	askCookie = 48
)

// Taker is the state of the socket that takes a packet from src to dst, of TCP or UDP, in the network namespace of the calling
// thread: of a connection with these ends, else listen; of UDP bound. Empty where there is none.
func Taker(protocol uint8, src, dst netip.AddrPort) (string, error) {
	here, there := dst, src
	if protocol == unix.IPPROTO_UDP { // there the kernel has them the other way round
		here, there = src, dst
	}
	ask := make([]byte, askBytes)
	ask[0], ask[1] = unix.AF_INET, protocol
	if dst.Addr().Is6() {
		ask[0] = unix.AF_INET6
	}
	for i := range 4 {
		ask[askStates+i] = 0xff
	}
	binary.BigEndian.PutUint16(ask[askPorts:], here.Port())
	binary.BigEndian.PutUint16(ask[askPorts+2:], there.Port())
	copy(ask[askSource:], here.Addr().AsSlice())
	copy(ask[askDest:], there.Addr().AsSlice())
	for i := askCookie; i < askBytes; i++ {
		ask[i] = 0xff // whichever it is
	}
	r := nl.NewNetlinkRequest(nl.SOCK_DIAG_BY_FAMILY, 0)
	r.AddRawData(ask)
	answers, err := r.Execute(unix.NETLINK_INET_DIAG, nl.SOCK_DIAG_BY_FAMILY)
	switch {
	case errors.Is(err, unix.ENOENT):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("ask for the socket of %s: %w", dst, err)
	case len(answers) != 1 || len(answers[0]) < 2:
		return "", fmt.Errorf("ask for the socket of %s: %d answers", dst, len(answers))
	case protocol == unix.IPPROTO_UDP:
		return "bound", nil
	}
	if state := int(answers[0][1]); state < len(states) {
		return states[state], nil
	}
	return "", fmt.Errorf("ask for the socket of %s: a state of number %d", dst, answers[0][1])
}
