package command

import (
	"testing"
	"time"

	"hairpin/engine"
)

// TestSetRates: a rate is the difference of two readings over the time between them, and never of two data paths.
func TestSetRates(t *testing.T) {
	for _, row := range []struct {
		name    string
		was, is uint64
		over    time.Duration
		pps     float64
	}{
		{"counted on", 100, 350, 2 * time.Second, 125},
		{"stood still", 100, 100, time.Second, 0},
		{"attached anew in between", 100, 40, time.Second, 0},
		{"read at the same instant", 100, 350, 0, 0},
	} {
		before, s := balanced(), balanced()
		for _, state := range []*engine.State{before, s} {
			each(state, func(_ key, c *engine.Counter) { *c = engine.Counter{} })
		}
		s.Time = before.Time.Add(row.over)
		before.VIPs[0].Backends[0].Counter = engine.Counter{Packets: row.was, Bytes: 10 * row.was}
		s.VIPs[0].Backends[0].Counter = engine.Counter{Packets: row.is, Bytes: 10 * row.is}
		setRates(before, s)
		each(s, func(k key, c *engine.Counter) {
			want := engine.Counter{}
			if k.what == "backend" && k.address == s.VIPs[0].Backends[0].Address {
				want = engine.Counter{Packets: row.is, Bytes: 10 * row.is, PPS: row.pps, BPS: 10 * row.pps}
			}
			if *c != want {
				t.Errorf("%s: %v is %+v, want %+v", row.name, k, *c, want)
			}
		})
	}

	before, s := balanced(), balanced()
	before.VIPs, s.Time = nil, before.Time.Add(time.Second)
	s.VIPs[0].PPS = 0
	setRates(before, s)
	if s.VIPs[0].PPS != 0 {
		t.Errorf("a VIP that was not there before has a rate of %v", s.VIPs[0].PPS)
	}
}
