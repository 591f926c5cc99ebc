package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hairpin/engine/spec"
)

// told is what a history says, a line each.
func told(t *testing.T, n Node) []string {
	t.Helper()
	changes, err := n.History(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, c := range changes {
		lines = append(lines, fmt.Sprintf("%d %s %s", c.Number, c.Revision, c.Outcome))
	}
	return lines
}

func wantTold(t *testing.T, n Node, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, told(t, n)); diff != "" {
		t.Errorf("-want +told:\n%s", diff)
	}
}

// TestHistory: every change is kept with what became of it, also by engines that died meanwhile.
func TestHistory(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	o := running(t, p)
	s := parse(t, lbSpec)
	drained, down := setState(t, s, "10.1.0.11", spec.Drain), setState(t, s, "10.1.0.11", spec.Down)
	first := mustApply(t, o, s, 0)
	wantTold(t, o, "1 "+first.Revision+" confirmed")
	second := mustApply(t, o, drained, time.Minute)
	third := mustApply(t, o, down, time.Minute)
	if err := o.Confirm(t.Context(), "eve"); err != nil {
		t.Fatal(err)
	}
	for number, a := range []*Applied{first, second, third} {
		if !slices.ContainsFunc(o.State().Events, func(e Event) bool {
			return e.Change == number+1 && strings.Contains(e.What, fmt.Sprintf("applied generation %d", a.Generation))
		}) {
			t.Errorf("no event is about change %d: %+v", number+1, o.State().Events)
		}
	}
	confirmed := []string{"1 " + first.Revision + " confirmed", "2 " + second.Revision + " confirmed", "3 " + third.Revision + " confirmed"}
	wantTold(t, o, confirmed...)
	changes, _ := o.History(t.Context())
	if c := changes[2]; c.By != "eve" || c.Before != second.Revision || len(c.Text) == 0 || c.Deadline.IsZero() || c.Ended.IsZero() || c.Who != "test" {
		t.Errorf("change 3 is %+v", c)
	}
	mustApply(t, o, s, shortly)
	o.Close() // nobody sees it go back
	wentBackBy(t, p, third.Generation)
	o = running(t, p)
	wantTold(t, o, append(confirmed, "4 "+first.Revision+" went back")...)
	back, err := o.Past(t.Context(), 2)
	if err != nil || !back.Equal(drained) {
		t.Errorf("the spec of change 2 is another: %v", err)
	}
	mustApply(t, o, back, shortly)
	until(t, o, "it to go back", func(st *State) bool { return st.Revision == third.Revision })
	wantTold(t, o, append(confirmed, "4 "+first.Revision+" went back", "5 "+second.Revision+" went back")...)
	if _, err := o.Past(t.Context(), 77); !errors.Is(err, ErrInvalid) {
		t.Errorf("change 77: %v", err)
	}
}

// TestHistoryCatchesUp: what an engine that was killed could not write, the next one does.
func TestHistoryCatchesUp(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	o := running(t, p)
	s := parse(t, lbSpec)
	first := mustApply(t, o, s, 0)
	second := mustApply(t, o, setState(t, s, "10.1.0.11", spec.Drain), time.Minute)
	file := filepath.Join(p.State, "history", "changes")
	unended, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Confirm(t.Context(), "eve"); err != nil {
		t.Fatal(err)
	}
	third := mustApply(t, o, s, 0)
	o.Close()
	if err := os.WriteFile(file, unended, 0o600); err != nil {
		t.Fatal(err)
	}
	o = running(t, p)
	// Change 2 cannot have gone back: another was built on it, or so it looks. What is known is that it does not wait.
	lines := told(t, o)
	if len(lines) != 3 || lines[0] != "1 "+first.Revision+" confirmed" || lines[2] != "3 "+third.Revision+" confirmed" {
		t.Errorf("%q", lines)
	}
	if changes, _ := o.History(t.Context()); changes[1].Revision != second.Revision || changes[1].Outcome == ChangeWaits {
		t.Errorf("%+v", changes[1])
	}
}

// TestHistoryDamaged: a history that cannot be read takes nothing else with it, and is said.
func TestHistoryDamaged(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	o := running(t, p)
	a := mustApply(t, o, parse(t, lbSpec), 0)
	o.Close()
	if err := os.WriteFile(filepath.Join(p.State, "history", "changes"), []byte("torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	o = running(t, p)
	wantTold(t, o, "1 "+a.Revision+" confirmed")
	if !slices.ContainsFunc(o.State().Events, func(e Event) bool {
		return e.Severity == "warn" && strings.Contains(e.What, "are damaged and left out")
	}) {
		t.Errorf("nothing was said: %+v", o.State().Events)
	}
}
