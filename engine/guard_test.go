package engine

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// TestUnarmed: the engine's own console changes nothing either before it is armed, and the journal says who tried.
func TestUnarmed(t *testing.T) {
	o := running(t, privateNode(t))
	if err := o.Disarm(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := parse(t, lbSpec)
	if _, err := o.Plan(t.Context(), s); err != nil {
		t.Errorf("plan: %v", err)
	}
	_, err := o.Apply(t.Context(), ApplyRequest{Spec: s, Who: "test"})
	if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "nobody is armed") {
		t.Errorf("apply: %v", err)
	}
	if err := o.Detach(t.Context(), "test"); !errors.Is(err, ErrRefused) {
		t.Errorf("detach: %v", err)
	}
	state := until(t, o, "the refusals are written down", func(s *State) bool { return entries(s, "refused: ") == 2 })
	if state.Spec != nil || state.Armed != nil {
		t.Errorf("spec %v, armed %+v", state.Spec, state.Armed)
	}
	mustApply(t, o, s, 0)
	if a := o.State().Armed; a == nil || !a.Own || a.Party != 0 || a.Why != "test" || a.Until.Sub(a.Since) < 10*time.Minute {
		t.Errorf("armed: %+v", a)
	}
}

// entries counts the entries of the journal that say so.
func entries(s *State, what string) int {
	n := 0
	for _, e := range s.Events {
		if strings.Contains(e.What, what) {
			n++
		}
	}
	return n
}
