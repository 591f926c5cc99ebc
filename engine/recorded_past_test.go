package engine

import (
	"testing"
	"time"
)

// TestPastOfThen: whoever looks at an earlier time sees what a lower limit would have refused by then, as far as a State's
// histories go back, and nothing of before a gap.
func TestPastOfThen(t *testing.T) {
	dir := t.TempDir()
	r := direct(dir)
	total := uint64(0)
	at := func(second int) time.Time { return recordStart.Add(time.Duration(second) * time.Second) }
	for second := range 120 {
		if second == 80 {
			continue
		}
		if total += 100; second >= 60 {
			total += 100
		}
		if second > 80 && second < 100 { // the engine did not run
			continue
		}
		keep(t, r, &State{Time: at(second), Limits: []Limit{{NIC: "eth0", Stage: "syns", Kind: "ratelimit", Scope: "nic", Max: 320,
			Passed: Counter{Packets: total}}}})
	}
	rec := openRecord(t, dir)
	for _, row := range []struct {
		second      int
		over        time.Duration
		passed, low float64 // low: what a limit of 100 would have refused
	}{{50, 50 * time.Second, 5000, 0}, {79, time.Minute, 40*100 + 20*200, 2000}, {110, 10 * time.Second, 2000, 1000}} {
		s, err := rec.At(at(row.second))
		if err != nil {
			t.Fatal(err)
		}
		p := s.Limits[0].Past
		if p == nil || p.Over != row.over || p.Passed != row.passed || p.Lower(320, 100) != row.low {
			t.Errorf("second %d: %+v, want %+v", row.second, p, row)
		}
	}
}
