package engine_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"hairpin/engine"
	"hairpin/engine/lab"
	"hairpin/engine/spec"
)

// Loads that this machine carries with ease: new connections over both families, and connections that stay.
var (
	fresh   = lab.LoadConfig{For: time.Minute, New: 2000, Count: 20_000}
	lasting = lab.LoadConfig{For: 2 * time.Minute, Kept: 64, Pace: 50 * time.Millisecond, Datagrams: 200}
)

// TestEdits: what the node forwards without changes it forwards with a hundred of them, and loses nothing and moves
// nothing. All packets that its NIC received left for a reason.
func TestEdits(t *testing.T) {
	beside(t)
	n := up(t, 4, 3)
	node := n.dial(t)
	received, counted := n.accounts(t)
	kept := n.start(t, lasting)
	perfect(t, "control", n.start(t, fresh).end(t), 1, 2, 3)
	if t.Failed() {
		t.Fatal("this machine loses requests without any change")
	}
	requests := n.start(t, fresh)
	s, edits, took := node.State().Spec, 100, []time.Duration(nil)
	for i := 0; i < edits || !requests.isOver(); i++ {
		if requests.isOver() { // the machine is slow today
			perfect(t, "requests", requests.end(t), 1, 2, 3, 4)
			requests = n.start(t, fresh)
		}
		s = n.edit(t, s, i)
		took = append(took, apply(t, n.ctx, node, s).Took)
	}
	slices.Sort(took)
	t.Logf("%d edits, half of them within %v, the slowest in %v", len(took), took[len(took)/2], took[len(took)-1])
	perfect(t, "requests", requests.end(t), 1, 2, 3, 4)
	perfect(t, "connections that stay", kept.end(t))
	nowReceived, nowCounted := n.accounts(t)
	if nowReceived-received != nowCounted-counted || nowCounted-counted < 40_000 {
		t.Errorf("eth0 received %d packets, %d left for a reason", nowReceived-received, nowCounted-counted)
	}
}

// edit is the i-th edit: weights, drains of backends that have long connections, and a backend that is added, drained,
// and removed when its last connection has ended.
func (n *network) edit(t *testing.T, s *spec.Spec, i int) *spec.Spec {
	t.Helper()
	weight := func(backend int, w uint32) *spec.Spec {
		return edited(t, s, func(s *spec.Spec, vip string) (*spec.Spec, error) {
			return spec.SetWeight(s, vip, n.address(backend), w)
		})
	}
	state := func(backend int, state spec.State) *spec.Spec {
		return edited(t, s, func(s *spec.Spec, vip string) (*spec.Spec, error) {
			return spec.SetState(s, vip, n.address(backend), state)
		})
	}
	switch i % 10 {
	case 0:
		return weight(1, uint32(30+i))
	case 1:
		return edited(t, s, func(s *spec.Spec, vip string) (*spec.Spec, error) {
			return spec.AddBackend(s, vip, spec.Backend{Address: n.address(4), Weight: 100})
		})
	case 2:
		return weight(2, uint32(130+i))
	case 3:
		return state(1, spec.Drain)
	case 4:
		return weight(4, uint32(20+i))
	case 5:
		return state(1, spec.Up)
	case 6:
		return weight(3, 0)
	case 7:
		return state(4, spec.Drain)
	case 8:
		return weight(3, uint32(90+i))
	}
	n.rests(t, lab.Backend(4))
	return edited(t, s, func(s *spec.Spec, vip string) (*spec.Spec, error) { return spec.RemoveBackend(s, vip, n.address(4)) })
}

// accounts are the packets that lb's NIC has received, and those that left its chain for a reason, at rest.
func (n *network) accounts(t *testing.T) (received, counted uint64) {
	t.Helper()
	in := func() (sum uint64) {
		for _, r := range n.observe(t, lab.LB).Reasons {
			sum += r.Packets
		}
		return sum
	}
	for {
		before := in()
		received = n.received(t)
		if counted = in(); counted == before {
			return received, counted
		}
		if n.ctx.Err() != nil {
			t.Fatal("lb is never at rest")
		}
	}
}

// received is what the driver says.
func (n *network) received(t *testing.T) (packets uint64) {
	t.Helper()
	err := n.Do(lab.LB, func() error {
		text, err := os.ReadFile("/proc/thread-self/net/dev")
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(text)) {
			if nic, rest, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(nic) == lab.NIC {
				packets, err = strconv.ParseUint(strings.Fields(rest)[1], 10, 64)
				return err
			}
		}
		return fmt.Errorf("no %s in\n%s", lab.NIC, text)
	})
	if err != nil {
		t.Fatal(err)
	}
	return packets
}

// TestDrainAndRemove: connections on a drained backend go on while new ones go elsewhere, and a removed backend gets
// nothing from the moment that the change returns.
func TestDrainAndRemove(t *testing.T) {
	beside(t)
	n := up(t, 3, 3)
	node := n.dial(t)
	long := n.start(t, lab.LoadConfig{For: 30 * time.Minute, Kept: 64, Pace: 20 * time.Millisecond})
	changed := node.Changed()
	for vip := node.State().VIPs[0]; len(vip.Backends) < 3 || vip.Backends[1].Packets < 500; vip = node.State().VIPs[0] {
		<-changed
	}
	s := edited(t, node.State().Spec, func(s *spec.Spec, vip string) (*spec.Spec, error) {
		return spec.SetState(s, vip, n.address(2), spec.Drain)
	})
	apply(t, n.ctx, node, s)
	before := n.decapsulated(t, lab.Backend(2))
	short := lab.LoadConfig{For: time.Minute, New: 1000, Count: 2000, Datagrams: 200}
	perfect(t, "new connections while backend2 is drained", n.start(t, short).end(t), 1, 3)
	n.await(t, "the connections of the drained backend go on", func() bool { return n.decapsulated(t, lab.Backend(2)) >= before+500 })
	perfect(t, "connections that stay", long.end(t))
	n.removed(t, node, s, short)
}

// still waits until a backend has taken no packet for a moment, as one does to which nothing is sent, and returns how many it has taken.
func (n *network) still(t *testing.T, backend string) (packets uint64) {
	t.Helper()
	packets = n.decapsulated(t, backend)
	n.await(t, backend+" gets nothing more", func() bool {
		time.Sleep(300 * time.Millisecond)
		last := packets
		packets = n.decapsulated(t, backend)
		return packets == last
	})
	return packets
}

// removed takes backend3 away under a load.
func (n *network) removed(t *testing.T, node engine.Node, s *spec.Spec, c lab.LoadConfig) {
	t.Helper()
	datagrams := n.start(t, lab.LoadConfig{For: 30 * time.Minute, Datagrams: 1000})
	before := n.decapsulated(t, lab.Backend(3))
	for n.decapsulated(t, lab.Backend(3)) < before+100 && n.ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	s = edited(t, s, func(s *spec.Spec, vip string) (*spec.Spec, error) { return spec.RemoveBackend(s, vip, n.address(3)) })
	apply(t, n.ctx, node, s)
	atReturn := n.still(t, lab.Backend(3)) // what was sent to it before is on the way
	perfect(t, "new connections without backend3", n.start(t, c).end(t), 1)
	if now := n.decapsulated(t, lab.Backend(3)); now != atReturn {
		t.Errorf("backend3 got %d packets after it was removed", now-atReturn)
	}
	if r := datagrams.end(t); r.Echo.Failed != 0 || r.Echo.Asked == 0 {
		t.Errorf("%d of %d datagrams failed: %q", r.Echo.Failed, r.Echo.Asked, r.Echo.Errors)
	}
	for _, v := range node.State().VIPs {
		if i := len(v.Backends); i > 3 {
			t.Errorf("vip %s shows %d backends", v.Name, i)
		}
	}
}
