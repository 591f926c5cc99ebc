package lab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// echo answers every datagram with the backend's name, a newline and what was asked, from the address that was asked:
// left to the routes, an answer to a VIP would come from the backend's own address.
type echo struct {
	conn *net.UDPConn
	name string
}

// newEcho listens on every address of a family; network is udp4 or udp6.
func newEcho(network string, port int, name string) (*echo, error) {
	conn, err := net.ListenUDP(network, &net.UDPAddr{Port: port})
	if err != nil {
		return nil, err
	}
	e := &echo{conn: conn, name: name}
	if err := e.prepare(network); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return e, nil
}

// echoBuffer is room for some thousands of datagrams: so many may come while others have the CPU.
const echoBuffer = 8 << 20

// prepare makes the kernel say with each datagram which address it was sent to, and keep those that wait.
func (e *echo) prepare(network string) error {
	raw, err := e.conn.SyscallConn()
	if err != nil {
		return err
	}
	var set error
	err = raw.Control(func(fd uintptr) {
		roomy(int(fd))
		if network == "udp4" {
			set = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
		} else {
			set = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
		}
	})
	return errors.Join(err, set)
}

func (e *echo) close() error { return e.conn.Close() }

// run answers until the socket is closed.
func (e *echo) run() error {
	answer := make([]byte, len(e.name)+1+65536)
	head := copy(answer, e.name+"\n")
	control := make([]byte, 256)
	for {
		n, cn, _, from, err := e.conn.ReadMsgUDPAddrPort(answer[head:], control)
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("receive: %w", err)
		}
		source, err := replyFrom(control[:cn])
		if err != nil {
			return err
		}
		e.reply(answer[:head+n], source, from)
	}
}

// reply ignores errors: an asker who is not reachable is no reason to leave the others without answers.
func (e *echo) reply(answer, source []byte, to netip.AddrPort) {
	_, _, _ = e.conn.WriteMsgUDPAddrPort(answer, source, to)
}

// replyFrom turns the destination of a datagram into the control message that makes it the source of another. The
// interface is left open: a VIP is on lo, and the answer leaves elsewhere.
func replyFrom(control []byte) ([]byte, error) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return nil, fmt.Errorf("parse control message: %w", err)
	}
	for _, m := range messages {
		switch {
		case m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_PKTINFO && len(m.Data) >= unix.SizeofInet4Pktinfo:
			info := unix.Inet4Pktinfo{Spec_dst: [4]byte(m.Data[8:12])} // ifindex, spec_dst, addr
			return unix.PktInfo4(&info), nil
		case m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_PKTINFO && len(m.Data) >= unix.SizeofInet6Pktinfo:
			info := unix.Inet6Pktinfo{Addr: [16]byte(m.Data[:16])} // addr, ifindex
			return unix.PktInfo6(&info), nil
		}
	}
	return nil, nil
}
