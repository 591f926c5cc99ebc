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

// smallImpact is the share of a VIP's slots that may move without its name being typed.
const smallImpact = 0.01

// Impact is how much a change hurts, and so how it has to be confirmed.
type Impact struct {
	Why  []string // a sentence for each reason to ask for a name; none = a button is enough
	Name string   // what has to be typed
}

// Weigh judges a planned change of a node, which is as it is shown, to another spec.
func Weigh(shown *engine.State, node string, plan *engine.Plan, before, after *spec.Spec) Impact {
	var i Impact
	vip := "" // what was touched so far
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
		case healthy(shown, before, before, p.Name) > 0 && healthy(shown, before, after, p.Name) == 0:
			touch(p.Name, p.Name+" loses its last healthy backend: those that are left are down")
		case share > smallImpact:
			touch(p.Name, fmt.Sprintf("%s of the slots of %s move", widget.Percent(share), p.Name))
		}
	}
	weighChains(shown, before, after, touch)
	weighLimits(shown, before, after, touch)
	i.Why = append(i.Why, hurts(shown, before, after)...)
	return i
}

// healthy is how many of the backends of a VIP that take new flows are not down by what is seen of them.
func healthy(shown *engine.State, before, s *spec.Spec, vip string) int {
	down := 0
	for _, v := range shownVIPs(shown) {
		for _, b := range v.Backends {
			if v.Name != vip || b.State != "down" {
				continue
			}
			now, is := staged.Find(before, vip, b.Address)
			next, stays := staged.Find(s, vip, b.Address)
			if is && stays && now.TakesNew() && next.TakesNew() {
				down++
			}
		}
	}
	return takers(s, vip) - down
}

func shownVIPs(s *engine.State) []engine.VIP {
	if s == nil {
		return nil
	}
	return s.VIPs
}

// weighChains finds NICs that balance no more, and stages that begin to drop what they let pass so far.
func weighChains(shown *engine.State, before, after *spec.Spec, touch func(name, why string)) {
	if before == nil || shown == nil {
		return
	}
	for _, n := range before.NICs {
		is := after.NIC(n.Name)
		if before.Has(n, spec.Balancer) && (is == nil || !after.Has(*is, spec.Balancer)) {
			touch(n.Name, n.Name+" loses its balancer: its packets pass up to this node's own stack")
		}
	}
	for _, n := range shown.NICs {
		is := after.NIC(n.Name)
		for _, s := range n.Stages {
			if is == nil || !s.Shadow || s.Would.PPS <= 0 {
				continue
			}
			for _, c := range is.Chains() {
				for _, p := range spec.Enabled(c.Stages) {
					if p.Name == s.Name && !p.Shadow && c.Hook == page.HookOf(n.Hook) {
						touch(s.Name, fmt.Sprintf("%s on %s would drop %s packets a second from now on", s.Name, n.Name, widget.Number(s.Would.PPS)))
					}
				}
			}
		}
	}
}

// weighLimits finds limits that are set below what flows now.
func weighLimits(shown *engine.State, before, after *spec.Spec, touch func(name, why string)) {
	if before == nil || shown == nil {
		return
	}
	for _, l := range shown.Limits {
		i := before.FindMaximum(l.Stage, l.Scope, l.Whose(), l.Max)
		now := after.Maxima(l.Stage)
		if i < 0 || i >= len(now) || l.Shadow || l.Source.IsValid() || now[i].Max >= before.Maxima(l.Stage)[i].Max || l.Now <= float64(now[i].Max) {
			continue
		}
		touch(l.Stage, fmt.Sprintf("%s on %s per %s: %d is below the %s that flow now", l.Stage, l.NIC, strings.TrimSpace(l.Scope+" "+l.Whose()),
			now[i].Max, widget.Number(l.Now)))
	}
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
