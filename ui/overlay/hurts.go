package overlay

import (
	"fmt"
	"strings"

	"hairpin/engine"
	"hairpin/engine/spec"
	"hairpin/ui/page"
	"hairpin/ui/staged"
	"hairpin/ui/widget"
)

// hurts says who feels a change besides those whose slots move: what a stage that goes keeps out now, and whom a lower limit
// would have refused lately.
func hurts(shown *engine.State, before, after *spec.Spec) (lines []string) {
	if before == nil || shown == nil {
		return nil
	}
	for _, n := range shown.NICs {
		next := spec.Enabled(staged.ChainAt(after, n.Name, page.HookOf(n.Hook)))
		for _, s := range n.Stages {
			at := staged.PlaceOf(next, s.Name)
			if s.Kind != string(spec.Balancer) && s.Drop.PPS > 0 && (at < 0 || next[at].Shadow) {
				lines = append(lines, fmt.Sprintf("%s on %s drops %s packets a second, which get through from now on", s.Name, n.Name, widget.Number(s.Drop.PPS)))
			}
		}
	}
	for _, l := range shown.Limits {
		i := before.FindMaximum(l.Stage, l.Scope, l.Whose(), l.Max)
		next := after.Maxima(l.Stage)
		if i < 0 || i >= len(next) || l.Past == nil || l.Source.IsValid() || next[i].Max >= l.Max {
			continue
		}
		if refused := l.Past.Lower(l.Max, next[i].Max); refused >= 1 {
			lines = append(lines, fmt.Sprintf("%s per %s: %d would have refused about %s of %s in the last %s", l.Stage, strings.TrimSpace(l.Scope+" "+l.Whose()),
				next[i].Max, widget.Number(refused), widget.Number(l.Past.Passed), widget.Age(l.Past.Over)))
		}
	}
	return lines
}
