package cause

import (
	"testing"
	"time"

	"hairpin/engine"
	"hairpin/ui/uitest/fake"
)

func TestJudge(t *testing.T) {
	with := func(change func(*engine.State)) *engine.State {
		s := fake.Busy()
		change(s)
		return s
	}
	for _, c := range []struct {
		name  string
		state *engine.State
		level Level
		says  string
	}{
		{"nothing came yet", nil, Warn, "no snapshot from the engine yet"},
		{"a good day", fake.Busy(), OK, "all is well"},
		{"the engine's problem, the drops, and since when", fake.Incident(), Crit,
			"web: 2 of 4 backends are down, dropping 512k/s for 5m12s (+1 more)"},
		{"nothing attached", fake.Empty(), Warn, "nothing is attached to this node"},
		{"no news", with(func(s *engine.State) { s.Time = s.Time.Add(-9 * time.Second) }), Warn,
			"no news from the engine: these numbers are old for 9s"},
		{"the engine died, and nobody has started another", with(func(s *engine.State) {
			s.Time = s.Time.Add(-9 * time.Second)
			s.Problems = []engine.Problem{{Key: "engine gone", Severity: "crit", What: "the engine (pid 7221) is gone; this is what it showed at 03:07:32",
				Since: s.Time, Cure: `start an engine with "hairpin run"`}}
		}), Crit, "the engine (pid 7221) is gone, packets go on without it for 9s"},
		{"no engine", with(func(s *engine.State) { s.Role = engine.Pins }), Warn,
			"no engine runs; the data path goes on by itself"},
		{"a NIC lost its chain", with(func(s *engine.State) { s.NICs[0].State = "missing" }), Crit, "eth0 is missing"},
		{"a VIP without backends", with(func(s *engine.State) { s.VIPs[1].Empty = true }), Crit,
			"api: no backend takes new flows"},
		{"a backend down", with(func(s *engine.State) { s.VIPs[0].Backends[2].State = "down" }), Warn, "web: 1/4 backends down"},
		{"a drained one is nobody's incident", with(func(s *engine.State) { s.VIPs[0].Backends[2].State = "drain" }), OK, "all is well"},
		{"drops for 20 s", with(func(s *engine.State) { losing(s, 200e3, 20) }), Warn, "dropping 200k/s (ttl_exceeded), x15.4k of usual for 20s, after ops-3's gen 41"},
		{"drops for longer than is known", with(func(s *engine.State) { losing(s, 2e6, 60) }), Crit, "dropping 2.00M/s (ttl_exceeded), x154k of usual"},
		{"drops on a young node, and who changed something", with(func(s *engine.State) { s.UsualOver = 0; losing(s, 200e3, 20) }), Warn,
			"dropping 200k/s (ttl_exceeded) for 20s, 3m40s after ops-3 applied gen 41"},
		{"less than a share of what comes in, on a young node", with(func(s *engine.State) { s.UsualOver = 0; losing(s, 70e3, 20) }), OK, "all is well"},
		{"two of one level: the older first", with(func(s *engine.State) {
			s.Problems = []engine.Problem{
				{Severity: "warn", What: "young", Since: s.Time.Add(-time.Second)},
				{Severity: "warn", What: "old", Since: s.Time.Add(-time.Hour)},
			}
		}), Warn, "old for 1h00m (+1 more)"},
	} {
		v := Judge(c.state, fake.Epoch())
		if got := v.Sentence(fake.Epoch(), 78); v.Level != c.level || got != c.says {
			t.Errorf("%s: %s %q", c.name, v.Level, got)
		}
	}
}

// losing makes the first drop reason lose packets for the last n seconds.
func losing(s *engine.State, pps float64, n int) {
	for i := range s.Reasons {
		if r := &s.Reasons[i]; r.Name == "ttl_exceeded" {
			r.PPS = pps
			r.History = make([]float64, 60)
			for j := 60 - n; j < 60; j++ {
				r.History[j] = pps
			}
		}
	}
}

func TestLevelWords(t *testing.T) {
	if OK.String() != "OK" || Warn.String() != "WARN" || Crit.String() != "CRIT" {
		t.Errorf("%s %s %s", OK, Warn, Crit)
	}
}
