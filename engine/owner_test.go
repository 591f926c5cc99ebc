package engine

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"hairpin/engine/datapath"
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

// TestPredecessorWritesNothing: an engine whose epoch is over is refused by the gate, and writes nothing beside what runs
// either, by itself or on demand.
func TestPredecessorWritesNothing(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	o := running(t, p)
	s := parse(t, lbSpec)
	mustApply(t, o, s, 0)
	successor, err := datapath.Open(datapath.Dir(p.BPFFS, p.Node), true)
	if err != nil {
		t.Fatal(err)
	}
	defer successor.Close()
	if err := errors.Join(successor.LoadPrograms(), successor.Take()); err != nil {
		t.Fatal(err)
	}
	before, pinned, control := written(t, p), pins(t, p), successor.Control()
	next := setWeight(t, s, "10.1.0.11", 7)
	refused := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "another process took over") {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err = o.Apply(t.Context(), ApplyRequest{Spec: next, Who: "test"})
	refused("apply", err)
	refused("confirm", o.Confirm(t.Context(), "test"))
	refused("detach", o.Detach(t.Context(), "test"))
	seen := o.State().Time
	until(t, o, "three ticks pass", func(s *State) bool { return s.Time.Sub(seen) > 3*tickEvery })
	if now := successor.Control(); now != control {
		t.Errorf("control was %+v, is %+v", control, now)
	}
	if now := pins(t, p); !reflect.DeepEqual(now, pinned) {
		t.Errorf("pins were %v, are %v", pinned, now)
	}
	if now := written(t, p); !reflect.DeepEqual(now, before) {
		t.Errorf("files were %v, are %v", before, now)
	}
	inside(t, o, func() {
		_, err := o.change(ApplyRequest{Spec: next, Who: "test"})
		if !errors.Is(err, datapath.ErrEpoch) || successor.Control() != control {
			t.Errorf("a change in whose middle another took over: %v; control %+v", err, successor.Control())
		}
	})
	if xdpOf(t, "eth0") == 0 {
		t.Error("the predecessor detached what the successor runs")
	}
}

// written is what the state folder says of changes. What an engine saw it may record on.
func written(t *testing.T, p Paths) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, folder := range []string{"generations", "history"} {
		err := filepath.WalkDir(filepath.Join(p.State, folder), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := os.ReadFile(path)
			all[path] = string(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}
