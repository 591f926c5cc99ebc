package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hairpin/engine/datapath"
	"hairpin/engine/spec"
)

func guardedSpec(t *testing.T, port int, probes string) *spec.Spec {
	t.Helper()
	text := strings.Replace(lbSpec, "nics: {eth0: {xdp: [balancer]}}", fmt.Sprintf(`
stages:
  guard: {kind: external, object: %s, maps: {config: {0: {port: %d}}}, watch: [{map: hits, field: seen, name: seen}]}
probes: {%s}
nics: {eth0: {xdp: [guard, balancer]}}`, example("guard.o"), port, strings.ReplaceAll(probes, "STATES", example("states.o"))), 1)
	return parse(t, text)
}

// TestExternalApplied: an external stage and a probe come and go with the spec, and their metrics show.
func TestExternalApplied(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	w := newWire(t, "eth0")
	o := running(t, p)
	mustApply(t, o, guardedSpec(t, 53, "states: {object: STATES, program: raw, watch: [{map: states, key: 1, as: max_rate}]}"), 0)
	forwards(t, p, w)
	s := until(t, o, "metrics", func(s *State) bool { return len(s.Metrics) == 2 && s.Metrics[0].Value >= 20 })
	if m := s.Metrics[0]; m.Stage != "guard" || m.Map != "hits" || m.Name != "seen" || m.Kind != "scalar" || m.Why != "" {
		t.Errorf("metric %+v", m)
	}
	if m := s.Metrics[1]; m.Probe != "states" || m.Name != "states" || m.Kind != "max_rate" || m.Why != "" {
		t.Errorf("metric %+v", m)
	}
	pins, err := Observe(p)
	if err != nil || len(pins.Metrics) != 2 || pins.Metrics[0].Value < 20 || pins.Metrics[1].Why == "" {
		t.Errorf("without an engine: %+v, %v", pins.Metrics, err)
	}
	before := o.State()
	for _, bad := range []string{
		strings.Replace(string(spec.Marshal(before.Spec)), "guard.o", "nothing.o", 1),
		strings.Replace(string(spec.Marshal(before.Spec)), `port: 53`, `prt: 53`, 1),
		strings.Replace(string(spec.Marshal(before.Spec)), "states.o", "nothing.o", 1),
		strings.Replace(string(spec.Marshal(before.Spec)), "program: raw", "program: row", 1),
	} {
		_, err := o.Apply(t.Context(), ApplyRequest{Spec: parse(t, bad), Who: "test"})
		if !errors.Is(err, ErrInvalid) || !strings.HasPrefix(err.Error(), "apply: invalid: ") {
			t.Errorf("applied what is bad: %v", err)
		}
		if after := o.State(); after.Revision != before.Revision || after.Generation != before.Generation {
			t.Errorf("after what is bad, %+v runs; it was %+v", after.Generation, before.Generation)
		}
		consistent(t, p, o)
	}
	forwards(t, p, w)
	mustApply(t, o, parse(t, lbSpec), 0)
	if got := o.State().Metrics; len(got) != 0 {
		t.Errorf("metrics of nothing: %+v", got)
	}
	consistent(t, p, o)
	room := filepath.Join(datapath.Dir(p.BPFFS, p.Node), "externals", "*")
	until(t, o, "the end of the stage", func(*State) bool { left, _ := filepath.Glob(room); return len(left) == 0 })
}

// TestExternalGoesBack: an unconfirmed change of a stage and a probe is taken back with both.
func TestExternalGoesBack(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	w := newWire(t, "eth0")
	o := running(t, p)
	mustApply(t, o, guardedSpec(t, 53, "a: {object: STATES, program: raw}"), 0)
	was := o.State()
	mustApply(t, o, guardedSpec(t, 54, "a: {object: STATES, program: typed}, b: {object: STATES, program: raw}"), shortly)
	until(t, o, "the way back", func(s *State) bool { return s.Revision == was.Revision })
	consistent(t, p, o)
	forwards(t, p, w)
}

// TestExternalFileGone: an engine that starts while a file is missing takes over what runs; a probe that cannot be attached is
// a problem, until it can.
func TestExternalFileGone(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	w := newWire(t, "eth0")
	file := filepath.Join(t.TempDir(), "states.o")
	data, err := os.ReadFile(example("states.o"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	o := running(t, p)
	mustApply(t, o, guardedSpec(t, 53, "states: {object: "+file+", program: raw, watch: [{map: states, key: 1}]}"), 0)
	o.Close()
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	o = running(t, p)
	consistent(t, p, o)
	forwards(t, p, w)
	o.Close()
	if err := os.RemoveAll(filepath.Join(datapath.Dir(p.BPFFS, p.Node), "probes")); err != nil {
		t.Fatal(err)
	}
	o = running(t, p)
	trouble := func(s *State) bool {
		for _, problem := range s.Problems {
			if problem.Key == "probes" {
				return strings.Contains(problem.What, "probe states: object open "+file)
			}
		}
		return false
	}
	until(t, o, "the problem", trouble)
	if m := o.State().Metrics; len(m) != 2 || m[1].Why != "is not attached" {
		t.Errorf("metrics %+v", m)
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	until(t, o, "the end of the problem", func(s *State) bool { return !trouble(s) })
	consistent(t, p, o)
}

// TestMetrics: what is shown of a number that was read so many times.
func TestMetrics(t *testing.T) {
	now := time.Unix(1000, 0)
	all := watchers{}
	var shown []Metric
	for i, value := range []float64{100, 110, 150, 10, 20} { // it began anew at 10
		var read []datapath.Metric
		for _, as := range []spec.WatchAs{spec.WatchScalar, spec.WatchMaxRate, spec.WatchAverage} {
			read = append(read, datapath.Metric{Stage: "s", Watch: spec.Watch{Name: as.String(), As: as}, Value: value})
		}
		at := now.Add(time.Duration(2*i) * time.Second)
		all.show(at, read)
		shown = all.show(at.Add(time.Millisecond), read) // a moment later counts once
	}
	for i, want := range []float64{20, 20, 78} {
		if shown[i].Value != want {
			t.Errorf("%s is %g, want %g", shown[i].Kind, shown[i].Value, want)
		}
	}
	failed := all.show(now.Add(time.Hour), []datapath.Metric{{Stage: "s", Watch: spec.Watch{Name: "scalar"}, Err: errors.New("gone")}})
	if len(failed) != 1 || failed[0].Why != "gone" || failed[0].Value != 0 || len(all) != 1 {
		t.Errorf("a reading that failed: %+v, %d remembered", failed, len(all))
	}
}
