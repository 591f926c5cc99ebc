package app

import (
	"slices"
	"strings"

	"hairpin/engine/near"
	"hairpin/engine/spec"
	"hairpin/ui/action"
	"hairpin/ui/page"
	"hairpin/ui/theme"
)

// stagePlaces are the places of stages in chains, also of those that are staged to be removed. Those of the chain under the
// cursor come first.
func (m *Model) stagePlaces() (list []page.Target) {
	specs := []*spec.Spec{}
	if m.live != nil {
		specs = append(specs, m.live.Spec, m.next) // in this order, so that none moves when one is staged to go
	}
	for _, s := range specs {
		if s == nil {
			continue
		}
		for _, n := range s.NICs {
			for _, c := range n.Chains() {
				for _, p := range c.Stages {
					if t := (page.Target{NIC: n.Name, Hook: c.Hook, Stage: p.Name}); !slices.Contains(list, t) {
						list = append(list, t)
					}
				}
			}
		}
	}
	here := m.page().Target()
	slices.SortStableFunc(list, func(a, b page.Target) int { return far(a, here) - far(b, here) })
	return list
}

func far(t, from page.Target) int {
	if t.NIC == from.NIC && t.Hook == from.Hook {
		return 0
	}
	return 1
}

// placeName is a stage in its chain, as the palette names it.
func placeName(t page.Target) string { return t.NIC + " " + string(t.Hook) + " " + t.Stage }

// named is the call on the stage that its argument names. False when there is none; then it is said.
func (m *Model) named(c call) (call, bool) {
	if c.Arg == "" {
		return c, true
	}
	var stages []string
	for _, t := range m.stagePlaces() {
		if placeName(t) == strings.Join(strings.Fields(c.Arg), " ") {
			c.Target, c.Arg = t, ""
			return c, true
		}
		stages = append(stages, t.Stage)
	}
	m.say(theme.Warn, "%s: no chain has %s%s", action.Title(c.ID), c.Arg, near.Hint(c.Arg, stages))
	return c, false
}
