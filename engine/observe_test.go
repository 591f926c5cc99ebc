package engine

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"hairpin/engine/spec"
)

// withoutRates leaves of a State what two readers of the same kernel must agree on.
var withoutRates = cmp.Options{
	cmpopts.IgnoreFields(State{}, "Armed", "Time", "PID", "Role", "Since", "Version", "Events", "Problems", "Doctor"),
	cmpopts.IgnoreFields(Counter{}, "PPS", "BPS"),
	cmpopts.IgnoreFields(NIC{}, "History", "Why"),
	cmpopts.IgnoreFields(Reason{}, "History"),
	cmpopts.IgnoreFields(VIP{}, "History", "Settling"),
	cmpopts.IgnoreFields(Backend{}, "History", "NextHop"),
	cmpopts.IgnoreFields(Route{}, "Changed"),
	cmpopts.EquateComparable(spec.Backend{}.Address),
	cmpopts.EquateApproxTime(100 * time.Millisecond),
	cmpopts.SortSlices(func(a, b Reason) bool { return a.Name < b.Name }),
}

// TestObserve: whoever reads the pins sees the totals that the engine shows, with the engine and without it.
func TestObserve(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	if s, err := Observe(p); err != nil || s.PID != 0 || s.Role != Pins || s.Generation.Active != -1 || s.Spec != nil {
		t.Fatalf("an empty node: %+v, %v", s, err)
	}
	w := newWire(t, "eth0")
	o := running(t, p)
	s := parse(t, lbSpec)
	mustApply(t, o, s, 0)
	forwards(t, p, w)
	mustApply(t, o, setState(t, s, "10.1.0.12", spec.Maintenance), time.Minute)
	forwards(t, p, w)
	w.send(t, "eth0", "10.1.0.2", 5) // for the node itself
	engine := until(t, o, "a reading of all packets", func(s *State) bool {
		return len(s.NICs) == 1 && s.NICs[0].Forward.Packets == 40 && s.NICs[0].Pass.Packets >= 5
	})
	for limit := time.Now().Add(time.Minute); ; { // the node's own packets, such as router solicitations, go on
		seen, err := Observe(p)
		if err != nil {
			t.Fatal(err)
		}
		diff := cmp.Diff(engine, seen, withoutRates)
		if diff == "" && seen.PID == 0 && seen.Role == Pins {
			break
		}
		if time.Now().After(limit) {
			t.Fatalf("engine (-) and pins (+) differ, pid %d:\n%s", seen.PID, diff)
		}
		time.Sleep(50 * time.Millisecond)
		engine = o.State()
	}
	o.Close()
	seen, err := Observe(p)
	if err != nil || seen.PID != 0 || seen.Revision != engine.Revision || seen.NICs[0].Forward != (Counter{Packets: 40, Bytes: engine.NICs[0].Forward.Bytes}) {
		t.Errorf("without an engine: %+v, %v", seen, err)
	}
	if seen.Generation.Deadline.IsZero() || !hasProblem(seen, "warn", "goes back") {
		t.Errorf("%+v %+v", seen.Generation, seen.Problems)
	}
}
