package engine

import (
	"log/slog"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"hairpin/engine/datapath"
)

// TestPast: what a lower limit would have refused is what an exact sum over seconds says, at the parts exactly and between
// them never less.
func TestPast(t *testing.T) {
	start := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	var p pasts
	var s *State
	passed, total := []float64{}, uint64(0)
	for i := range 700 { // more than is remembered
		rate := uint64(50 + 40*(i%3)) // 50, 90, 130 in turn
		if i > 0 {
			total += rate
			passed = append(passed, float64(rate))
		}
		s = &State{Limits: []Limit{{NIC: "eth0", Stage: "syns", Kind: "ratelimit", Scope: "nic", Max: 160, Now: float64(rate), Passed: Counter{Packets: total}}}}
		p.show(start.Add(time.Duration(i)*time.Second), s)
		p.show(start.Add(time.Duration(i)*time.Second+100*time.Millisecond), s) // a request in between is no second
	}
	past := s.Limits[0].Past
	if past == nil || past.Over != 10*time.Minute {
		t.Fatalf("%+v", past)
	}
	last := passed[len(passed)-600:]
	if r := math.Abs(past.Passed - sumAbove(last, 0)); r > 10*130 { // computed every ten seconds
		t.Errorf("passed %.0f, counted %.0f", past.Passed, sumAbove(last, 0))
	}
	for n := uint64(0); n <= 170; n += 7 {
		got, exact := past.Lower(160, n), sumAbove(last, float64(n))
		if got < exact-10*130 || got > exact+600*160/pastParts {
			t.Errorf("a limit of %d: %.0f, an exact sum says %.0f", n, got, exact)
		}
	}
}

// TestSourceRate: what is refused of a source has a rate, also when it is looked at more often than once a second.
func TestSourceRate(t *testing.T) {
	start := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	var p pasts
	for i, row := range []struct {
		at    time.Duration
		total uint64
		want  float64
	}{{0, 100, 0}, {time.Second, 130, 30}, {1200 * time.Millisecond, 190, 30}, {2 * time.Second, 170, 40}, {3 * time.Second, 10, 0}, {4 * time.Second, 10, 0}} {
		s := &State{Limits: []Limit{{Stage: "syns", Source: netip.MustParsePrefix("192.0.2.1/32"), Over: Counter{Packets: row.total}}}}
		p.show(start.Add(row.at), s)
		if got := s.Limits[0].Over.PPS; got != row.want {
			t.Errorf("reading %d: %.1f/s, want %.1f", i, got, row.want)
		}
	}
}

// TestPastConnections: connections at a time that came while as many were open as a lower limit allows.
func TestPastConnections(t *testing.T) {
	start := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	var p pasts
	var s *State
	for i := range 101 { // one more is open each second, and two come
		s = &State{Limits: []Limit{{NIC: "eth0", Stage: "open", Kind: "connlimit", Scope: "nic", Max: 320, Now: float64(i), Passed: Counter{Packets: uint64(2 * i)}}}}
		p.show(start.Add(time.Duration(i)*time.Second), s)
	}
	p.limits[s.Limits[0].Key()].shown = nil
	p.show(start.Add(100*time.Second), s)
	past := s.Limits[0].Past
	for n, want := range map[uint64]float64{0: 200, 10: 182, 50: 102, 100: 2, 110: 0, 320: 0} {
		if got := past.Lower(320, n); got != want {
			t.Errorf("a limit of %d would have refused %.0f of %.0f, want %.0f", n, got, past.Passed, want)
		}
	}
}

func sumAbove(list []float64, limit float64) (sum float64) {
	for _, v := range list {
		sum += max(0, v-limit)
	}
	return sum
}

// TestLostBeside: what is lost where no stage sees it is a problem when it is more than a trickle.
func TestLostBeside(t *testing.T) {
	lost := func(pps float64) NIC {
		return NIC{Name: "eth0", Hook: "xdp", In: Counter{PPS: 100_000}, Lost: []Lost{{Name: "rx_missed_errors", Where: "before", What: "its ring was full", Counter: Counter{PPS: pps}}}}
	}
	if got := append(lostBeside(lost(0)), lostBeside(lost(99))...); len(got) != 0 {
		t.Errorf("%+v", got)
	}
	got := lostBeside(lost(100))
	if len(got) != 1 || got[0].What != "eth0 loses packets before its chain, 100/s: its ring was full (rx_missed_errors)" {
		t.Errorf("%+v", got)
	}
}

// TestLimitProblems: a limit that is used up is a problem for a while after it last refused something, one in shadow is
// not; a stage in shadow is one after an hour, and a disabled one at once.
func TestLimitProblems(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	o := owner{recorder: &recorder{}, kernel: &datapath.Kernel{}}
	o.journal.log = slog.New(slog.DiscardHandler)
	at := func(over float64, shadow bool) string {
		s := &State{Limits: []Limit{{NIC: "eth0", Stage: "syns", Scope: "vip", VIP: "web", Max: 10, Over: Counter{PPS: over}},
			{NIC: "eth0", Stage: "burst", Scope: "nic", Max: 10, Shadow: true, Over: Counter{PPS: 5}}},
			NICs: []NIC{{Name: "eth0", Hook: "xdp", State: "attached", Stages: []Stage{{Name: "burst", Shadow: shadow}, {Name: "old", Disabled: true}}}}}
		o.pasts.show(now, s)
		var keys []string
		for _, p := range o.findProblems(now, s) {
			if p.Key != "no spec" {
				keys = append(keys, p.What)
			}
		}
		return strings.Join(keys, "; ")
	}
	const disabled = "old on eth0 xdp is disabled: no packet meets it"
	const used = "; syns on eth0: the limit of VIP web "
	for _, row := range []struct {
		after  time.Duration
		over   float64
		shadow bool
		want   string
	}{
		{0, 0, true, disabled},
		{time.Second, 7, true, disabled + used + "is used up, 7 refused/s"},
		{20 * time.Second, 0, true, disabled + used + "was used up a moment ago"},
		{20 * time.Second, 0, true, disabled},
		{time.Hour, 0, true, disabled + "; burst on eth0 xdp is in shadow: it drops nothing"},
		{time.Second, 0, false, disabled},
		{time.Second, 0, true, disabled},
	} {
		now = now.Add(row.after)
		if got := at(row.over, row.shadow); got != row.want {
			t.Errorf("at %v: %q, want %q", now, got, row.want)
		}
	}
}
