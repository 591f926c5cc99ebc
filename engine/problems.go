package engine

import (
	"errors"
	"fmt"
	"time"

	"hairpin/engine/datapath"
	"hairpin/engine/spec"
)

func attachmentState(err error) string {
	if errors.Is(err, datapath.ErrNoNIC) {
		return "missing"
	}
	return "detached"
}

// findProblems derives from a snapshot in which ways the node is not as it should be, and since when.
func (o *owner) findProblems(now time.Time, s *State) []Problem {
	list := problemsOf(s)
	since := map[string]time.Time{}
	for i := range list {
		p := &list[i]
		key := p.Severity + p.key()
		if t, known := o.problems[key]; known {
			p.Since = t
		} else if p.Since.IsZero() {
			p.Since = now
		}
		since[key] = p.Since
	}
	o.problems = since
	return list
}

// key is what stays the same of a problem while its numbers change.
func (p Problem) key() string {
	key := make([]byte, 0, len(p.What))
	for i := range len(p.What) {
		if c := p.What[i]; c < '0' || c > '9' {
			key = append(key, c)
		}
	}
	return string(key)
}

// problemsOf are the problems of a snapshot, worst first.
func problemsOf(s *State) []Problem {
	var crit, warn []Problem
	if s.Spec == nil {
		crit = append(crit, Problem{Severity: "crit", What: "no spec is applied: everything passes up to this node's own stack",
			Cure: "hairpin apply -f FILE"})
	}
	for _, n := range s.NICs {
		if n.State != "attached" {
			crit = append(crit, Problem{Severity: "crit", What: fmt.Sprintf("%s %s: %s", n.Name, n.Hook, n.Why)})
		} else if n.Why != "" {
			warn = append(warn, Problem{Severity: "warn", What: fmt.Sprintf("%s runs in %s mode: %s", n.Name, n.Mode, n.Why)})
		}
	}
	for _, v := range s.VIPs {
		c, w := problemsOfVIP(v)
		crit, warn = append(crit, c...), append(warn, w...)
	}
	if !s.Generation.Deadline.IsZero() {
		warn = append(warn, Problem{Severity: "warn", What: fmt.Sprintf("generation %d goes back to %d unless it is confirmed by %s",
			s.Generation.Active, s.Generation.Confirmed, s.Generation.Deadline.Format(time.TimeOnly)), Cure: "hairpin confirm"})
	}
	if s.EventsLost > 0 {
		warn = append(warn, Problem{Severity: "warn", What: fmt.Sprintf("%d sampled drops were lost: the ring buffer was full", s.EventsLost)})
	}
	return append(crit, warn...)
}

func problemsOfVIP(v VIP) (crit, warn []Problem) {
	if v.Empty {
		crit = append(crit, Problem{Severity: "crit", What: fmt.Sprintf("%s: no backend takes new flows, they are dropped", v.Name),
			Cure: "bring a backend up, or give one weight"})
	}
	lost, named := 0, Backend{}
	down := 0
	for _, b := range v.Backends {
		if b.Gone {
			continue
		}
		if b.State == spec.Down.String() {
			down++
		}
		if b.Share > 0 && !macKnown(b.NextHop) {
			lost, named = lost+1, b
		}
	}
	if lost > 0 {
		crit = append(crit, Problem{Severity: "crit", What: fmt.Sprintf("%s: %d of %d backends cannot be reached, %s: %s", v.Name,
			lost, len(v.Backends), named.Address, named.NextHop), Cure: "check route and neighbour of the backend"})
	}
	if down > 0 {
		warn = append(warn, Problem{Severity: "warn", What: fmt.Sprintf("%s: %d of %d backends are down", v.Name, down, len(v.Backends))})
	}
	if v.Settling != nil && v.Settling.Unheld > 0 {
		warn = append(warn, Problem{Severity: "warn", What: fmt.Sprintf("%s: %d new flows could not be remembered while settling",
			v.Name, v.Settling.Unheld), Cure: "let it settle before the next change"})
	}
	return crit, warn
}

// macKnown tells a MAC from a sentence.
func macKnown(text string) bool { return len(text) == len("00:00:00:00:00:00") && text[2] == ':' }
