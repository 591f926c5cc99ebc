package cause

import (
	"fmt"
	"strings"
	"time"

	"hairpin/engine"
)

// anotherFor is how long it is said that the engine is another one since.
const anotherFor = 2 * time.Minute

// another says that the engine is not the one that it was: by a handoff, or since it was started again.
func another(s *engine.State) []Cause {
	h := s.Handoff
	if h != nil && h.Outcome == engine.HandoffConfirmed && s.Time.Sub(h.Ended) <= anotherFor {
		return []Cause{{Level: OK, rank: rankOther, Screen: "8", Since: h.Ended, over: true,
			What: strings.TrimSpace(fmt.Sprintf("%s handed the node over to pid %d, %s", h.Who, h.To.PID, h.To.Version))}}
	}
	given := false // by a handoff, whose successor adopts next
	for _, e := range s.Events {
		if strings.HasPrefix(e.What, "hands the node over ") {
			given = true
		}
		if !strings.HasPrefix(e.What, "adopted generation ") {
			continue
		}
		successor := given || h != nil && !e.Time.Before(h.Began) && (!h.Over() || !e.Time.After(h.Ended))
		given = false
		if age := s.Time.Sub(e.Time); successor || age < 0 || age > anotherFor {
			continue
		}
		return []Cause{{Level: OK, rank: rankOther, Screen: "9", Since: e.Time, over: true,
			What: fmt.Sprintf("the engine was started again, generation %d goes on", s.Generation.Active)}}
	}
	return nil
}
