package overlay

import (
	"fmt"

	"hairpin/engine"
	"hairpin/engine/spec"
	"hairpin/ui/widget"
)

// smallImpact is the share of a VIP's slots that may move without its name being typed.
const smallImpact = 0.01

// Impact is how much a change hurts, and so how it has to be confirmed.
type Impact struct {
	Why  []string // a sentence for each reason to ask for a name; none = a button is enough
	Name string   // what has to be typed
}

// Weigh judges a planned change of a node from one spec to another.
func Weigh(node string, plan *engine.Plan, before, after *spec.Spec) Impact {
	var i Impact
	vip := ""
	touch := func(name, why string) {
		i.Why = append(i.Why, why)
		if vip != "" && vip != name {
			name = node
		}
		vip, i.Name = name, name
	}
	for _, p := range plan.VIPs {
		share := 1.0
		if p.Slots > 0 {
			share = float64(p.Moved) / float64(p.Slots)
		}
		switch was, is := takers(before, p.Name), takers(after, p.Name); {
		case was > 0 && is == 0:
			touch(p.Name, p.Name+" loses its last backend: all of its packets will be dropped")
		case share > smallImpact:
			touch(p.Name, fmt.Sprintf("%s of the slots of %s move", widget.Percent(share), p.Name))
		}
	}
	return i
}

// takers is how many backends of a VIP take new flows.
func takers(s *spec.Spec, vip string) (n int) {
	if s == nil || s.VIP(vip) == nil {
		return 0
	}
	for _, b := range s.VIP(vip).Backends {
		if b.TakesNew() {
			n++
		}
	}
	return n
}
