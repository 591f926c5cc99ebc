// Package health finds out whether backends serve: it sends them checks, and keeps what follows as facts, of which others
// make what they need.
package health

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"hairpin/engine/spec"
)

// Key names a backend of a VIP.
type Key struct {
	VIP     string // its name
	Backend netip.Addr
}

// Target is a backend that is to be checked.
type Target struct {
	Key
	Address  netip.Addr // of the VIP, where checks to it go
	Port     uint16     // of the VIP, for commands
	Protocol spec.Protocol
	Mark     uint32 // of the sockets of checks to the VIP, by which they are encapsulated for this backend
	Checks   []spec.Check
	Health   spec.Health
	Unsent   string // why none can be sent to the VIP; empty = they can
}

// Fact is what is known of a backend.
type Fact struct {
	Key
	State  State
	Since  time.Time     // of the state; zero = it was never another
	Back   time.Time     // when it last came back from being down; zero = never
	Why    string        // in one line
	Took   time.Duration // what its slowest check's answers took lately; 0 = there were none
	Unsent string        // why checks cannot be sent, which says nothing of the backend; empty = they are
	Checks []Memory
}

// Memory is what is known of one check of a backend, for whoever goes on with it.
type Memory struct {
	Kind      spec.CheckKind
	State     State
	Since     time.Time
	Why       string
	Took      time.Duration
	Bad, Good int
	Flaps     float64
	FlappedAt time.Time
}

// target is a Target as it is checked.
type target struct {
	Target
	probes []*probe
	state  State
	since  time.Time
	back   time.Time
	unsent string
}

// probe is one check of a target and when it is next.
type probe struct {
	of      *target
	machine machine
	due     time.Time
	place   int // in the queue; -1 = it is not there, since it is being carried out or was given up
	gone    bool
}

func newTarget(t Target, known Fact, now time.Time) *target {
	n := &target{Target: t, state: known.State, since: known.Since, back: known.Back, unsent: t.Unsent}
	for i := range t.Checks {
		m := machine{check: &t.Checks[i], damping: t.Health.Damping, warm: now.Add(t.Health.WarmUp)}
		if i < len(known.Checks) && known.Checks[i].Kind == t.Checks[i].Kind {
			m.recall(known.Checks[i])
		}
		n.probes = append(n.probes, &probe{of: n, machine: m, place: -1})
	}
	n.settle(now)
	return n
}

func (m *machine) recall(k Memory) {
	m.state, m.since, m.why, m.took, m.bad, m.good = k.State, k.Since, k.Why, k.Took, k.Bad, k.Good
	m.flaps, m.flappedAt = k.Flaps, k.FlappedAt
}

func (m *machine) memory() Memory {
	return Memory{m.check.Kind, m.state, m.since, m.why, m.took, m.bad, m.good, m.flaps, m.flappedAt}
}

// settle makes the target's state what its checks' states come to, and tells whether that is another.
func (t *target) settle(now time.Time) bool {
	state := Up
	for _, p := range t.probes {
		switch {
		case p.machine.state == Down:
			state = Down
		case p.machine.state == Unknown && state == Up:
			state = Unknown
		}
	}
	if state == t.state || state == Unknown && t.state == Down { // a check that is new says nothing against what is known
		return false
	}
	if t.state == Down && state == Up {
		t.back = now
	}
	t.state, t.since = state, now
	return true
}

func (t *target) fact(now time.Time) Fact {
	f := Fact{Key: t.Key, State: t.state, Since: t.since, Back: t.back, Unsent: t.unsent, Why: t.says(now)}
	for _, p := range t.probes {
		f.Took = max(f.Took, p.machine.took)
		f.Checks = append(f.Checks, p.machine.memory())
	}
	return f
}

// says is why the target is as it is.
func (t *target) says(now time.Time) string {
	var all []string
	for _, p := range t.probes {
		m := &p.machine
		if t.state == Down && m.state != Down {
			continue // what is well says nothing of why it is down
		}
		if text := m.says(now); text != "" {
			all = append(all, m.check.Kind.String()+": "+text)
		}
	}
	switch {
	case t.unsent != "":
		return "checks cannot be sent: " + t.unsent
	case len(all) > 0:
		return strings.Join(all, "; ")
	case len(t.probes) == 1:
		return fmt.Sprintf("%s succeeds", t.probes[0].machine.check.Kind)
	}
	return fmt.Sprintf("%d checks succeed", len(t.probes))
}
