package engine

import (
	"fmt"
	"testing"
	"time"

	"hairpin/engine/datapath"
	"hairpin/engine/plan"
	"hairpin/engine/spec"
)

// change is an apply as far as it got when its engine went: the same steps in the same order as owner.change.
type change struct {
	o          *owner
	request    ApplyRequest
	plan       *plan.Plan
	generation int
	record     record
}

var changeSteps = []struct {
	name string
	do   func(*change) error
	live bool // the change is, from here on
}{
	{"attach", func(c *change) error { _, err := c.o.attachNew(c.request.Spec); return err }, false},
	{"stage", func(c *change) (err error) { c.plan, c.generation, err = c.o.stage(c.request.Spec); return err }, false},
	{"store", func(c *change) error {
		c.record = record{Generation: c.generation, Time: time.Now(), Revision: spec.Revision(c.request.Spec),
			Document: spec.Marshal(c.request.Spec), Fallbacks: c.o.kernel.Control().Fallbacks}
		return c.o.store.write(c.record)
	}, false},
	{"prepare", func(c *change) error { c.o.kernel.Prepare(c.plan, c.generation); return nil }, false},
	{"activate", func(c *change) error {
		return c.o.kernel.Activate(c.o.active, c.generation, c.request.Deadline)
	}, true},
	{"mark", func(c *change) error { c.o.kernel.MarkAll(c.plan); return nil }, true},
	{"confirm on disk", func(c *change) error {
		if c.request.Deadline > 0 {
			return nil
		}
		return c.o.store.confirm(c.generation)
	}, true},
}

// bothWays are a spec and one that differs from it in everything a switch has to do with.
func bothWays(t *testing.T) (s, changed *spec.Spec) {
	t.Helper()
	s = parse(t, lbSpec+`  - {name: echo, addresses: [10.99.0.1], port: 7, protocol: udp, ring: 251, backends: [{address: 10.1.0.11}]}
`)
	changed = parse(t, `
version: 1
nics: {eth0: {xdp: [balancer]}, eth1: {xdp: [balancer]}}
vips:
  - {name: web, addresses: [10.99.0.1], port: 80, protocol: tcp, ring: 4099, backends: [{address: 10.1.0.12, state: drain}, {address: 10.1.0.13}]}
  - {name: dns, addresses: [10.99.0.2], port: 53, protocol: udp, ring: 251, backends: [{address: 10.1.0.11}]}
`)
	return s, changed
}

// TestDroppedAtEveryStep leaves a change half done and lets another engine go on, for a change that is final and for one
// that waits for confirmation; the way to it and the way back.
func TestDroppedAtEveryStep(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	addNIC(t, "eth1", "")
	w := newWire(t, "eth0")
	s, changed := bothWays(t)
	o := running(t, p)
	mustApply(t, o, s, 0)
	for _, deadline := range []time.Duration{0, time.Minute} {
		for last, step := range changeSteps {
			to, from := changed, o.State().Spec
			if from.Equal(changed) {
				to = s
			}
			t.Run(fmt.Sprintf("%s in %s", step.name, deadline), func(t *testing.T) {
				inside(t, o, func() {
					c := change{o: o, request: ApplyRequest{Spec: to, Deadline: deadline}}
					for _, step := range changeSteps[:last+1] {
						if err := step.do(&c); err != nil {
							t.Fatalf("%s: %v", step.name, err)
						}
					}
				})
			})
			before := exits(t, p)
			o.Close()
			forwards(t, p, w)
			o = running(t, p)
			if now := exits(t, p); now["forwarded"] < before["forwarded"]+20 {
				t.Errorf("%s: counters went back from %v to %v", step.name, before, now)
			}
			want := from
			if step.live {
				want = to
			}
			if g := o.State(); !g.Spec.Equal(want) || g.Generation.Deadline.IsZero() != (deadline == 0 || !step.live) {
				t.Errorf("%s in %s: %+v\n%s", step.name, deadline, g.Generation, spec.Marshal(g.Spec))
			}
			consistent(t, p, o)
			forwards(t, p, w)
			if deadline > 0 && step.live {
				if err := o.Confirm(t.Context(), "test"); err != nil {
					t.Fatal(err)
				}
				consistent(t, p, o)
			}
			if t.Failed() {
				t.Fatalf("after %s in %s", step.name, deadline)
			}
		}
	}
}

// TestAdoptTouchesNothing: an engine that ends in order and comes back finds everything as it was.
func TestAdoptTouchesNothing(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	w := newWire(t, "eth0")
	o := running(t, p)
	s := parse(t, lbSpec)
	mustApply(t, o, s, 0)
	mustApply(t, o, setWeight(t, s, "10.1.0.11", 30), 0) // it settles
	forwards(t, p, w)
	type facts struct {
		xdp      uint32
		pins     int
		revision string
		active   int
		epoch    uint64
		since    int64 // of the settling
		exits    uint64
	}
	look := func(o *owner) facts {
		st := o.State()
		f := facts{xdpOf(t, "eth0"), len(pins(t, p)), st.Revision, st.Generation.Active, st.Epoch, 0, exits(t, p)["forwarded"]}
		if st.VIPs[0].Settling != nil {
			f.since = st.VIPs[0].Settling.Since.UnixNano()
		}
		return f
	}
	before := look(o)
	if before.since == 0 || before.xdp == 0 {
		t.Fatalf("%+v", before)
	}
	o.Close()
	after := look(running(t, p))
	if before.epoch++; after != before {
		t.Errorf("before %+v\n after %+v", before, after)
	}
}

// TestNothingRunsAfterFirstGoesBack: the first change of a node goes back to nothing.
func TestNothingRunsAfterFirstGoesBack(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	o := running(t, p)
	mustApply(t, o, parse(t, lbSpec), shortly)
	st := until(t, o, "back", func(s *State) bool { return s.Spec == nil })
	if st.Generation.Active != -1 || len(st.NICs) != 0 || xdpLink(t, p) {
		t.Errorf("%+v, %d NICs, link pinned %v", st.Generation, len(st.NICs), xdpLink(t, p))
	}
	if err := o.Confirm(t.Context(), "test"); err == nil {
		t.Error("what went back was confirmed")
	}
	mustApply(t, o, parse(t, lbSpec), 0)
	consistent(t, p, o)
}

func xdpLink(t *testing.T, p Paths) bool {
	t.Helper()
	return pins(t, p)[fmt.Sprintf("test/v%d/links/chain_0", datapath.ABI)]
}
