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
	if _, err := n.Apply(ctx, ApplyRequest{Spec: drained, Revision: plan.Revision, Deadline: 200 * time.Millisecond, Who: "test"}); err != nil {
		t.Fatal(err)
	}
	changed := n.Changed()
	limit := time.After(10 * time.Second)
	for n.State().Generation.Active != first.Generation || n.State().Spec.VIP("web").Backends[0].State != spec.Up {
		select {
		case <-changed:
		case <-limit:
			t.Fatalf("the kernel did not go back: %+v", n.State().Generation)
		}
	}
}
