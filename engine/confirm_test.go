package engine

import (
	"errors"
	"testing"
	"time"

	"hairpin/engine/datapath"
	"hairpin/engine/spec"
)

// shortly is the deadline of changes that are to go back: a busy machine needs some of it to say that they were applied.
const shortly = 2 * time.Second

// wentBackBy waits until the kernel itself has gone back to a generation, whether or not any engine knows.
func wentBackBy(t *testing.T, p Paths, generation int) {
	t.Helper()
	k, err := datapath.Open(datapath.Dir(p.BPFFS, p.Node), false)
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	for limit := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		c := k.Control()
		if c.Pending == 0 && int(c.Active) == generation && c.Fallbacks > 0 {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("the kernel did not go back to generation %d: %+v", generation, c)
		}
	}
}

func onDisk(t *testing.T, p Paths) int {
	t.Helper()
	n, err := storeOf(p.State).confirmed()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestConfirmKeeps(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	o := running(t, p)
	s := parse(t, lbSpec)
	first := mustApply(t, o, s, 0)
	const deadline = 8 * time.Second // in which a busy machine confirms, and which passes before the end
	a := mustApply(t, o, setState(t, s, "10.1.0.11", spec.Drain), deadline)
	if a.Deadline.IsZero() || o.State().Generation.Confirmed != first.Generation || onDisk(t, p) != first.Generation {
		t.Fatalf("%+v, %+v, on disk %d", a, o.State().Generation, onDisk(t, p))
	}
	if err := o.Confirm(t.Context(), "test"); err != nil {
		t.Fatal(err)
	}
	if g := o.State().Generation; g.Active != a.Generation || g.Confirmed != a.Generation || !g.Deadline.IsZero() || onDisk(t, p) != a.Generation {
		t.Fatalf("%+v, on disk %d", g, onDisk(t, p))
	}
	if err := o.Confirm(t.Context(), "test"); err != nil {
		t.Errorf("a second time: %v", err)
	}
	if s := until(t, o, "a tick", func(s *State) bool { return s.Time.After(a.Deadline) }); s.Generation.Active != a.Generation || s.Generation.Fallbacks != 0 {
		t.Errorf("it went back all the same: %+v", s.Generation)
	}
}

// TestConfirmTooLate: before the engine has seen it, and after, and to a new engine.
func TestConfirmTooLate(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	o := running(t, p)
	s := parse(t, lbSpec)
	first := mustApply(t, o, s, 0)
	mustApply(t, o, setState(t, s, "10.1.0.11", spec.Drain), shortly)
	wentBackBy(t, p, first.Generation)
	late := func(o *owner, who string) {
		t.Helper()
		if err := o.Confirm(t.Context(), "test"); !errors.Is(err, ErrLate) {
			t.Errorf("%s: %v", who, err)
		}
		if g := o.State().Generation; g.Active != first.Generation || g.Confirmed != first.Generation || onDisk(t, p) != first.Generation {
			t.Errorf("%s: %+v, on disk %d", who, g, onDisk(t, p))
		}
	}
	late(o, "at once")
	until(t, o, "the old spec", func(st *State) bool { return st.Revision == first.Revision })
	late(o, "when it was seen")
	o.Close()
	late(running(t, p), "a new engine")
}

// TestWaitingSurvivesTheEngine: who starts an engine while a change waits sees how long, and may confirm it.
func TestWaitingSurvivesTheEngine(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	o := running(t, p)
	s := parse(t, lbSpec)
	first := mustApply(t, o, s, 0)
	a := mustApply(t, o, setState(t, s, "10.1.0.11", spec.Drain), time.Minute)
	o.Close()
	o = running(t, p)
	g := o.State().Generation
	if g.Active != a.Generation || g.Confirmed != first.Generation || o.State().Revision != a.Revision || onDisk(t, p) != first.Generation {
		t.Fatalf("%+v, on disk %d", g, onDisk(t, p))
	}
	if off := g.Deadline.Sub(a.Deadline).Abs(); off > 10*time.Second {
		t.Errorf("deadline %v, was %v", g.Deadline, a.Deadline)
	}
	if err := o.Confirm(t.Context(), "test"); err != nil || onDisk(t, p) != a.Generation {
		t.Fatalf("%v, on disk %d", err, onDisk(t, p))
	}
}

// TestGoesBackWithoutEngine: the kernel does it, and the next engine makes its own again what the change had marked.
func TestGoesBackWithoutEngine(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	w := newWire(t, "eth0")
	addNIC(t, "eth1", "")
	o := running(t, p)
	s := parse(t, lbSpec)
	first := mustApply(t, o, s, 0)
	changed, err := spec.RemoveBackend(s, "web", s.VIPs[0].Backends[0].Address)
	if err != nil {
		t.Fatal(err)
	}
	changed.NICs = append(changed.NICs, spec.NIC{Name: "eth1", XDP: spec.Stands(spec.Balancer)})
	mustApply(t, o, changed, shortly)
	o.Close()
	wentBackBy(t, p, first.Generation)
	forwards(t, p, w)

	shown, err := Observe(p)
	if err != nil || shown.Revision != first.Revision || shown.Generation.Fallbacks != 1 {
		t.Fatalf("%v: %+v", err, shown)
	}
	o = running(t, p)
	if st := o.State(); st.Revision != first.Revision || st.Generation.Active != first.Generation || st.Generation.Fallbacks != 1 {
		t.Errorf("%+v %s", st.Generation, st.Revision)
	}
	consistent(t, p, o)
	if xdpOf(t, "eth1") != 0 {
		t.Error("the NIC of the change that went back is still attached")
	}
	forwards(t, p, w)
}

// TestApplyOnWaiting: a change on top of one that waits goes back with it, at the first deadline, or is confirmed with it.
func TestApplyOnWaiting(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	o := running(t, p)
	s := parse(t, lbSpec)
	first := mustApply(t, o, s, 0)
	drained := setState(t, s, "10.1.0.11", spec.Drain)
	a := mustApply(t, o, drained, 8*time.Second)
	b := mustApply(t, o, setWeight(t, drained, "10.1.0.12", 7), 0)
	if off := b.Deadline.Sub(a.Deadline).Abs(); off > time.Second {
		t.Fatalf("first deadline %v, second %v", a.Deadline, b.Deadline)
	}
	st := until(t, o, "back", func(st *State) bool { return st.Revision == first.Revision })
	if st.Generation.Active != first.Generation || st.Generation.Fallbacks != 1 || onDisk(t, p) != first.Generation {
		t.Errorf("%+v, on disk %d", st.Generation, onDisk(t, p))
	}
	consistent(t, p, o)

	mustApply(t, o, drained, time.Minute)
	b = mustApply(t, o, setWeight(t, drained, "10.1.0.12", 7), 0)
	if err := o.Confirm(t.Context(), "test"); err != nil {
		t.Fatal(err)
	}
	if g := o.State().Generation; g.Confirmed != b.Generation || onDisk(t, p) != b.Generation {
		t.Errorf("%+v, on disk %d", g, onDisk(t, p))
	}
	consistent(t, p, o)
}

// TestFailureWhileWaiting: a change that fails while another waits takes nothing away that the way back needs.
func TestFailureWhileWaiting(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	addNIC(t, "eth1", "")
	o := running(t, p)
	both := parse(t, lbSpec)
	both.NICs = append(both.NICs, spec.NIC{Name: "eth1", XDP: spec.Stands(spec.Balancer)})
	first := mustApply(t, o, both, 0)
	one := parse(t, lbSpec)
	mustApply(t, o, one, time.Minute)
	foreignXDP(t, "eth2")
	bad := one.Clone()
	bad.NICs = append(bad.NICs, spec.NIC{Name: "eth2", XDP: spec.Stands(spec.Balancer)})
	if _, err := o.Apply(t.Context(), ApplyRequest{Spec: bad}); err == nil {
		t.Fatal("a NIC that is taken was attached")
	}
	consistent(t, p, o)
	inside(t, o, func() {
		if err := o.kernel.Revert(); err != nil {
			t.Error(err)
		}
	})
	until(t, o, "back", func(st *State) bool { return st.Revision == first.Revision })
	consistent(t, p, o)
}

// TestStaleAfterGoingBack: what was planned against a change that went back is refused, also before a tick has passed.
func TestStaleAfterGoingBack(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	o := running(t, p)
	s := parse(t, lbSpec)
	first := mustApply(t, o, s, 0)
	drained := setState(t, s, "10.1.0.11", spec.Drain)
	a := mustApply(t, o, drained, shortly)
	wentBackBy(t, p, first.Generation)
	next := setWeight(t, drained, "10.1.0.12", 9)
	if _, err := o.Apply(t.Context(), ApplyRequest{Spec: next, Revision: a.Revision}); !errors.Is(err, ErrStale) {
		t.Errorf("with the revision that went back: %v", err)
	}
	plan, err := o.Plan(t.Context(), next)
	if err != nil || plan.Revision != first.Revision {
		t.Fatalf("%+v, %v", plan, err)
	}
	if _, err := o.Apply(t.Context(), ApplyRequest{Spec: next, Revision: plan.Revision}); err != nil {
		t.Error(err)
	}
	consistent(t, p, o)
}

// TestTooShortToBeApplied: a change whose time is over before it is all done went back, and is not taken for final.
func TestTooShortToBeApplied(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	o := running(t, p)
	s := parse(t, lbSpec)
	first := mustApply(t, o, s, 0)
	for i := range 20 {
		_, err := o.Apply(t.Context(), ApplyRequest{Spec: setWeight(t, s, "10.1.0.11", uint32(1+i)), Deadline: time.Duration(1 + i*i*1000)})
		if err != nil && !errors.Is(err, ErrLate) && !errors.Is(err, ErrStale) {
			t.Fatal(err)
		}
		wentBackBy(t, p, first.Generation)
		if disk := onDisk(t, p); disk != first.Generation {
			t.Fatalf("in round %d, on disk %d is confirmed: %v", i, disk, err)
		}
	}
	mustApply(t, o, s, 0)
	consistent(t, p, o)
}
