package engine

import (
	"bufio"
	"errors"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// shortWatch is long enough for a killed process to be noticed, and short enough to kill many.
const shortWatch = 60 * time.Millisecond

// handoffSteps are the steps that the two processes of a handoff in peace name, each once.
func handoffSteps(t *testing.T, p Paths) (predecessor, successor []string) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := partner{Paths: p, Version: "v1", Tell: true}.command()
	cmd.Stdout = w
	if err := errors.Join(cmd.Start(), w.Close()); err != nil {
		t.Fatal(err)
	}
	n := reach(t, p)
	mustApply(t, n, parse(t, lbSpec), 0)
	if h := handOver(t, n, HandoffRequest{Watch: shortWatch}); h.Outcome != HandoffConfirmed {
		t.Fatalf("%+v", h)
	}
	if err := errors.Join(n.Close(), cmd.Wait()); err != nil {
		t.Fatal(err)
	}
	endOwner(t, p)
	seen := map[string]bool{}
	for lines := bufio.NewScanner(r); lines.Scan(); {
		name, is := strings.CutPrefix(lines.Text(), "step ")
		switch {
		case !is, seen[name]:
			continue
		case strings.HasPrefix(name, "handoff: "):
			predecessor = append(predecessor, name)
		case len(predecessor) > 0:
			successor = append(successor, name)
			seen[name] = true
			continue
		default: // of the start and the first change: the successor may come to it, too
			continue
		}
		seen[name] = true
	}
	if len(predecessor) < 7 || !slices.Contains(successor, "apply: switched") || !slices.Contains(successor, "succeed: kept") {
		t.Fatalf("%q and %q are no handoff", predecessor, successor)
	}
	return predecessor, successor
}

// TestHandoffKilled kills either of the two processes behind each effect that a handoff has: those that one in peace names.
// Each time packets go on, one process owns the node by itself or the next one can, and nothing is attached twice.
func TestHandoffKilled(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	w := newWire(t, "eth0")
	predecessor, successor := handoffSteps(t, p)
	t.Logf("predecessor: %q, successor: %q", predecessor, successor)
	t.Cleanup(func() { endOwner(t, p) })
	k := killer{p, w, xdpOf(t, "eth0"), links(t, p)}
	own := func(step string) bool {
		return strings.HasPrefix(step, "succeed: ") || step == "start: epoch taken" || step == "apply: switched"
	}
	for _, step := range successor {
		if !soak() && !own(step) && rand.IntN(6) > 0 {
			continue // where any engine is killed elsewhere
		}
		want := HandoffWentBack
		switch step {
		case "succeed: offer taken", "succeed: programs loaded":
			want = HandoffFailed
		case "succeed: predecessor told":
			want = nobodyLeft
		}
		k.round(t, "the successor, at "+step, want, partner{Version: "v2", Die: step})
	}
	passed := slices.Index(predecessor, "handoff: lock passed")
	for i, step := range predecessor {
		want := HandoffFailed // and the successor opens the node
		if i >= passed {
			want = HandoffConfirmed
		}
		if i == 0 {
			want = nobodyLeft // it may not even have begun
		}
		k.round(t, "the predecessor, at "+step, want, partner{Version: "v2", Before: step})
	}
	endOwner(t, p)
	consistent(t, p, running(t, p))
}

// nobodyLeft is what becomes of a handoff when both are gone, and the next engine comes.
const nobodyLeft HandoffOutcome = "nobody was left"

// killer is a node on which handoffs are interrupted.
type killer struct {
	paths Paths
	wire  *wire
	root  uint32
	links map[string]bool
}

func (k killer) round(t *testing.T, what string, want HandoffOutcome, heir partner) {
	t.Helper()
	n := someOwner(t, k.paths)
	rearm(t, n)
	before, first := exits(t, k.paths), n.State()
	began := time.Now()
	if err := n.Handoff(t.Context(), HandoffRequest{Binary: as(heir), Watch: shortWatch, Who: "test"}); err != nil && !errors.Is(err, errHungUp) {
		t.Fatalf("%s: %v", what, err)
	}
	_ = n.Close()
	now, outcome := k.settled(t, began, func(pid int) bool { return heir.Die != "" && pid != first.PID })
	forwards(t, k.paths, k.wire)
	settleDeadline(t, k.paths, map[string]bool{first.Revision: true})
	for reason, count := range exits(t, k.paths) {
		if count < before[reason] {
			t.Errorf("%s was %d and is %d", reason, before[reason], count)
		}
	}
	if root := xdpOf(t, "eth0"); root != k.root || !maps.Equal(links(t, k.paths), k.links) {
		t.Errorf("root was %d and is %d, links %v", k.root, root, links(t, k.paths))
	}
	if now.Epoch < first.Epoch || now.Revision != first.Revision {
		t.Errorf("epoch %d of %s after %d of %s", now.Epoch, now.Revision, first.Epoch, first.Revision)
	}
	w := NewWitness(t, k.paths)
	defer w.Close()
	if last := w.epoch(); w.accepts(t, last-1) || !w.accepts(t, last) || w.accepts(t, last+1) {
		t.Errorf("of the epochs about %d others are accepted", last)
	}
	t.Logf("%s: %s after %v, pid %d then %d", what, outcome, time.Since(began).Round(time.Millisecond), first.PID, now.PID)
	if outcome != want {
		t.Errorf("%s, want %s", outcome, want)
	}
	if t.Failed() {
		t.Fatalf("killed: %s", what)
	}
}

// settled waits until the handoff is over, whoever lives: somebody owns the node and is watched no more, or else nobody does
// and the next one can. Who is doomed does not count.
func (k killer) settled(t *testing.T, began time.Time, doomed func(pid int) bool) (s *State, outcome HandoffOutcome) {
	t.Helper()
	for limit := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("nobody owns the node for good; the lock names %d", lockedBy(t, k.paths))
		}
		n, err := Dial(t.Context(), k.paths)
		if err == nil {
			s = n.State()
			_ = n.Close()
			if h := s.Handoff; h != nil && h.Over() && h.Began.After(began) && s.PID == lockedBy(t, k.paths) && !doomed(s.PID) {
				return s, h.Outcome
			}
			continue
		}
		if len(partners(t, k.paths)) == 0 {
			n := someOwner(t, k.paths)
			defer n.Close()
			return n.State(), nobodyLeft
		}
	}
}

// someOwner is the node's owner: the one there is, or else one that starts.
func someOwner(t *testing.T, p Paths) Node {
	t.Helper()
	if lockedBy(t, p) == 0 {
		cmd := partner{Paths: p, Version: "v1"}.command()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		go func() { _ = cmd.Wait() }()
	}
	return reach(t, p)
}

// links are the pins of what is attached.
func links(t *testing.T, p Paths) map[string]bool {
	t.Helper()
	all := pins(t, p)
	maps.DeleteFunc(all, func(name string, _ bool) bool { return !strings.Contains(name, "/links/") })
	return all
}
