package engine

import (
	"context"
	"errors"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

// TestConnections: who sends is found by samples while somebody asks, with the backend and the state of each connection, also
// through a change, and nothing goes on afterwards.
func TestConnections(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	w := newWire(t, "eth0")
	o := running(t, p)
	mustApply(t, o, parse(t, lbSpec), 0)
	ask := func(r ConnectionsRequest) *Connections {
		t.Helper()
		c, err := o.Connections(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	r := ConnectionsRequest{By: "source", Sort: "new", Filter: "vip web"}
	seen := func() {
		t.Helper()
		until(t, o, "the client is known", func(*State) bool {
			w.sendTCP(t, "eth0", "10.99.0.1", 20, "S")
			w.sendTCP(t, "eth0", "10.99.0.2", 5, "S") // no VIP
			c := ask(r)
			if len(c.Talkers) == 0 || c.Talkers[0].New == 0 || len(c.Flows) == 0 {
				return false
			}
			f := c.Flows[0]
			if f.VIP != "web" || !f.Backend.IsValid() || f.Verdict != "forward" || f.State != "syn" || f.Flows != 1 || c.Wanted >= c.Known || c.OneIn != 1 {
				t.Errorf("%+v of %+v", f, c)
			}
			if c.Talkers[0].PPS < c.Talkers[0].New || c.Talkers[0].PPSOff > c.Talkers[0].PPS {
				t.Errorf("%+v", c.Talkers[0])
			}
			return true
		})
	}
	seen()
	mustApply(t, o, setWeightOn(t, o, 50), 0)
	seen()
	traced, err := o.Trace(t.Context(), TraceRequest{Packet: "flows"})
	if err != nil || !slices.ContainsFunc(traced.Packets, func(p Traced) bool { return p.Now.Verdict == "forward" && p.Now.VIP == "web" }) {
		t.Errorf("a packet of each connection: %+v %v", traced, err)
	}
	c := ask(ConnectionsRequest{Group: "vip", By: "backend"})
	if len(c.Flows) != 2 || c.Flows[0].Group != "web" || c.Flows[0].Flows < 2 || len(c.Talkers) == 0 {
		t.Errorf("by VIP %+v", c)
	}
	o.talkPace.turn <- struct{}{} // another one is answered
	hasty, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := o.Connections(hasty, r); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("an answer out of turn: %v", err)
	}
	<-o.talkPace.turn
	ask(r)
	if st := o.State(); len(st.Captures) > 0 {
		t.Errorf("samples are shown as captures: %+v", st.Captures)
	}
	inside(t, o, func() {
		for _, x := range o.captures.at {
			if x != nil {
				x.read = time.Now().Add(-3 * CaptureLease)
			}
		}
	})
	until(t, o, "nothing is sampled any more", func(*State) bool { return !o.captures.any() })
	inside(t, o, func() { o.glances = glances{last: time.Now().Add(-glanceEvery)} })
	until(t, o, "a glance says who talked", func(s *State) bool {
		w.sendTCP(t, "eth0", "10.99.0.1", 200, "S")
		return s.Talkers != nil && len(s.Talkers.List) > 0 && s.Talkers.List[0].New > 0
	})
	until(t, o, "the glance is over", func(*State) bool { return !o.captures.any() })
	inside(t, o, o.captures.clearBook)
	alone := make(chan error, 1)
	go func() {
		_, err := o.Trace(t.Context(), TraceRequest{Packet: "flows"})
		alone <- err
	}()
	until(t, o, "a trace has packets sampled where none were", func(*State) bool {
		w.sendTCP(t, "eth0", "10.99.0.1", 20, "S")
		select {
		case err := <-alone:
			if err != nil {
				t.Error(err)
			}
			return true
		default:
			return false
		}
	})
	for _, r := range []ConnectionsRequest{{By: "colour"}, {Sort: "age"}, {Group: "x"}, {Filter: "vip"}, {Most: 5000}} {
		if _, err := o.Connections(t.Context(), r); !errors.Is(err, ErrInvalid) {
			t.Errorf("%+v: %v", r, err)
		}
	}
}

// TestSockets: connections that end on this host are listed from the engine's network namespace.
func TestSockets(t *testing.T) {
	t.Parallel()
	o := running(t, privateNode(t))
	if err := netlink.LinkSetUp(nic(t, "lo")); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	c, err := o.Connections(t.Context(), ConnectionsRequest{Sockets: true})
	if err != nil {
		t.Fatal(err)
	}
	if c.SocketsOpen != 2 || len(c.Sockets) != 2 || c.Sockets[0].State != "established" {
		t.Errorf("%+v", c)
	}
}

// TestRemoteConnections: it is the same over the socket, for those who may only look too.
func TestRemoteConnections(t *testing.T) {
	node, path := newFake(), socketPath(t)
	serve(t, path, node, uid(stranger))
	c, err := dial(t, path).Connections(t.Context(), ConnectionsRequest{By: "vip"})
	if err != nil || c.OneIn != 3 || len(c.Talkers) != 1 || c.Talkers[0].PPS != 5 || c.Flows[0].Src.String() != "198.51.100.7:1" {
		t.Errorf("%+v %v", c, err)
	}
	if calls := node.all(); len(calls) != 1 || calls[0] != "connections by vip" {
		t.Errorf("the node was asked %v", calls)
	}
}

// TestGlanceDue: a glance is taken each minute, sooner where there is suddenly more, and not of next to nothing.
func TestGlanceDue(t *testing.T) {
	start := time.Unix(1000, 0)
	g := glances{last: start, pps: 1000, seen: &Talkers{Time: start}}
	for _, row := range []struct {
		after time.Duration
		pps   float64
		due   bool
	}{{glanceEvery, 100, true}, {glanceEvery, 99, false}, {glanceEvery - 1, 1999, false}, {glanceAgain, 2000, true}, {glanceAgain - 1, 9000, false}} {
		if due := g.due(start.Add(row.after), row.pps); due != row.due {
			t.Errorf("%v after the last with %.0f packets a second: %v", row.after, row.pps, due)
		}
	}
	if g.show(start.Add(glanceKeeps)) == nil || g.show(start.Add(glanceKeeps+1)) != nil {
		t.Error("what a glance saw is shown too long, or not long enough")
	}
}
