// Package mirror sends copies of packets to collectors: in VXLAN (RFC 7348), or in GUE, variant 1.
package mirror

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Sender sends copies to one collector. It is for one goroutine; its counts are for any.
type Sender struct {
	conn  *net.UDPConn
	vxlan bool
	head  [vxlanHead]byte
	buf   []byte

	sent, unsent atomic.Uint64
	failed       atomic.Pointer[failure]
}

const vxlanHead = 8

// failure is a copy that could not be sent, or that nobody listened for.
type failure struct {
	why string
	at  time.Time
}

// failsFor is how long a failure counts. A collector that does not listen is known by an answer to some copies only.
const failsFor = 10 * time.Second

// errNoPacket is why GUE cannot have a frame: it has only what is within one.
var errNoPacket = errors.New("a frame without an IP packet cannot travel in gue: write encap: vxlan, or a match that leaves it out")

// VXLAN is a sender of whole frames, with a network identifier of 24 bits. Its datagrams carry mark.
func VXLAN(to netip.AddrPort, vni uint32, mark int) (*Sender, error) {
	s := &Sender{vxlan: true}
	s.head[0] = 1 << 3 // the identifier is valid
	binary.BigEndian.PutUint32(s.head[4:], vni<<8)
	return s, s.dial(to, mark)
}

// GUE is a sender of IP packets. Its datagrams carry mark.
func GUE(to netip.AddrPort, mark int) (*Sender, error) {
	s := &Sender{}
	return s, s.dial(to, mark)
}

func (s *Sender) dial(to netip.AddrPort, mark int) error {
	d := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		var failed error
		if err := c.Control(func(fd uintptr) { failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MARK, mark) }); err != nil {
			return err
		}
		return failed
	}}
	c, err := d.Dial("udp", to.String()) // returns at once: nothing is sent
	if err != nil {
		return fmt.Errorf("send copies to %s: %w", to, err)
	}
	s.conn = c.(*net.UDPConn)
	return nil
}

// Send sends one copy. l2 is where the IP packet begins in the frame, 0 where there is none.
func (s *Sender) Send(frame []byte, l2 int) {
	s.buf = s.buf[:0]
	switch {
	case s.vxlan:
		s.buf = append(append(s.buf, s.head[:]...), frame...)
	case l2 == 0:
		s.note(errNoPacket)
		return
	default:
		s.buf = append(s.buf, frame[l2:]...)
	}
	_, err := s.conn.Write(s.buf)
	if errors.Is(err, unix.ECONNREFUSED) { // what became of a copy before: nobody listens there, but somebody may capture
		s.fail(err)
		_, err = s.conn.Write(s.buf)
	}
	s.note(err)
}

func (s *Sender) note(err error) {
	if err == nil {
		s.sent.Add(1)
		return
	}
	s.unsent.Add(1)
	s.fail(err)
}

func (s *Sender) fail(err error) { s.failed.Store(&failure{err.Error(), time.Now()}) }

// Counts are how many copies were sent, and how many could not be.
func (s *Sender) Counts() (sent, unsent uint64) { return s.sent.Load(), s.unsent.Load() }

// Trouble is why a copy of late could not be sent; empty = all were.
func (s *Sender) Trouble(now time.Time) string {
	if f := s.failed.Load(); f != nil && now.Sub(f.at) < failsFor {
		return f.why
	}
	return ""
}

// Close ends it.
func (s *Sender) Close() error { return s.conn.Close() }
