package cause

import (
	"testing"
	"time"

	"hairpin/engine"
	"hairpin/ui/widget"
)

// TestIncidents: what was recorded of a lab is judged as a person would, who knows what was done to it.
func TestIncidents(t *testing.T) {
	for name, want := range incidents() {
		v, last := judged(t, name)
		got := v.Sentence(last, 78)
		if v.Level.String() != want.word || got != want.says || v.Screen != want.screen {
			t.Errorf("%s: %s %q %s", name, v.Level, got, v.Screen)
		}
		if widget.Width(got) > 78 {
			t.Errorf("%s: %d cells: %s", name, widget.Width(got), got)
		}
	}
}

// judged is how the last State of a file is seen, and its time.
func judged(t *testing.T, name string) (Verdict, time.Time) {
	t.Helper()
	r, err := engine.OpenIncident("../../testdata/incidents/" + name + ".rec")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	_, last, err := r.Bounds()
	if err != nil {
		t.Fatal(err)
	}
	s, err := r.At(last)
	if err != nil {
		t.Fatal(err)
	}
	return Judge(s, s.Time), s.Time
}

type verdictOf struct{ word, says, screen string }

func incidents() map[string]verdictOf {
	return map[string]verdictOf{
		"backend-crash":    {"CRIT", "web, echo: 10.1.2.10 does not answer on eth0, dropping 96/s for 4s", "3"},
		"limit-too-low":    {"CRIT", "web over its limit of 20/s, 245/s refused for 11s, after alex's gen 2", "4"},
		"mtu-black-hole":   {"CRIT", "web: MTU: 178/s do not fit once encapsulated (too_big) for 8s", "2"},
		"nic-lost":         {"CRIT", "eth0 is missing: no such NIC for 8s (+1 more)", "2"},
		"blocked-clients":  {"CRIT", "dropping 160/s (firewall_source) for 15s, just after blocked.txt changed", "2"},
		"cut-off":          {"CRIT", "dropping 240/s (firewall_source) for 7s, after alex's gen 2 (+1 more)", "2"},
		"engine-killed":    {"OK", "the engine was started again, generation 1 goes on, 6s ago", "9"},
		"flapping-backend": {"CRIT", "web, echo: 10.1.2.10 does not answer on eth0, dropping 93/s for 1s, 4th time", "3"},
		"noisy-neighbour":  {"CRIT", "198.51.100.18 over its limit of 40/s (ratelimit), 261/s refused for 18s", "4"},
		"syn-flood":        {"CRIT", "web over its limit of 500/s, 2.74k/s refused, from 198.18.0.0/15 for 17s", "4"},
		"upgrade":          {"OK", "alex handed the node over to pid 30473, v1.1.0, 12s ago", "8"},
		"wrong-neighbour":  {"WARN", "somebody wrote down another MAC for 10.1.3.10 on eth0 for 19s", "3"},
		"backend-out":      {"WARN", "web, echo: 10.1.2.10 is down (http: no answer within 1s) for 1m50s", "3"},
		"session-lost":     {"CRIT", "no BGP session with 2 routers, such as 10.1.0.1 for 24s, after alex's gen 2", "9"},
		"no-backend":       {"CRIT", "web: no backend takes new flows, dropping 254/s for 8s, after alex's gen 2", "3"},
	}
}
