package cause

import (
	"strings"
	"time"

	"hairpin/engine"
)

const (
	// suspect is how long before it began a change is named.
	suspect = 10 * time.Minute
	// tick is how much later than the change that led to it, by the clock, something may seem to have begun.
	tick = 2 * time.Second
)

// changedBefore is the last change by a person before something began, and how long before; empty when there is none.
func changedBefore(s *engine.State, began time.Time) (what string, before time.Duration) {
	if began.IsZero() {
		return "", 0
	}
	for i := len(s.Events) - 1; i >= 0; i-- {
		e := s.Events[i]
		before := began.Sub(e.Time)
		if before > suspect {
			break
		}
		if before < -tick || e.Severity != "audit" || e.Who == "engine" || !changes(e.What) {
			continue
		}
		did, _, _ := strings.Cut(e.What, ": ")
		did, _, _ = strings.Cut(did, ", ")
		return e.Who + " " + did, max(0, before)
	}
	return "", 0
}

// changes tells changes of the node from what else people do, such as to arm or to confirm.
func changes(what string) bool {
	return strings.HasPrefix(what, "applied ") || strings.HasPrefix(what, "detached ")
}
