package engine

import (
	"slices"
	"testing"
	"time"

	"hairpin/engine/datapath"
)

// sampled are the packets whose cost was measured, as they are in the kernel now.
func sampled(t *testing.T, p Paths) (packets uint64) {
	t.Helper()
	k, err := datapath.Open(datapath.Dir(p.BPFFS, p.Node), false)
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	var snap datapath.Snapshot
	if err := k.Snapshot(&snap); err != nil {
		t.Fatal(err)
	}
	for _, costs := range snap.Costs {
		packets += costs[0].Packets
	}
	return packets
}

// quietly checks that many packets pass of which none is measured.
func quietly(t *testing.T, p Paths, w *wire) {
	t.Helper()
	before := sampled(t, p)
	for range 50 {
		forwards(t, p, w)
	}
	if now := sampled(t, p); now != before {
		t.Errorf("%d packets were measured while nobody looked", now-before)
	}
}

// TestWatchCosts: what stages cost is measured while somebody looks, also in generations that come, and no longer.
func TestWatchCosts(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	w := newWire(t, "eth0")
	o := running(t, p)
	mustApply(t, o, parse(t, lbSpec), 0)
	quietly(t, p, w)
	cost := func(s *State) (parse, stage float64) {
		if len(s.NICs) != 1 || len(s.NICs[0].Stages) != 1 {
			t.Fatalf("%+v", s.NICs)
		}
		return s.NICs[0].ParseNS, s.NICs[0].Stages[0].NS
	}
	known := func() {
		t.Helper()
		before := sampled(t, p)
		st := until(t, o, "costs are known", func(s *State) bool {
			if err := o.WatchCosts(t.Context()); err != nil {
				t.Fatal(err)
			}
			w.send(t, "eth0", "10.99.0.1", 300)
			parse, stage := cost(s)
			return parse > 0 && stage > 0 && sampled(t, p) > before
		})
		parse, stage := cost(st)
		t.Logf("parse %.1f ns, balancer %.1f ns", parse, stage)
		const most = 1e6 // a millisecond; a machine that is busy stops for longer, but not on average
		if parse > most || stage > most || !st.Watched {
			t.Errorf("parse %v ns, balancer %v ns, watched %v", parse, stage, st.Watched)
		}
	}
	known()
	mustApply(t, o, setWeightOn(t, o, 50), 0)
	known()
	inside(t, o, func() { o.watched = time.Now().Add(-2 * CostLease) }) // the one who looked is gone
	until(t, o, "nothing is measured any more", func(s *State) bool {
		parse, stage := cost(s)
		return !s.Watched && parse == 0 && stage == 0
	})
	quietly(t, p, w)
}

// TestWatchEndsWithTheEngine: one that was killed while somebody looked leaves nothing measured for long.
func TestWatchEndsWithTheEngine(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	w := newWire(t, "eth0")
	o := running(t, p)
	mustApply(t, o, parse(t, lbSpec), 0)
	if err := o.WatchCosts(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.Close()
	quietly(t, p, w)
	k, err := datapath.Open(datapath.Dir(p.BPFFS, p.Node), true)
	if err != nil {
		t.Fatal(err)
	}
	k.Watch(true) // as it was when the next one came
	k.Close()
	before := sampled(t, p)
	for sampled(t, p) == before {
		forwards(t, p, w)
	}
	o = running(t, p)
	quietly(t, p, w)
	consistent(t, p, o)
}

// TestAnybodyMayWatchCosts who may open the socket.
func TestAnybodyMayWatchCosts(t *testing.T) {
	node, path := newFake(), socketPath(t)
	serve(t, path, node, uid(1000))
	if err := dial(t, path).WatchCosts(t.Context()); err != nil {
		t.Error(err)
	}
	if calls := node.all(); !slices.Equal(calls, []string{"watch costs"}) {
		t.Errorf("the node was asked %v", calls)
	}
}
