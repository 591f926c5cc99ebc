package nexthop

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// groups are the kinds of news that can change a next hop.
var groups = [...]int{
	unix.RTNLGRP_LINK, unix.RTNLGRP_NEIGH, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR,
	unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE, unix.RTNLGRP_IPV4_RULE, unix.RTNLGRP_IPV6_RULE,
}

// face is what of a neighbour entry others can tell: an entry that is asked for again and answers the same is the same.
type face struct {
	state State // Stale stands for all that is usable
	mac   string
}

func (n neighbour) face(known bool) face {
	switch s := n.state(known); s {
	case Reachable, Stale, Permanent:
		return face{Stale, n.mac}
	default:
		return face{s, ""}
	}
}

// Watch signals when a route, an address or a NIC changed, or what can be told about a next hop of the last ResolveAll:
// its MAC, or whether it is usable. The channel holds one signal. News that got lost are a signal too. The channel is
// closed when ctx or the resolver ends.
func (r *Resolver) Watch(ctx context.Context) <-chan struct{} {
	w := make(chan struct{}, 1)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		close(w)
		return w
	}
	r.watchers[w] = true
	context.AfterFunc(ctx, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.watchers[w] {
			delete(r.watchers, w)
			close(w)
		}
	})
	return w
}

// subscribe is a socket that hears all groups, in the network namespace of the calling thread.
func subscribe() (*os.File, error) {
	fd, err := openSocket(unix.SOCK_NONBLOCK)
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		if err := unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, g); err != nil {
			unix.Close(fd)
			return nil, fmt.Errorf("subscribe to netlink group %d: %w", g, err)
		}
	}
	return os.NewFile(uintptr(fd), "netlink"), nil
}

// listen turns news into signals until the socket is closed.
func (r *Resolver) listen() {
	defer close(r.done)
	defer r.hangUp()
	buf := make([]byte, 64<<10)
	for {
		n, err := r.events.Read(buf)
		switch {
		case errors.Is(err, unix.ENOBUFS): // the kernel had more to tell than fits
			r.signal()
		case err != nil:
			return
		default:
			r.hear(buf[:n])
		}
	}
}

func (r *Resolver) hear(data []byte) {
	for m, err := range messages(data) {
		if err != nil || r.concerns(m) {
			r.signal()
		}
	}
}

// concerns tells whether m may change a next hop that somebody asked about.
func (r *Resolver) concerns(m message) bool {
	switch m.kind {
	case unix.RTM_NEWLINK:
		index, l, ok := parseLink(m.body)
		if !ok || m.body[0] != unix.AF_UNSPEC { // a bridge's or a family's own view
			return false
		}
		l.flags &= unix.IFF_UP | unix.IFF_RUNNING
		r.mu.Lock()
		defer r.mu.Unlock()
		was, known := r.nics[index]
		r.nics[index] = l
		return !known || was != l
	case unix.RTM_DELLINK:
		index, _, ok := parseLink(m.body)
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.nics, index)
		return ok && m.body[0] == unix.AF_UNSPEC
	case unix.RTM_NEWNEIGH, unix.RTM_DELNEIGH:
		h, n, ok := parseNeighbour(m.body)
		return ok && r.met(h, n.face(m.kind == unix.RTM_NEWNEIGH))
	case unix.RTM_NEWROUTE, unix.RTM_DELROUTE:
		return !cloned(m.body)
	}
	return true // addresses, rules
}

// cloned tells whether a route's message is about what was learned for one destination, such as a path MTU.
func cloned(body []byte) bool {
	return len(body) >= unix.SizeofRtMsg && binary.NativeEndian.Uint32(body[8:])&unix.RTM_F_CLONED != 0
}

// met notes a neighbour event and tells whether it is news to those who asked about h.
func (r *Resolver) met(h hop, f face) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	was, asked := r.shown[h]
	if !asked {
		r.passed++
		return false
	}
	r.shown[h] = f
	return was != f
}

// heard is how many neighbour events concerned nobody so far.
func (r *Resolver) heard() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.passed
}

// show notes what is told about the next hops of l. What happened since passed was read may concern them.
func (r *Resolver) show(l *look, passed uint64) {
	shown := map[hop]face{}
	for h := range l.hops() {
		n, known := l.neighbours[h]
		shown[h] = n.face(known)
	}
	r.mu.Lock()
	r.shown = shown
	missed := r.passed != passed
	r.mu.Unlock()
	if missed {
		r.signal()
	}
}

func (r *Resolver) signal() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for w := range r.watchers {
		select {
		case w <- struct{}{}:
		default:
		}
	}
}

func (r *Resolver) hangUp() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	for w := range r.watchers {
		close(w)
	}
	clear(r.watchers)
}
