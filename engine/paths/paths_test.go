package paths

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"
)

const ms = time.Millisecond

func alive(rtt time.Duration, loss float64) Fact {
	return Fact{State: Alive, RTT: rtt, Loss: loss, Probes: window}
}

func TestWeights(t *testing.T) {
	t.Parallel()
	dead := Fact{State: Dead}
	for _, r := range []struct {
		sentence string
		given    []uint32
		facts    []Fact
		want     []uint32
		held     bool
	}{
		{"all as good", []uint32{100, 100}, []Fact{alive(10*ms, 0), alive(10*ms, 0)}, []uint32{10000, 10000}, false},
		{"as given", []uint32{100, 50}, []Fact{alive(10*ms, 0), alive(10*ms, 0)}, []uint32{10000, 5000}, false},
		{"twice as far", []uint32{100, 100}, []Fact{alive(9*ms, 0), alive(19*ms, 0)}, []uint32{10000, 5000}, false},
		{"a tenth is lost", []uint32{100, 100}, []Fact{alive(9*ms, 0), alive(9*ms, 0.1)}, []uint32{10000, 5000}, false},
		{"next door, and almost", []uint32{100, 100}, []Fact{alive(20*time.Microsecond, 0), alive(120*time.Microsecond, 0)}, []uint32{10000, 9107}, false},
		{"very far, of little weight", []uint32{1000, 1}, []Fact{alive(0, 0), alive(time.Hour, 0)}, []uint32{100000, 1}, false},
		{"one is dead", []uint32{100, 100}, []Fact{dead, alive(90*ms, 0.3)}, []uint32{0, 10000}, false},
		{"all are dead", []uint32{100, 50}, []Fact{dead, dead}, []uint32{10000, 5000}, true},
	} {
		if got, held := Weights(r.given, r.facts); !slices.Equal(got, r.want) || held != r.held {
			t.Errorf("%s: %v, held %v; want %v, %v", r.sentence, got, held, r.want, r.held)
		}
	}
}

// TestScales: weights that swing come into force when they stay, and a path that dies is left at once.
func TestScales(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_770_000_000, 0)
	both, one := []State{Alive, Alive}, []State{Alive, Dead}
	var s scales
	weigh := func(a, b uint32, states []State) bool {
		now = now.Add(time.Second)
		return s.weigh(now, time.Second, []uint32{a, b}, states)
	}
	if !weigh(100, 100, both) {
		t.Error("the first are not in force")
	}
	for i := range 100 { // there and back again, each for less than it takes
		if weigh(100, uint32(40+60*(i/5%2)), both) {
			t.Fatalf("in force after %d steps of a swing", i)
		}
	}
	for i := range 50 {
		if weigh(100, 76, both) {
			t.Fatalf("a small change is in force after %d steps", i)
		}
	}
	steps := 0
	for !weigh(100, 70, both) {
		if steps++; steps > 20 {
			t.Fatal("a change that stays does not come into force")
		}
	}
	if steps < steady || !slices.Equal(s.inForce, []uint32{100, 70}) {
		t.Errorf("in force after %d steps: %v", steps, s.inForce)
	}
	if !weigh(100, 0, one) || s.inForce[1] != 0 {
		t.Error("a path that is dead is not left at once")
	}
	if !weigh(100, 70, both) || s.inForce[1] != 70 {
		t.Error("one that is alive again is not taken at once")
	}
}

// TestMeter: what makes a path dead and alive, and what is said of it.
func TestMeter(t *testing.T) {
	t.Parallel()
	for _, r := range []struct {
		sentence string
		probes   string // . answered, x lost
		state    State
		loss     float64
	}{
		{"nothing", "", Unknown, 0},
		{"one answer", ".", Alive, 0},
		{"not yet so many lost", "xx", Unknown, 1},
		{"so many lost from the first on", "xxx", Dead, 1},
		{"so many lost in a row", "....xxx", Dead, 3.0 / 7},
		{"as many, not in a row", "..xx.xx.", Alive, 0.5},
		{"not yet so many answered", "xxx.", Dead, 0.75},
		{"so many answered in a row", "....xxx..", Alive, 0},
		{"of long ago nothing is left", "x................................", Alive, 0},
	} {
		m := meter{fall: 3, rise: 2}
		for i, p := range r.probes {
			why := ""
			if p == 'x' {
				why = "no answer"
			}
			m.note(time.Duration(i+1)*ms, why)
		}
		if f := m.fact; f.State != r.state || f.Loss != r.loss || f.Probes != len(r.probes) {
			t.Errorf("%s: %+v, want %s, loss %v", r.sentence, f, r.state, r.loss)
		}
	}
	m := meter{fall: 3, rise: 2}
	for _, took := range []time.Duration{9, 1, 500, 2, 3} {
		m.note(took*ms, "")
	}
	if m.fact.RTT != 3*ms {
		t.Errorf("latency %s, one of five took long", m.fact.RTT)
	}
}

// line is a path that a test can make what it likes.
type line struct {
	mu    sync.Mutex
	took  map[uint32]time.Duration // by mark; 0 = lost
	unfit bool                     // probes cannot be sent
}

func (l *line) set(mark uint32, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.took[mark] = took
}

func (l *line) ask(_ context.Context, _ netip.AddrPort, mark uint32, _ time.Duration) (time.Duration, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch took := l.took[mark]; {
	case l.unfit:
		return 0, false, errors.New("no way from this node")
	case took == 0:
		return 0, true, errors.New("no answer")
	default:
		return took, true, nil
	}
}

// await waits for a verdict.
func await(t *testing.T, p *Prober, what string, is func(Verdict) bool) Verdict {
	t.Helper()
	limit := time.After(time.Minute)
	for {
		v := p.Verdicts()["g"]
		if is(v) {
			return v
		}
		select {
		case <-p.Changed():
		case <-time.After(20 * ms):
		case <-limit:
			t.Fatalf("%s did not come: %+v", what, v)
		}
	}
}

// TestProber measures two paths, of which one gets worse, dies, and comes back.
func TestProber(t *testing.T) {
	t.Parallel()
	l := &line{took: map[uint32]time.Duration{1: 10 * ms, 2: 10 * ms}}
	p := New(l.ask)
	defer p.Close()
	g := Group{Key: "g", Interval: 10 * ms, Timeout: 10 * ms, Fall: 3, Rise: 2, Marks: []uint32{1, 2}, Weights: []uint32{100, 100}}
	p.Follow([]Group{g})
	await(t, p, "the first verdict", func(v Verdict) bool { return v.Known && slices.Equal(v.Weights, []uint32{10000, 10000}) })
	l.set(2, 43*ms)
	await(t, p, "a path that is four times as far", func(v Verdict) bool { return v.Weights[1] == 2500 })
	l.set(1, 0)
	await(t, p, "a dead path", func(v Verdict) bool { return v.Facts[0].State == Dead && slices.Equal(v.Weights, []uint32{0, 10000}) })
	l.set(2, 0)
	await(t, p, "no path that answers", func(v Verdict) bool { return v.Held && slices.Equal(v.Weights, []uint32{10000, 10000}) })
	p.Follow([]Group{g}) // the same: what is known stays
	if v := p.Verdicts()["g"]; !v.Known {
		t.Error("what was known of a group is gone though it stayed")
	}
	l.set(1, 10*ms)
	await(t, p, "a path that came back", func(v Verdict) bool { return !v.Held && v.Weights[0] == 10000 && v.Weights[1] == 0 })
	p.Follow(nil)
	if len(p.Verdicts()) != 0 {
		t.Error("a group that is not followed has a verdict")
	}
}

// TestUnsent: a probe that could not be sent says nothing of its path.
func TestUnsent(t *testing.T) {
	t.Parallel()
	l := &line{unfit: true}
	p := New(l.ask)
	defer p.Close()
	p.Follow([]Group{{Key: "g", Interval: ms, Timeout: ms, Fall: 1, Rise: 1, Marks: []uint32{1}, Weights: []uint32{1}}})
	await(t, p, "why there is no probe", func(v Verdict) bool { return len(v.Facts) == 1 && v.Facts[0].Why != "" })
	if v := p.Verdicts()["g"]; v.Known || v.Facts[0].State != Unknown || v.Facts[0].Probes != 0 {
		t.Errorf("%+v", v)
	}
}
