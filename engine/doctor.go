package engine

import (
	"time"

	"hairpin/engine/doctor"
	"hairpin/engine/spec"
)

// Finding is one thing that doctor looked at.
type Finding = doctor.Finding

// Levels of a Finding, the worst first.
const (
	FindingCrit    = doctor.Crit
	FindingWarn    = doctor.Warn
	FindingUnknown = doctor.Unknown
	FindingInfo    = doctor.Info
	FindingOK      = doctor.OK
)

// Diagnosis is what stands in the way of packets beside hairpin itself.
type Diagnosis struct {
	Time     time.Time
	Role     string    // load balancer, backend, both; empty: no spec says
	Findings []Finding // the worst first
}

// Diagnose looks at the machine, in the network namespace of the calling thread, by what s asks of it; with nil, by what it
// could do. It needs no engine and changes nothing. What this process may not see is a finding too.
func Diagnose(p Paths, s *spec.Spec, now time.Time) *Diagnosis {
	d, _ := diagnose(p, question{spec: s}, now)
	return d
}

// diagnose is Diagnose for one who knows which programs without a pin are hairpin's, and what others had told before. It says
// what they have told now.
func diagnose(p Paths, q question, now time.Time) (*Diagnosis, *doctor.Returned) {
	facts := doctor.Read(doctor.Options{Spec: q.spec, BPFFS: p.BPFFS, Node: p.Node, State: p.State, Own: q.own, Told: q.told})
	return &Diagnosis{Time: now, Role: roleOf(q.spec), Findings: doctor.Examine(facts)}, &facts.Returned
}

func roleOf(s *spec.Spec) string {
	switch {
	case s == nil:
		return ""
	case s.Balances() && s.Agent != nil:
		return "both"
	case s.Agent != nil:
		return "backend"
	case s.Balances():
		return "load balancer"
	}
	return ""
}
