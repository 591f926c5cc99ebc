package plan

import (
	"fmt"
	"slices"
	"strings"

	"hairpin/engine/spec"
)

// healthLines say what changes in how backends are checked, and what follows from it.
func healthLines(before, after spec.VIP) (lines []string) {
	switch same := slices.EqualFunc(before.Checks, after.Checks, spec.Check.Equal); {
	case same:
	case len(after.Checks) == 0:
		lines = append(lines, "  backends are not checked any more: those that are down by their checks take new flows again")
	default:
		for _, c := range after.Checks {
			if !slices.ContainsFunc(before.Checks, c.Equal) {
				lines = append(lines, fmt.Sprintf("  + check %s every %s, down after %d that fail, up after %d that succeed", what(c), c.Interval, c.Fall, c.Rise))
			}
		}
		for _, c := range before.Checks {
			if !slices.ContainsFunc(after.Checks, c.Equal) {
				lines = append(lines, fmt.Sprintf("  - check %s every %s", what(c), c.Interval))
			}
		}
	}
	if h := after.Health; h != nil && !h.Equal(before.Health) {
		lines = append(lines, fmt.Sprintf("  health: quorum %d, hysteresis %d, watermark %d%%, warm-up %s, damping %s", h.Quorum, h.Hysteresis, h.Watermark,
			h.WarmUp, h.Damping))
	}
	if before.SlowStart != after.SlowStart {
		lines = append(lines, fmt.Sprintf("  slow start %s → %s", before.SlowStart, after.SlowStart))
	}
	return lines
}

// what a check asks, and whom.
func what(c spec.Check) string {
	switch c.Kind {
	case spec.CheckCommand:
		return "command " + c.Command[0]
	case spec.CheckPing:
		return fmt.Sprintf("ping to the %s", c.To)
	}
	return fmt.Sprintf("%s to the %s, port %d", strings.TrimSpace(c.Kind.String()+" "+c.Path), c.To, c.Port)
}
