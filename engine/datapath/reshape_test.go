package datapath

import (
	"maps"
	"net/netip"
	"testing"
	"time"

	"hairpin/engine/maglev"
	"hairpin/engine/spec"
)

// without is the ring of a VIP in which some of its backends have no slots.
func (n *node) without(t testing.TB, vip string, out ...string) []uint16 {
	t.Helper()
	c := n.vip(t, vip)
	entries := make([]maglev.Entry, 0, len(c.IDs))
	for i, b := range c.Spec.Backends {
		e := maglev.Entry{ID: c.IDs[i], Key: b.Address, Weight: b.Weight}
		for _, o := range out {
			if b.Address.String() == o {
				e.Weight = 0
			}
		}
		entries = append(entries, e)
	}
	ring := make([]uint16, c.Spec.Ring)
	if err := new(maglev.Builder).Build(ring, entries); err != nil {
		t.Fatal(err)
	}
	return ring
}

// reshape takes backends out of the ring of a VIP in the active generation and the confirmed one, as health does.
func (n *node) reshape(t testing.TB, vip string, out ...string) {
	t.Helper()
	ring, c := n.without(t, vip, out...), n.Control()
	for _, g := range []uint32{c.Active, c.Confirmed} {
		if _, err := n.Reshape(int(g), &n.vip(t, vip).Spec, ring); err != nil {
			t.Fatal(err)
		}
	}
	for i, b := range n.vip(t, vip).Spec.Backends {
		id, is := n.vip(t, vip).IDs[i], false
		for _, o := range out {
			is = is || o == b.Address.String()
		}
		n.SetOut(id, is)
		n.MarkBackend(id, b.TakesNew(), false)
	}
}

// TestReshape: a backend that is out takes no new flow, its old ones stay, and so do all others, there and back again.
func TestReshape(t *testing.T) {
	t.Parallel()
	for _, vip := range []string{"web", "game"} {
		n := newNode(t, settleSpec)
		all := n.clients(vip, 300)
		begin := func(list []*client) map[*client]netip.Addr {
			if vip == "web" {
				return connected(t, list)
			}
			homes := map[*client]netip.Addr{}
			for _, c := range list {
				homes[c] = c.send(t, "")
			}
			return homes
		}
		homes, out := begin(all[:100]), addr("10.1.1.2")
		n.reshape(t, vip, "10.1.1.2")
		stay(t, vip+": after one is out", homes)
		during := begin(all[100:200])
		for c, home := range during {
			if vip == "web" && home == out {
				t.Errorf("%v began on the backend that is out", c)
			}
		}
		maps.Copy(homes, during)
		n.reshape(t, vip)
		stay(t, vip+": after it is back", homes)
		back := 0
		for _, home := range begin(all[200:]) {
			if home == out {
				back++
			}
		}
		if back == 0 {
			t.Errorf("%s: no new flow begins on the backend that is back", vip)
		}
		if n.Settlings()[0].Slots == 0 {
			t.Errorf("%s does not settle", vip)
		}
	}
}

// TestReshapeWhileUnconfirmed: the generation that the kernel would go back to leads to no dead backend either, and the
// flows of both are found on the way back.
func TestReshapeWhileUnconfirmed(t *testing.T) {
	t.Parallel()
	n := newNode(t, settleSpec)
	all := n.clients("web", 300)
	homes := connected(t, all[:100])
	n.edit(t, time.Hour, func(s *spec.Spec) (*spec.Spec, error) { return spec.SetWeight(s, "web", addr("10.1.1.1"), 300) })
	deadline := n.Control().Deadline
	n.reshape(t, "web", "10.1.1.2")
	maps.Copy(homes, connected(t, all[100:200]))
	stay(t, "while unconfirmed", homes)
	if c := n.Control(); c.Pending == 0 || c.Deadline != deadline {
		t.Errorf("the change waits no more, or for another time: %+v", c)
	}
	if err := n.Revert(); err != nil {
		t.Fatal(err)
	}
	stay(t, "after going back", homes)
	for _, c := range all[200:] {
		if home := c.connect(t); home == addr("10.1.1.2") {
			t.Errorf("after going back %v began on the backend that is out", c)
		}
	}
}

// TestReshapeGivesBack: rings that were left are used again, and a spec that is applied next keeps the ring that health made.
func TestReshapeGivesBack(t *testing.T) {
	t.Parallel()
	n := newNode(t, settleSpec)
	places := map[uint32]bool{}
	for i := range 40 {
		n.reshape(t, "web", []string{"10.1.1.1", "10.1.1.2"}[i%2])
		for j := range n.store.resting {
			n.store.resting[j].until = 0 // as a second later
		}
		n.Retire()
		places[n.Rings()[n.vip(t, "web").Num]] = true
	}
	if len(places) > 4 {
		t.Errorf("40 rings lay in %d places", len(places))
	}
	n.setState(t, "dns", "10.1.1.3", spec.Drain)
	for _, c := range n.clients("web", 100) {
		if c.connect(t) == addr("10.1.1.2") {
			t.Fatalf("after a change of another VIP %v began on a backend that is out", c)
		}
	}
	if !n.Out(n.id(t, "web", "10.1.1.2")) {
		t.Error("after a change the backend is not out any more")
	}
}
