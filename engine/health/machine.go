package health

import (
	"fmt"
	"math"
	"time"

	"hairpin/engine/spec"
)

// State is what checks say of a backend.
type State uint8

// States. Nothing is known of a backend until its first check succeeded, or so many failed as it takes.
const (
	Unknown State = iota
	Up
	Down
)

// String is the state in one word.
func (s State) String() string { return [...]string{"unknown", "up", "down"}[s] }

const (
	shortest  = 60 * time.Millisecond // that the check that decides may take at least
	patience  = 4                     // of what answers took lately, that it may take
	memory    = 8                     // answers over which that is averaged, about
	maxDouble = 5                     // times that flaps double how many checks must succeed
)

// machine is how one check of one backend stands. It is pure: time is what it is told.
//
//	unknown ── one succeeds ──► up ── fall in a row fail ──► down ── rise in a row succeed, more after flaps ──► up
//	        └─ fall in a row fail, after the warm-up ──────► down
type machine struct {
	check   *spec.Check
	damping time.Duration
	warm    time.Time // until then, failures say nothing of a backend of which nothing is known

	state     State
	since     time.Time
	good, bad int           // in a row
	why       string        // the last one failed
	took      time.Duration // what answers took lately
	flaps     float64       // times that it went down, the older the less
	flappedAt time.Time
}

// succeed notes a check that succeeded, and tells whether the state changed.
func (m *machine) succeed(now time.Time, took time.Duration) bool {
	m.bad, m.why = 0, ""
	m.good = min(m.good+1, math.MaxInt32)
	if m.took == 0 {
		m.took = took
	}
	m.took += (took - m.took) / memory
	if m.state == Up || m.state == Down && m.good < m.need(now) {
		return false
	}
	m.state, m.since = Up, now
	return true
}

// fail notes a check that failed, and tells whether the state changed.
func (m *machine) fail(now time.Time, why string) bool {
	m.good, m.why = 0, why
	if m.state == Unknown && now.Before(m.warm) {
		return false
	}
	m.bad = min(m.bad+1, math.MaxInt32)
	if m.state == Down || m.bad < int(m.check.Fall) {
		return false
	}
	if m.state == Up {
		m.flaps, m.flappedAt = m.remembered(now)+1, now
	}
	m.state, m.since = Down, now
	return true
}

// remembered are the flaps that still count: half as many after each time of damping.
func (m *machine) remembered(now time.Time) float64 {
	if m.flaps == 0 || m.damping <= 0 {
		return 0
	}
	return m.flaps * math.Exp2(-float64(now.Sub(m.flappedAt))/float64(m.damping))
}

// need is how many checks in a row must succeed before a backend that is down is up: twice as many for each time that it
// went down before.
func (m *machine) need(now time.Time) int {
	before := min(max(int(math.Round(m.remembered(now)))-1, 0), maxDouble)
	return int(m.check.Rise) << before
}

// timeout is how long the next check may take. The one that decides that a backend is down has no more than answers of late
// needed, several times over: so fall intervals after a backend died it is known, and not one timeout later.
func (m *machine) timeout() time.Duration {
	if m.state == Down || m.check.Fall < 2 || m.bad != int(m.check.Fall)-1 {
		return m.check.Timeout
	}
	return min(max(patience*m.took, shortest), m.check.Timeout)
}

// says is the state in one line.
func (m *machine) says(now time.Time) string {
	switch {
	case m.state == Unknown && m.why == "":
		return "no check has ended yet"
	case m.state == Unknown && now.Before(m.warm):
		return fmt.Sprintf("warming up: %s", m.why)
	case m.state == Unknown:
		return fmt.Sprintf("%d of %d failed: %s", m.bad, m.check.Fall, m.why)
	case m.state == Down && m.good > 0:
		text := fmt.Sprintf("%d of %d checks succeeded again", m.good, m.need(now))
		if times := int(math.Round(m.remembered(now))); times > 1 {
			text += fmt.Sprintf(", went down %d times lately", times)
		}
		return text
	case m.state == Up && m.bad > 0:
		return fmt.Sprintf("%d of %d failed: %s", m.bad, m.check.Fall, m.why)
	}
	return m.why
}
