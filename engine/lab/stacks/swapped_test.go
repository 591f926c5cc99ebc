package stacks

import (
	"errors"
	"net"
	"sync/atomic"
	"time"
)

// swapped is a socket that can be replaced while others read and write, as behind a NAT whose ports change.
type swapped struct{ now atomic.Pointer[net.UDPConn] }

func (s *swapped) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		c := s.now.Load()
		n, from, err := c.ReadFrom(b)
		if errors.Is(err, net.ErrClosed) && s.now.Load() != c {
			continue
		}
		return n, from, err
	}
}

func (s *swapped) WriteTo(b []byte, to net.Addr) (int, error) {
	n, err := s.now.Load().WriteTo(b, to)
	if errors.Is(err, net.ErrClosed) { // it was closed in between: the datagram is lost
		return len(b), nil
	}
	return n, err
}

func (s *swapped) Close() error                       { return s.now.Load().Close() }
func (s *swapped) LocalAddr() net.Addr                { return s.now.Load().LocalAddr() }
func (s *swapped) SetDeadline(t time.Time) error      { return s.now.Load().SetDeadline(t) }
func (s *swapped) SetReadDeadline(t time.Time) error  { return s.now.Load().SetReadDeadline(t) }
func (s *swapped) SetWriteDeadline(t time.Time) error { return s.now.Load().SetWriteDeadline(t) }
