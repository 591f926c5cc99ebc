package page

import (
	"strings"
	"testing"
	"time"

	"hairpin/engine"
	"hairpin/ui/theme"
	"hairpin/ui/uitest/fake"
)

// TestToldOnce: the event by which a problem began is not shown beside it, and all others are.
func TestToldOnce(t *testing.T) {
	s := fake.Busy()
	began := s.Time.Add(-time.Minute)
	s.Problems = []engine.Problem{{Key: "router 10.1.0.1", Severity: "crit", Since: began, What: "no BGP session with 10.1.0.1 (active): nobody answers"}}
	s.Events = []engine.Event{
		{Time: began, Severity: "crit", Who: "engine", What: "no BGP session with 10.1.0.1 (idle): the session broke off"},
		{Time: began, Severity: "crit", Who: "engine", What: "no BGP session with 10.1.0.2 (idle): the session broke off"},
		{Time: began.Add(-time.Hour), Severity: "crit", Who: "engine", What: "no BGP session with 10.1.0.1 (idle): the router went down"},
		{Time: began, Severity: "crit", Who: "alex", What: "no BGP session with 10.1.0.1: what now?"},
	}
	mono, _ := theme.Load("mono")
	got := strings.Join(happened(Kit{Theme: mono, Glyphs: theme.ASCII()}, View{State: s, Now: s.Time}, 120, 10), "\n")
	for text, times := range map[string]int{"nobody answers": 1, "10.1.0.1 (idle): the session": 0, "10.1.0.2 (idle)": 1, "the router went down": 1, "what now": 1} {
		if n := strings.Count(got, text); n != times {
			t.Errorf("%q is there %d times, not %d:\n%s", text, n, times, got)
		}
	}
}
