package cause

import (
	"path/filepath"
	"regexp"
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
		if what := changed(e); what != "" && before >= -tick {
			return what, max(0, before)
		}
	}
	return "", 0
}

// changed is who changed the node and how, if an event tells of that, and not of what else people do, such as to arm or to
// confirm. A list that changed was somebody's, too, and so was an MTU that is lower now.
func changed(e engine.Event) string {
	did, _, _ := strings.Cut(e.What, ": ")
	if file, ok := strings.CutPrefix(did, "read "); ok && e.Who == "engine" {
		return filepath.Base(file) + " changed"
	}
	if m := lowerMTU.FindStringSubmatch(e.What); m != nil && e.Who == "kernel" && e.Severity == "warn" {
		return m[1] + " got MTU " + m[2]
	}
	did, _, _ = strings.Cut(did, ", ")
	if e.Severity == "audit" && e.Who != "engine" && (strings.HasPrefix(did, "applied ") || strings.HasPrefix(did, "detached ")) {
		return e.Who + " " + did
	}
	return ""
}

var lowerMTU = regexp.MustCompile(`^nic (\S+) has MTU (\d+), had \d+`)
