package discover

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"hairpin/engine/spec"
)

// scripted is a source that says what a test tells it to.
type scripted chan Answer

func (s scripted) Follow(ctx context.Context, tell func(Answer)) {
	for {
		select {
		case a := <-s:
			tell(a)
		case <-ctx.Done():
			return
		}
	}
}

// TestFinder: what is believed outlasts another spec that asks the same, and goes with one that asks otherwise.
func TestFinder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		says := make(scripted)
		begun := 0
		f := New(here)
		defer f.Close()
		f.source = func(*spec.VIP, func() error) Source { begun++; return says }
		s := &spec.Spec{VIPs: []spec.VIP{{Name: "typed"}, {Name: "web", Port: 80, From: &spec.From{DNS: "a.test", Hold: time.Minute, Most: 9}}}}
		believed := func() string {
			synctest.Wait()
			return words(f.Opinions(time.Now())["web"].Endpoints)
		}
		f.Follow(s)
		if got := believed(); got != "" || begun != 1 || len(f.Opinions(time.Now())) != 1 {
			t.Errorf("at first: %q of %d sources", got, begun)
		}
		says <- Answer{Endpoints: list("1 2 3")}
		if got := believed(); got != "1 2 3" {
			t.Errorf("heard: %q", got)
		}
		select {
		case <-f.Changed():
		default:
			t.Error("nobody was told")
		}
		s = s.Clone()
		s.VIPs[1].From.Hold, s.VIPs[1].From.Weight = 0, 7 // it asks the same
		f.Follow(s)
		says <- Answer{Endpoints: list("1")}
		if got := believed(); got != "1" || begun != 1 {
			t.Errorf("without a time to hold: %q of %d sources", got, begun)
		}
		says <- Answer{}
		if got := believed(); got != "1" {
			t.Errorf("emptied: %q", got)
		}
		if known, err := f.Accept("web", time.Now()); !known || err != nil || believed() != "" {
			t.Errorf("accepted: %v, %v, %q", known, err, believed())
		}
		if known, _ := f.Accept("typed", time.Now()); known {
			t.Error("a VIP without a source was accepted")
		}
		s = s.Clone()
		s.VIPs[1].From.DNS = "b.test"
		s.VIPs[1].Backends = []spec.Backend{list("5")[0].Backend(s.VIPs[1].From), {Address: list("6")[0].Address}}
		f.Follow(s)
		if got := believed(); got != "5" || begun != 2 {
			t.Errorf("another source: %q of %d sources", got, begun)
		}
		f.Follow(nil)
		if len(f.Opinions(time.Now())) != 0 {
			t.Error("a source is followed that no spec names")
		}
	})
}
