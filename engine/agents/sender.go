package agents

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// Target is a load balancer to which reports go.
type Target struct {
	To   netip.AddrPort
	Sent uint64    // reports, whole as far as this host knows
	Last time.Time // when one was sent last; zero = never
	Why  string    // why the last one was not; empty = it was
}

// Sender sends reports. It is not safe for concurrent use.
type Sender struct {
	key     Key
	targets []Target
	conns   []net.Conn // nil: to be opened
}

// NewSender opens nothing yet: a target that cannot be reached is tried anew with each report.
func NewSender(key Key, to []netip.AddrPort) *Sender {
	s := &Sender{key: key, conns: make([]net.Conn, len(to))}
	for _, t := range to {
		s.targets = append(s.targets, Target{To: t, Why: "nothing was sent yet"})
	}
	return s
}

// Send sends one report to all targets.
func (s *Sender) Send(r Report, now time.Time) error {
	r.To = uint8(len(s.targets))
	parts, err := r.Sign(s.key)
	if err != nil {
		return err
	}
	for i := range s.targets {
		t := &s.targets[i]
		if err := s.send(i, parts); err != nil {
			t.Why = err.Error()
			continue
		}
		t.Sent, t.Last, t.Why = t.Sent+1, now, ""
	}
	return nil
}

// send writes each part. That nobody listens comes back as the error of a later part, which is not sent then.
func (s *Sender) send(i int, parts [][]byte) error {
	to := s.targets[i].To
	if s.conns[i] == nil {
		conn, err := net.Dial("udp", to.String())
		if err != nil {
			return fmt.Errorf("no way to %s: %w", to, cause(err))
		}
		s.conns[i] = conn
	}
	var refused error
	for _, part := range parts {
		_, err := s.conns[i].Write(part)
		if errors.Is(err, syscall.ECONNREFUSED) {
			refused = fmt.Errorf("nobody listens at %s: %w", to, syscall.ECONNREFUSED)
			_, err = s.conns[i].Write(part)
		}
		if err != nil && !errors.Is(err, syscall.ECONNREFUSED) {
			_ = s.conns[i].Close()
			s.conns[i] = nil // another way is looked for with the next report
			return fmt.Errorf("send to %s: %w", to, cause(err))
		}
	}
	return refused
}

// cause is the kernel's word without what net says about it.
func cause(err error) error {
	var no syscall.Errno
	if errors.As(err, &no) {
		return no
	}
	return err
}

// Targets are what became of the last report.
func (s *Sender) Targets() []Target { return append([]Target(nil), s.targets...) }

// Close ends it.
func (s *Sender) Close() {
	for _, c := range s.conns {
		if c != nil {
			_ = c.Close()
		}
	}
}
