package engine

import (
	"fmt"

	"hairpin/engine/datapath"
	"hairpin/engine/spec"
)

// stageProblems are what stages say of themselves that nobody would want.
func stageProblems(s *State) (warn []Problem) {
	for _, m := range s.Metrics {
		if m.Map == string(spec.Mirror) && m.Name == datapath.CopiesLost && m.Value > 0 {
			warn = append(warn, Problem{Key: "copies lost " + m.Stage, Severity: "warn", What: fmt.Sprintf("%.0f copies of %s were lost: there was no room for them, "+
				"as always while no engine runs", m.Value, m.Stage), Cure: "copy less: a match, a higher one_in, a shorter snap, a lower rate"})
		}
		if m.Map == string(spec.Steer) && m.Name == datapath.SteerLarge && m.Value > 0 {
			warn = append(warn, Problem{Key: "large " + m.Stage, Severity: "warn", What: fmt.Sprintf("%.0f packets were too large for the paths that %s has for them",
				m.Value, m.Stage), Cure: "raise the MTU of the paths, or lower that of the ordinary way"})
		}
		if m.Map == string(spec.TLSWall) && m.Name == datapath.WallUnheld && m.Value > 0 {
			warn = append(warn, Problem{Key: "unheld " + m.Stage, Severity: "warn", What: fmt.Sprintf("%s could not remember %.0f new connections, which were "+
				"not judged: too many clients hold one and say nothing", m.Stage, m.Value), Cure: "a shorter wait makes room; full: drop refuses them"})
		}
	}
	return warn
}
