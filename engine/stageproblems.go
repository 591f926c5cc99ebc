package engine

import (
	"fmt"

	"hairpin/engine/datapath"
	"hairpin/engine/spec"
)

// stageProblems are what stages say of themselves that nobody would want.
func stageProblems(s *State) (warn []Problem) {
	for _, m := range s.Metrics {
		if m.Map == string(spec.TLSWall) && m.Name == datapath.WallUnheld && m.Value > 0 {
			warn = append(warn, Problem{Key: "unheld " + m.Stage, Severity: "warn", What: fmt.Sprintf("%s could not remember %.0f new connections, which were "+
				"not judged: too many clients hold one and say nothing", m.Stage, m.Value), Cure: "a shorter wait makes room; full: drop refuses them"})
		}
	}
	return warn
}
