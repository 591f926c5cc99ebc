package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"hairpin/engine/handoff"
)

// dial is an observer of the engine that runs, for as long as this post lasts.
func (s *post) dial() (Node, error) {
	c, err := Dial(s.ctx, s.options.Paths)
	if err == nil {
		context.AfterFunc(s.ctx, func() { _ = c.Close() })
	}
	return c, err
}

// observe is an observer of the successor. It listens already, unless it has just died: then it is waited for.
func (s *post) observe() Node {
	for s.ctx.Err() == nil {
		if c, err := s.dial(); err == nil {
			return c
		}
		select {
		case <-s.ctx.Done():
		case <-time.After(firstPause):
		}
	}
	return nil
}

// taken is the engine that has taken the node over; nil when none has.
func (s *post) taken() Node {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.takeover
	if s.takeover = nil; o == nil {
		return nil
	}
	return o
}

// Handoff implements Node. Without a binary, one who observes takes the node over himself.
func (s *post) Handoff(ctx context.Context, r HandoffRequest) error {
	c, observes := s.node().(*client)
	if !r.Here || !observes {
		return s.node().Handoff(ctx, r)
	}
	if s.options.Drop != nil {
		s.options.Drop()
	}
	path := filepath.Join(s.options.Paths.Run, fmt.Sprintf("successor-%d.sock", os.Getpid()))
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("take over: %w", err)
	}
	l, err := makeSocket(path, access{})
	if err != nil {
		return fmt.Errorf("take over: listen on %s: %w", path, err)
	}
	defer l.close()
	r.Socket = path
	if err := c.Handoff(ctx, r); err != nil {
		return err
	}
	if err := l.SetDeadline(time.Now().Add(handoffPatience)); err != nil {
		return fmt.Errorf("take over: %w", err)
	}
	conn, err := l.AcceptUnix()
	if err != nil {
		return fmt.Errorf("take over: %w", err)
	}
	go s.takeNode(c, conn)
	return nil
}

// takeNode makes this process the owner. Whether it comes to it, State.Handoff shows.
func (s *post) takeNode(c *client, conn *net.UnixConn) {
	if s.ns.enter() != nil {
		conn.Close()
		return
	}
	o, err := s.succeed(handoff.NewStream(conn))
	if err != nil {
		conn.Close() // the owner shows why
		return
	}
	s.mu.Lock()
	s.takeover = o
	s.mu.Unlock()
	_ = c.Close()
}
