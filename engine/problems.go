package engine

import (
	"errors"
	"fmt"
	"slices"
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

// findProblems derives from a snapshot in which ways the node is not as it should be, and since when. That one begins or is
// over goes into the journal.
func (o *owner) findProblems(now time.Time, s *State) []Problem {
	list := slices.Concat(problemsOf(s), o.problemsOfProbes(), o.reloadProblem(), o.foundProblems(s), o.shellProblems(), o.troubles.problems(), o.pasts.problems(now, s),
		o.agentProblems(now, s), o.checkProblems(), o.answers.problems(), o.fleetProblems(s), o.machineProblems())
	lasting := map[string]Problem{}
	list = append(list, o.recorder.problems()...)
	list = append(list, o.mirroring.problems(now)...)
	list = append(list, o.steerProblems(s)...)
	list = append(list, o.takeoverProblem()...)
	for i := range list {
		p := &list[i]
		if old, known := o.problems[p.Key]; known {
			p.Since = old.Since
		} else if p.Since = now; p.Key != keyPending { // who applied it is in the journal already
			o.journal.add(now, p.Severity, "engine", p.What)
		}
		lasting[p.Key] = *p
	}
	for key, old := range o.problems {
		if _, lasts := lasting[key]; !lasts && key != keyPending {
			o.journal.add(now, "info", "engine", fmt.Sprintf("over after %s: %s", now.Sub(old.Since).Round(time.Second), old.What))
		}
	}
	o.problems = lasting
	return list
}

// takeoverProblem says that programs of an older ABI run on.
func (o *owner) takeoverProblem() []Problem {
	if o.detached || o.kernel.TakingOver() == 0 {
		return nil
	}
	return []Problem{{Key: "takeover", Severity: "warn", What: fmt.Sprintf("the programs and pins of an older version (ABI %d) go on until something is applied",
		o.kernel.TakingOver()), Cure: "apply the spec again, once without a deadline"}}
}

// keyPending is the problem that a change waits for confirmation.
const keyPending = "pending"

// problemsOf are the problems of a snapshot, worst first.
func problemsOf(s *State) []Problem {
	var crit, warn []Problem
	if s.Spec == nil && s.Generation.Active > 0 {
		crit = append(crit, Problem{Key: "unreadable spec", Severity: "crit", What: fmt.Sprintf("the spec of generation %d cannot be read: the data path runs on as it is",
			s.Generation.Active), Cure: "apply the spec again: hairpin apply -f FILE"})
	} else if s.Spec == nil {
		crit = append(crit, Problem{Key: "no spec", Severity: "crit", What: "no spec is applied: everything passes up to this node's own stack",
			Cure: "hairpin apply -f FILE"})
	}
	for _, n := range s.NICs {
		if n.State != "attached" {
			crit = append(crit, Problem{Key: "nic " + n.Name + " " + n.Hook, Severity: "crit", What: fmt.Sprintf("%s %s: %s", n.Name, n.Hook, n.Why)})
		} else if n.Why != "" {
			warn = append(warn, Problem{Key: "mode " + n.Name + " " + n.Hook, Severity: "warn", What: fmt.Sprintf("%s runs in %s mode: %s", n.Name, n.Mode, n.Why)})
		}
	}
	for _, n := range s.NICs {
		warn = append(warn, lostBeside(n)...)
		for _, g := range n.Stages {
			if g.Disabled {
				warn = append(warn, Problem{Key: "disabled " + n.Name + " " + n.Hook + " " + g.Name, Severity: "warn",
					What: fmt.Sprintf("%s on %s %s is disabled: no packet meets it", g.Name, n.Name, n.Hook),
					Cure: fmt.Sprintf("hairpin chain enable %s --nic %s", g.Name, n.Name)})
			}
		}
	}
	for _, v := range s.VIPs {
		c, w := problemsOfVIP(v)
		crit, warn = append(crit, c...), append(warn, w...)
	}
	if !s.Generation.Deadline.IsZero() {
		warn = append(warn, Problem{Key: keyPending, Severity: "warn", What: fmt.Sprintf("generation %d goes back to %d unless it is confirmed by %s",
			s.Generation.Active, s.Generation.Confirmed, s.Generation.Deadline.Format(time.TimeOnly)), Cure: "hairpin confirm"})
	}
	crit = append(crit, bgpProblems(s)...)
	warn = append(warn, listProblems(s)...)
	if s.DropsLost > 0 {
		warn = append(warn, Problem{Key: "drops lost", Severity: "warn",
			What: fmt.Sprintf("%d drops are missing from the drop ledger: it was full; the reasons' totals have them", s.DropsLost)})
	}
	warn = append(warn, socketProblems(s.Sockets)...)
	warn = append(warn, flowProblems(s)...)
	warn = append(warn, stageProblems(s)...)
	if s.EventsLost > 0 {
		warn = append(warn, Problem{Key: "events lost", Severity: "warn", What: fmt.Sprintf("%d sampled drops were lost: the ring buffer was full", s.EventsLost)})
	}
	return append(crit, warn...)
}

func problemsOfVIP(v VIP) (crit, warn []Problem) {
	if v.Empty {
		crit = append(crit, Problem{Key: "empty " + v.Name, Severity: "crit", What: fmt.Sprintf("%s: no backend takes new flows, they are dropped", v.Name),
			Cure: "bring a backend up, or give one weight"})
	}
	lost, named := 0, Backend{}
	down := 0
	for _, b := range v.Backends {
		if b.Gone {
			continue
		}
		if b.State == spec.Down.String() || b.Out {
			down++
		}
		if b.Share > 0 && !macKnown(b.NextHop) {
			lost, named = lost+1, b
		}
	}
	if lost > 0 {
		crit = append(crit, Problem{Key: "unreachable " + v.Name, Severity: "crit", What: fmt.Sprintf("%s: %d of %d backends cannot be reached, %s: %s", v.Name,
			lost, len(v.Backends), named.Address, named.NextHop), Cure: "check route and neighbour of the backend"})
	}
	if down > 0 {
		warn = append(warn, Problem{Key: "down " + v.Name, Severity: "warn", What: fmt.Sprintf("%s: %d of %d backends %s down%s", v.Name, down, len(v.Backends), isAre(down),
			forExample(v, func(b Backend) bool { return b.Out && b.Says != "" }))})
	}
	c, w := healthProblems(v)
	crit, warn = append(crit, c...), append(warn, w...)
	if v.Settling != nil && v.Settling.Unheld > 0 {
		warn = append(warn, Problem{Key: "unheld " + v.Name, Severity: "warn", What: fmt.Sprintf("%s: %d new flows could not be remembered while settling",
			v.Name, v.Settling.Unheld), Cure: "let it settle before the next change"})
	}
	return crit, warn
}

func isAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// macKnown tells a MAC from a sentence.
func macKnown(text string) bool { return len(text) == len("00:00:00:00:00:00") && text[2] == ':' }
