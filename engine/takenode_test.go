package engine

import (
	"os"
	"testing"
)

// TestThereAndBack: a console gives the node to another process, goes on as its observer, and takes the node over again.
func TestThereAndBack(t *testing.T) {
	p := privateNode(t)
	w := newWire(t, "eth0")
	n, err := Start(t.Context(), Options{Paths: p, Version: "console", Successor: partner{Paths: p}.successor, Stays: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = n.Close()
		endOwner(t, p)
	})
	mustApply(t, n, parse(t, lbSpec), 0)
	first := n.State()
	for round := range 3 {
		h := handOver(t, n, HandoffRequest{Binary: as(partner{Version: "daemon"}), Watch: shortWatch})
		s := until(t, n, "an observer", func(s *State) bool { return s.Role == Observer && s.PID == h.To.PID })
		if h.Outcome != HandoffConfirmed || s.Version != "daemon" || lockedBy(t, p) != h.To.PID {
			t.Fatalf("round %d: %+v, now %s of %d", round, h, s.Version, s.PID)
		}
		forwards(t, p, w)
		h = handOver(t, n, HandoffRequest{Here: true, Watch: shortWatch})
		s = until(t, n, "an owner", func(s *State) bool { return s.Role == Owner && s.PID == os.Getpid() })
		if h.Outcome != HandoffConfirmed || s.Version != "console" || lockedBy(t, p) != os.Getpid() {
			t.Fatalf("round %d: %+v, now %s of %d", round, h, s.Version, s.PID)
		}
		forwards(t, p, w)
	}
	if now := n.State(); now.Epoch != first.Epoch+6 || now.Revision != first.Revision {
		t.Errorf("epoch %d after %d, %s", now.Epoch, first.Epoch, now.Revision)
	}
	consistent(t, p, n.(*post).node().(*owner))
}

// TestArmedAcrossHandoff: who was armed is armed at the successor, for the same reason.
func TestArmedAcrossHandoff(t *testing.T) {
	p := privateNode(t)
	n, _ := owns(t, partner{Paths: p, Version: "v1"})
	if err := n.Arm(t.Context(), ArmRequest{Why: "INC-7"}); err != nil {
		t.Fatal(err)
	}
	if err := n.Handoff(t.Context(), HandoffRequest{Watch: shortWatch}); err != nil {
		t.Fatal(err)
	}
	s := until(t, n, "confirmed and armed", func(s *State) bool {
		return s.Handoff != nil && s.Handoff.Outcome == HandoffConfirmed && s.Armed != nil
	})
	if !s.Armed.Own || s.Armed.Why != "INC-7" || s.Version != "v1'" {
		t.Errorf("%+v at %s", s.Armed, s.Version)
	}
	if err := n.Disarm(t.Context()); err != nil {
		t.Error(err)
	}
	until(t, n, "disarmed", func(s *State) bool { return s.Armed == nil })
}
