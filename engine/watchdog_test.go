package engine

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// TestStandsStill: an engine whose loop hangs says so itself, at once and afterwards, without a picture that looks new.
func TestStandsStill(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	o := running(t, p)
	mustApply(t, o, parse(t, lbSpec), 0)
	hangs, goOn := make(chan struct{}), make(chan struct{})
	came := make(chan struct{})
	go func() {
		defer close(came)
		inside(t, o, func() { close(hangs); <-goOn })
	}()
	<-hangs
	now := time.Now()
	o.lookAtLoop(now.Add(loopPatience / 2))
	if st := o.State(); len(st.Problems) != 0 {
		t.Errorf("too early: %+v", st.Problems)
	}
	before := o.State()
	o.lookAtLoop(now.Add(2 * loopPatience))
	o.lookAtLoop(now.Add(3 * loopPatience))
	if st := o.State(); len(st.Problems) != 1 || !hasProblem(st, "crit", "the engine stands still") || !st.Time.Equal(before.Time) {
		t.Errorf("%v, was %v; %+v", st.Time, before.Time, st.Problems)
	}
	o.turned.Store(now.Add(-2 * loopPatience).UnixNano()) // it was as long as that
	close(goOn)
	<-came
	st := until(t, o, "it goes on", func(st *State) bool {
		return len(st.Problems) == 0 &&
			slices.ContainsFunc(st.Events, func(e Event) bool { return strings.Contains(e.What, "had stood still for 2") })
	})
	if !st.Time.After(before.Time) {
		t.Error("its picture is old")
	}
}
