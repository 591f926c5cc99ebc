package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"hairpin/engine/arms"
	"hairpin/engine/spec"
)

// maxClients is how many connections there may be at a time; half of them are for those alone who may change the node.
const maxClients = 64

// host is an engine that others may use.
type host interface {
	Node
	// as is what one of several parties may ask, each by what it holds.
	as(arms.Party) Verbs
	// doors decides who may ask what.
	doors() *guard
}

// server is one listening socket. Whoever may open it may look and plan; what else one may is the guard's word. A client
// that is slow, silent or hostile takes nobody's time but its own: each connection has goroutines of its own, and none of
// them is waited for by the node. The process owns the node, so a socket that nobody listens on any more is a dead
// predecessor's and is replaced.
type server struct {
	node      host
	group     *group
	peer      func(*net.UnixConn) (peer, error)
	patience  time.Duration // with a client that is slow
	observers bool          // everybody may open it
	lookers   chan struct{} // holds one while a client that may only look is served: together they take the time of one
	operators chan struct{} // the same for operators of tenants

	mu      sync.Mutex
	clients map[*session]bool
	picture picture
	opened  bool // everybody may open the socket, since the spec has tenants
}

// picture is the newest state as bytes, made once for all clients, and only while there are any.
type picture struct {
	state     *State
	of        *State // of which state is a part, for an operator
	frame     []byte
	spec      *spec.Spec
	specFrame []byte
}

func newServer(n host) *server {
	return &server{node: n, group: newGroup(), peer: credentials, patience: frameTime, lookers: make(chan struct{}, 1), operators: make(chan struct{}, 1),
		clients: map[*session]bool{}}
}

func (s *server) serve(ctx context.Context, path string) error {
	l, err := listen(ctx, path, s.access(), s.patience/2) // less than a server waits for a client that says nothing
	if err != nil {
		return fmt.Errorf("listen on %s: %w", path, err)
	}
	return s.serveOn(ctx, l)
}

func (s *server) access() access { return access{s.group.find(), s.observers} }

// serveOn answers on l until ctx ends.
func (s *server) serveOn(ctx context.Context, l *listener) error {
	var all sync.WaitGroup
	defer all.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	defer l.close()
	context.AfterFunc(ctx, l.close)
	s.reopen(l.path)
	all.Go(func() { s.follow(ctx, l.path) })
	for {
		c, err := l.AcceptUnix()
		switch {
		case ctx.Err() != nil:
			if c != nil {
				c.Close()
			}
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("listen on %s: %w", l.path, err)
		case err != nil: // such as no free descriptor: it may pass
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
		default:
			all.Go(func() { s.attend(ctx, c) })
		}
	}
}

// follow passes the node's signal on to every client.
func (s *server) follow(ctx context.Context, path string) {
	changed := s.node.Changed()
	for {
		select {
		case <-ctx.Done():
			return
		case _, open := <-changed:
			s.reopen(path)
			s.mu.Lock()
			for c := range s.clients {
				c.wake()
			}
			s.mu.Unlock()
			if !open {
				return
			}
		}
	}
}

// reopen lets everybody open the socket while the spec has tenants: who is none of their operators is told so and sent away.
func (s *server) reopen(path string) {
	state := s.node.State()
	open := state != nil && state.Spec != nil && len(state.Spec.Tenants) > 0
	s.mu.Lock()
	defer s.mu.Unlock()
	if open == s.opened {
		return
	}
	a := s.access()
	a.everyone = a.everyone || open
	if a.give(path) == nil {
		s.opened = open
	}
}

// stranger says why one who may not change the node may not look at it either; empty when he may.
func (s *server) stranger() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.observers || !s.opened {
		return ""
	}
	return "this node is for root, the group " + armsGroup + " and the operators of its tenants"
}

// admit makes room for a client, or says why there is none.
func (s *server) admit(c *session) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	room := maxClients
	if c.party.Barred != "" {
		room /= 2
	}
	if len(s.clients) >= room {
		return fmt.Sprintf("%d others look at this node already, more than that it does not serve", len(s.clients))
	}
	s.clients[c] = true
	return ""
}

func (s *server) leave(c *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.clients, c)
	if len(s.clients) == 0 {
		s.picture = picture{} // nobody looks
	}
}

// newest is the frame of the newest state and the one of its spec; nothing before there is a state.
func (s *server) newest() picture {
	s.mu.Lock()
	defer s.mu.Unlock()
	state := s.node.State()
	if state == nil || state == s.picture.state {
		return s.picture
	}
	p := picture{state: state, spec: s.picture.spec, specFrame: s.picture.specFrame}
	if p.specFrame == nil || p.spec != state.Spec {
		p.spec, p.specFrame = state.Spec, specFrame(state.Spec)
	}
	p.frame = pictured(state)
	s.picture = p
	return p
}

func specFrame(s *spec.Spec) []byte {
	text := string(spec.Marshal(s))
	f, _ := frame(news{Spec: &text}) // a string always encodes
	return f
}

// pictured is the frame of s, or of why there is none.
func pictured(s *State) []byte {
	f, err := encode(s)
	if err != nil {
		f, _ = frame(news{Fault: faultOf(fmt.Errorf("encode state: %w", err))})
	}
	return f
}

func encode(s *State) ([]byte, error) {
	w, err := show(s)
	if err != nil {
		return nil, err
	}
	f, err := frame(news{Shown: w})
	if err == nil && len(f) > maxNews {
		err = fmt.Errorf("%d bytes, the limit is %d", len(f), maxNews)
	}
	return f, err
}

// refuse answers the first frame of a client that is not served.
func refuse(c net.Conn, deadline time.Time, why string) {
	f, err := frame(hello{Protocol: protocol, Refused: why})
	if err == nil && c.SetWriteDeadline(deadline) == nil {
		_, _ = c.Write(f) // it is told if it listens
	}
}
