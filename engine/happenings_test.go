package engine

import (
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// TestTellLimits: a limit that begins to refuse is told once, and again when it was quiet in between.
func TestTellLimits(t *testing.T) {
	j := &journal{log: slog.New(slog.DiscardHandler)}
	var h happenings
	at := time.Unix(1000, 0)
	step := func(after time.Duration, over uint64, want int) {
		t.Helper()
		at = at.Add(after)
		h.tellLimits(at, []Limit{
			{NIC: "eth0", Hook: "xdp", Stage: "syns", Scope: "source", Max: 10, Now: 11, Over: Counter{Packets: over}},
			{NIC: "eth0", Hook: "xdp", Stage: "syns", Scope: "source", Source: netip.MustParsePrefix("10.0.0.1/32"), Over: Counter{Packets: over}},
			{NIC: "eth0", Hook: "xdp", Stage: "syns", Scope: "vip", VIP: "web", Max: 10, Shadow: true},
		}, j)
		if len(j.list) != want {
			t.Errorf("at %d refused: %d events, want %d: %+v", over, len(j.list), want, j.list)
		}
	}
	step(0, 5, 0) // from before this engine
	step(time.Second, 5, 0)
	step(time.Second, 6, 1)
	step(10*time.Second, 9, 1)
	step(25*time.Second, 10, 1) // quiet for less than 30 s
	step(31*time.Second, 11, 2)
	e := j.list[0]
	if e.What != "eth0 xdp: limit syns per source refuses" || strings.Join(e.Detail, "; ") != "11 of 10; source 10.0.0.1/32 was refused 6 times" {
		t.Errorf("%+v", e)
	}
	if got := limitText(Limit{NIC: "eth0", Hook: "xdp", Stage: "s", Scope: "vip", VIP: "web", Shadow: true}); got != "eth0 xdp: limit s per vip web would refuse, were it not in shadow" {
		t.Error(got)
	}
}
