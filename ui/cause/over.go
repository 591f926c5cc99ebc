package cause

import (
	"fmt"
	"strings"
	"time"

	"hairpin/engine"
)

const (
	// overFor is how long it is said that something was wrong and is over.
	overFor = 5 * time.Minute
	// flapping is how often in comeAndGo something must be over to be about to come back.
	flapping  = 2
	comeAndGo = 15 * time.Minute
)

// overs is what was wrong and is over: the newest, and what comes and goes.
func overs(s *engine.State) (list []Cause) {
	times := map[string]int{}
	for i := len(s.Events) - 1; i >= 0; i-- {
		e := s.Events[i]
		after, ok := strings.CutPrefix(e.What, "over after ")
		if s.Time.Sub(e.Time) > comeAndGo {
			break
		}
		if !ok || e.Who != "engine" {
			continue
		}
		lasted, what, _ := strings.Cut(after, ": ")
		if times[what]++; times[what] == 1 && s.Time.Sub(e.Time) <= overFor && len(list) == 0 {
			list = append(list, Cause{Level: OK, rank: rankOther, Screen: "9", Since: e.Time, over: true, What: fmt.Sprintf("over after %s: %s", lasted, what)})
		}
		if times[what] == flapping {
			list = append(list, Cause{Level: Warn, rank: rankOther, Screen: "9", What: "it comes and goes: " + what})
		}
	}
	return list
}
