// Package paths is what ways out are worth: their latency and loss as they are measured, made into weights that do not flap.
package paths

import (
	"slices"
	"time"
)

// State is what is known of a path.
type State uint8

// States. Nothing is known of a path until a probe was answered, or so many were not as it takes.
const (
	Unknown State = iota
	Alive
	Dead
)

// String is the state in one word.
func (s State) String() string { return [...]string{"unknown", "alive", "dead"}[s] }

const (
	window = 32 // probes that count
	least  = 4  // of which something can be said
)

// Fact is what was measured of one path.
type Fact struct {
	State  State
	RTT    time.Duration // the median of the answers in the window
	Loss   float64       // share of the window that was not answered
	Probes int           // since it is measured
	Why    string        // the last one was not answered, or could not be sent
}

// Enough tells whether the fact says something.
func (f Fact) Enough() bool { return f.State == Dead || f.State == Alive && f.Probes >= least }

// meter is how one path stands. It is pure.
//
//	unknown ── one is answered ──► alive ── fall in a row are not ──► dead ── rise in a row are ──► alive
//	        └─ fall in a row are not ──► dead
type meter struct {
	fall, rise int
	took       []time.Duration // of the window, oldest first; 0 = not answered
	fact       Fact
	good, bad  int // in a row
}

// note takes what a probe came to; why says that it was not answered.
func (m *meter) note(took time.Duration, why string) {
	lost := why != ""
	took = max(took, 1)
	if lost {
		took = 0
		m.good, m.bad = 0, m.bad+1
	} else {
		m.good, m.bad = m.good+1, 0
	}
	m.took = append(m.took, took)
	m.took = m.took[max(0, len(m.took)-window):]
	m.fact.Probes++
	m.fact.Why = why
	switch {
	case m.fact.State != Dead && m.bad >= m.fall:
		m.fact.State = Dead
	case m.fact.State == Unknown && !lost:
		m.fact.State = Alive
	case m.fact.State == Dead && m.good >= m.rise:
		m.fact.State = Alive
		m.took = m.took[len(m.took)-m.good:] // what was lost while it was dead says nothing of what it is now
	}
	m.sum()
}

func (m *meter) sum() {
	answered := slices.DeleteFunc(slices.Sorted(slices.Values(m.took)), func(d time.Duration) bool { return d == 0 })
	m.fact.Loss = float64(len(m.took)-len(answered)) / float64(len(m.took))
	if len(answered) > 0 {
		m.fact.RTT = answered[len(answered)/2]
	}
}
