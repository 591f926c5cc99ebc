package engine

import (
	"errors"
	"flag"
	"path/filepath"
	"testing"
	"time"
)

var writeIncident = flag.String("write-incident", "", "write the example of an incident file anew, to `FILE`")

// exampleIncident is an incident file as this format was first written: what reads it must go on to read it.
const exampleIncident = "../testdata/incidents/backends.rec"

// TestExample: an incident file of an earlier build shows what it did then.
func TestExample(t *testing.T) {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	if *writeIncident != "" {
		dir := t.TempDir()
		r, n := direct(dir), newMadeNode(2, 6, noon.Add(-40*time.Second))
		for range 40 {
			keep(t, r, n.tick(time.Second))
		}
		if err := openRecord(t, dir).Export(*writeIncident, noon.Add(-time.Hour), noon); err != nil {
			t.Fatal(err)
		}
	}
	r, err := OpenIncident(exampleIncident)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	s, err := r.At(noon.Add(-10 * time.Second))
	if err != nil || len(r.Damage()) > 0 {
		t.Fatal(err, r.Damage())
	}
	if s.Node != "lb1" || len(s.VIPs) != 2 || len(s.VIPs[0].Backends) != 3 || s.VIPs[0].PPS == 0 || len(s.Events) == 0 || s.Spec == nil ||
		s.VIPs[1].Backends[2].Address.String() != "10.0.1.2" || len(s.NICs[0].History) != 30 || s.Generation.Active != 4 {
		t.Errorf("%+v", s)
	}
}

// TestPlayer: a recording plays by its own clock, faster, slower, from elsewhere, and ends at its end.
func TestPlayer(t *testing.T) {
	r, err := OpenIncident(exampleIncident)
	if err != nil {
		t.Fatal(err)
	}
	first, last, err := r.Bounds()
	if err != nil {
		t.Fatal(err)
	}
	p, err := Play(r, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	wall := time.Now()
	p.mu.Lock()
	p.wall, p.since = func() time.Time { return wall }, wall
	p.mu.Unlock()
	want := func(at time.Duration, speed float64) {
		t.Helper()
		p.show()
		if !p.Now().Equal(first.Add(at)) || !p.State().Time.Equal(first.Add(at).Truncate(time.Second)) || p.Speed() != speed {
			t.Errorf("at %s of %s, shows %s, speed %g; want %s, %g", p.Now().Sub(first), last.Sub(first), p.State().Time.Sub(first), p.Speed(), at, speed)
		}
	}
	pass := func(d time.Duration) {
		p.mu.Lock()
		defer p.mu.Unlock()
		wall = wall.Add(d)
	}
	want(0, 1)
	pass(2 * time.Second)
	want(2*time.Second, 1)
	if err := p.SetSpeed(10); err != nil {
		t.Fatal(err)
	}
	pass(2 * time.Second)
	want(22*time.Second, 10)
	seek := func(at time.Duration) {
		s, err := p.At(t.Context(), first.Add(at))
		if err != nil {
			t.Fatal(err)
		}
		p.Seek(s)
	}
	seek(5 * time.Second)
	want(5*time.Second, 10)
	pass(time.Hour)
	want(last.Sub(first), 0)
	seek(0)
	want(0, 10)
	for _, bad := range []float64{0, -1, 1e9} {
		if err := p.SetSpeed(bad); !errors.Is(err, ErrInvalid) {
			t.Errorf("speed %g: %v", bad, err)
		}
	}
	if s := p.State(); s.Role != Recorded || s.Armed != nil || s.Barred == "" {
		t.Errorf("%+v", s)
	}
	if _, err := p.Apply(t.Context(), ApplyRequest{}); !errors.Is(err, ErrRefused) {
		t.Errorf("apply: %v", err)
	}
	if _, err := OpenIncident(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a file that is not there was opened")
	}
}
