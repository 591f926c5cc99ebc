package paths

import (
	"math"
	"time"
)

const (
	scale    = 100              // weight of the best path, for each that the spec gives it
	floor    = time.Millisecond // differences of latency below it matter little
	lossCost = 10               // a tenth of all probes lost makes a path cost twice as much
	step     = 0.25             // a change of a weight that is worth moving flows for
	steady   = 5                // intervals for which it must last
)

// cost is what a flow pays on a path: (latency + 1 ms) × (1 + 10 × loss).
func cost(f Fact) float64 { return float64(f.RTT+floor) * (1 + lossCost*f.Loss) }

// Weights are those of the paths of a group: given × 100 × the least cost / its cost, at least 1; 0 for one that is dead.
// Where all are dead they are as given, and held: then it is rather the probe that fails, and to leave all would serve nobody.
func Weights(given []uint32, facts []Fact) (weights []uint32, held bool) {
	weights = make([]uint32, len(given))
	best := math.Inf(1)
	for _, f := range facts {
		if f.State != Dead {
			best = min(best, cost(f))
		}
	}
	for i, f := range facts {
		switch {
		case math.IsInf(best, 1):
			weights[i], held = given[i]*scale, true
		case f.State != Dead:
			weights[i] = max(1, uint32(math.Round(float64(given[i])*scale*best/cost(f))))
		}
	}
	return weights, held
}

// scales hold weights in force until others have been better for a while. It is pure: time is what it is told.
type scales struct {
	inForce []uint32
	states  []State // that they were made of
	since   time.Time
}

// weigh tells whether the weights of now come into force: at once where a path died or is alive again, else when they have
// differed by a quarter for five intervals.
func (s *scales) weigh(now time.Time, interval time.Duration, weights []uint32, states []State) bool {
	if s.inForce == nil || !same(s.states, states) {
		s.inForce, s.states, s.since = weights, states, time.Time{}
		return true
	}
	switch {
	case !differ(s.inForce, weights):
		s.since = time.Time{}
	case s.since.IsZero():
		s.since = now
	case now.Sub(s.since) >= steady*interval:
		s.inForce, s.since = weights, time.Time{}
		return true
	}
	return false
}

func same(a, b []State) bool {
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return len(a) == len(b)
}

func differ(a, b []uint32) bool {
	for i := range a {
		if math.Abs(float64(a[i])-float64(b[i])) > step*float64(max(a[i], b[i])) {
			return true
		}
	}
	return false
}
