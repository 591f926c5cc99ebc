package cause

import (
	"fmt"
	"strings"
	"time"

	"hairpin/engine"
)

// seen is what the snapshot shows by itself when nobody named a problem.
func seen(s *engine.State) (list []Cause) {
	if len(s.Problems) > 0 {
		return nil
	}
	for _, n := range s.NICs {
		if n.State != "attached" {
			list = append(list, Cause{Level: Crit, rank: 1, Screen: "2", What: joinWhy(n.Name+" is "+n.State, n.Why)})
		}
	}
	for _, v := range s.VIPs {
		_, down, total := Live(v)
		noBackend := kind{ofVIP: true, reasons: []string{"no_backend"}}.explains(v.Name)
		switch {
		case v.Empty:
			list = append(list, Cause{Level: Crit, rank: 2, Screen: "3", What: v.Name + ": no backend takes new flows", explains: noBackend})
		case down > 0:
			list = append(list, Cause{Level: Warn, rank: 4, Screen: "3", What: fmt.Sprintf("%s: %d/%d backends down", v.Name, down, total), explains: noBackend})
		}
	}
	if s.Role == engine.Pins {
		list = append(list, Cause{Level: Warn, rank: rankOther, What: "no engine runs; the data path goes on by itself"})
	}
	if len(s.NICs) == 0 {
		list = append(list, Cause{Level: Warn, rank: rankOther, What: "nothing is attached to this node", Cure: "hairpin apply -f spec.yaml"})
	}
	return list
}

func joinWhy(what, why string) string {
	if why == "" {
		return what
	}
	return what + ": " + why
}

// Live counts the backends of a VIP that the spec still has: those that take new flows, those that are down, all.
func Live(v engine.VIP) (up, down, total int) {
	for _, b := range v.Backends {
		if b.Gone {
			continue
		}
		total++
		switch b.Word() {
		case "up", "starting":
			up++
		case "down", "held":
			down++
		}
	}
	return up, down, total
}

const (
	unevenFloor = 1000.0 // packets per second of a VIP: of fewer, chance makes what it wants
	unevenTimes = 3.0    // of what the ring gives to a backend
	unevenSpan  = 60     // seconds that it lasts at least
)

// uneven are backends that get much more or less than their share of the ring, for a minute.
func uneven(s *engine.State) (list []Cause) {
	for _, v := range s.VIPs {
		all := mean(v.History)
		if v.Settling != nil || len(v.History) < unevenSpan || all < unevenFloor {
			continue
		}
		for _, b := range v.Backends {
			if b.Gone || b.Share <= 0 || len(b.History) < unevenSpan {
				continue
			}
			part := mean(b.History) / all
			if part <= b.Share*unevenTimes && part >= b.Share/unevenTimes {
				continue
			}
			list = append(list, Cause{Level: Warn, rank: 7, Screen: "3", Cure: "look for one large flow, or another way to it",
				What: fmt.Sprintf("%s: %s gets %.0f%% of the packets, by the ring %.0f%%", v.Name, b.Address, part*100, b.Share*100)})
			break
		}
	}
	return list
}

func mean(history []float64) float64 {
	sum := 0.0
	for _, v := range history {
		sum += v
	}
	return sum / float64(max(1, len(history)))
}

// late is an event that is worth a word for a while, though what it tells of is over.
type late struct {
	part  string // of its text
	level Level
	lasts time.Duration
}

func lates() []late {
	return []late{
		{"was not confirmed in time", OK, 10 * time.Minute},
		{"had been detached by somebody else", Warn, 10 * time.Minute},
		{"removed or replaced by somebody else", Warn, 10 * time.Minute},
		{"the engine had stood still", Warn, 10 * time.Minute},
		{"the node was not handed over", OK, 10 * time.Minute},
		{"the node goes back", OK, 10 * time.Minute},
		{"the node came back", OK, 10 * time.Minute},
	}
}

// lately is what is over, and explains what is seen: the newest of each kind.
func lately(s *engine.State) (list []Cause) {
	for _, l := range lates() {
		for i := len(s.Events) - 1; i >= 0; i-- {
			e := s.Events[i]
			if s.Time.Sub(e.Time) > l.lasts {
				break
			}
			if strings.Contains(e.What, l.part) && (e.Who == "engine" || e.Who == "kernel") {
				list = append(list, Cause{Level: l.level, rank: rankOther, Screen: "9", What: e.What, Since: e.Time, over: true})
				break
			}
		}
	}
	return append(append(list, overs(s)...), another(s)...)
}
