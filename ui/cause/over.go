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

// moved are next hops that answer with another MAC than before: nothing else shows that packets go to a wrong machine.
func moved(s *engine.State) (list []Cause) {
	for i := len(s.Events) - 1; i >= 0 && s.Time.Sub(s.Events[i].Time) <= comeAndGo; i-- {
		e := s.Events[i]
		rest, ok := strings.CutPrefix(e.What, "the MAC of ")
		hop, macs, both := strings.Cut(rest, " was ")
		if !ok || !both || e.Who != "engine" {
			continue
		}
		c := Cause{Level: OK, rank: rankOther, Screen: "9", Since: e.Time, over: true, What: hop + " has another MAC than before"}
		if strings.Contains(macs, "permanent") {
			c.Level, c.over, c.rank = Warn, false, 3
			c.What, c.Cure = hop+" has another MAC, which somebody wrote down", "look at the permanent entry: ip neigh"
		}
		return append(list, c)
	}
	return nil
}
