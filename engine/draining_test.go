package engine

import (
	"strings"
	"testing"
	"time"
)

// TestDrain: what is said of a backend that drains, and when it is safe to stop.
func TestDrain(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	halving, even := make([]float64, 60), make([]float64, 60)
	for i := range halving {
		halving[i], even[i] = 1024, 100
		for range i / 10 {
			halving[i] /= 2
		}
	}
	for _, row := range []struct {
		name         string
		open         int
		quiet, began time.Duration // ago
		history      []float64
		safe         bool
		says         string
	}{
		{"its flows end", -1, 0, time.Minute, halving, false, "32 packets/s, half in 10s, none in about 1m0s"},
		{"they do not", -1, 0, time.Minute, even, false, "not getting fewer"},
		{"it has just begun", -1, 0, 10 * time.Second, halving, false, "32 packets/s"},
		{"nothing comes", -1, time.Minute, time.Hour, even, false, "no packet for 1m0s, safe to stop in 14m0s unless a flow wakes"},
		{"nothing has come for long", -1, 15 * time.Minute, time.Hour, even, true, "safe to stop, no packet for 15m0s"},
		{"its agent has none open", 0, 10 * time.Second, time.Hour, even, true, "safe to stop, its agent has no connection open"},
		{"its agent has none open, and packets come", 0, 0, time.Hour, even, false, "not getting fewer"},
		{"its agent has some open", 7, time.Hour, time.Hour, even, false, "7 connections open"},
	} {
		d := Drain{Open: row.open}
		b := Backend{Counter: Counter{PPS: 32}, History: row.history}
		d.judge(now, lastPacket{at: now.Add(-row.quiet), began: now.Add(-row.began)}, 15*time.Minute, &b)
		if d.Safe != row.safe || !strings.Contains(d.Says, row.says) {
			t.Errorf("%s: safe %v, %q; not %v, %q", row.name, d.Safe, d.Says, row.safe, row.says)
		}
	}
}
