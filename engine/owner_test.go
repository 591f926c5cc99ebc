package engine

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"hairpin/engine/spec"
)

func TestApplyConfirmAndGoBack(t *testing.T) {
	p := privateNode(t)
	n := open(t, p)
	defer n.Close()
	ctx := context.Background()
	s := parse(t, lbSpec)
	first, err := n.Apply(ctx, ApplyRequest{Spec: s, Who: "test"})
	if err != nil {
		t.Fatal(err)
	}
	state := n.State()
	if state.Generation.Active != first.Generation || len(state.VIPs) != 1 || len(state.VIPs[0].Backends) != 2 {
		t.Fatalf("after the first apply: %+v", state)
	}
	drained, err := spec.SetState(s, "web", netip.MustParseAddr("10.1.0.11"), spec.Drain)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := n.Plan(ctx, drained)
	if err != nil || len(plan.Text) == 0 {
		t.Fatalf("plan %v, %v", plan, err)
	}
	if _, err := n.Apply(ctx, ApplyRequest{Spec: drained, Revision: plan.Revision, Deadline: shortly, Who: "test"}); err != nil {
		t.Fatal(err)
	}
	changed := n.Changed()
	limit := time.After(time.Minute)
	for n.State().Generation.Active != first.Generation || n.State().Spec.VIP("web").Backends[0].State != spec.Up {
		select {
		case <-changed:
		case <-limit:
			t.Fatalf("the kernel did not go back: %+v", n.State().Generation)
		}
	}
}

// TestNewVIPCountsFromZero: a number that was another VIP's does not bring that one's packets along.
func TestNewVIPCountsFromZero(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	w := newWire(t, "eth0")
	o := running(t, p)
	s := parse(t, lbSpec)
	mustApply(t, o, s, 0)
	forwards(t, p, w)
	none := s.Clone()
	none.VIPs = nil
	mustApply(t, o, none, 0)
	used := func() (n int) {
		inside(t, o, func() {
			world, err := o.kernel.World(o.spec)
			if err != nil {
				t.Error(err)
			}
			n = len(world.Nums)
		})
		return n
	}
	until(t, o, "the number rests no more", func(*State) bool { return used() == 1 }) // the agent's
	s.VIPs[0].Name = "new"
	mustApply(t, o, s, 0)
	if v := o.State().VIPs[0]; v.Packets != 0 || v.Backends[0].Packets+v.Backends[1].Packets != 0 {
		t.Errorf("a new VIP has %+v", v)
	}
	forwards(t, p, w)
	seen, err := Observe(p)
	if err != nil || seen.VIPs[0].Packets != 20 {
		t.Errorf("%v, %+v", err, seen.VIPs)
	}
}
