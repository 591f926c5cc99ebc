package spec

import (
	"fmt"
	"slices"
)

// checkStages looks at the settings of stages, used or not.
func checkStages(s *Spec, f *faults) {
	here := whole.field("stages")
	if len(s.Stages) > MaxStages {
		f.wrong(here, "%d are too many: at most %d", len(s.Stages), MaxStages)
	}
	seen := map[string]bool{}
	for _, n := range s.Stages {
		at := here.field(n.Name)
		checkEntry(seen, n.Name, badName(n.Name), at, f)
		if k := kindNamed(Stage(n.Name)); k && Stage(n.Name) != n.Kind {
			f.wrong(at, "%s is the name of a kernel function, and this is a %s: give it another name", n.Name, n.Kind)
		}
		known, ok := n.Settings.(settings)
		if !ok || known.Kind() != n.Kind {
			f.wrong(at, "has no settings for a %s", n.Kind)
			continue
		}
		known.check(s, at, f)
	}
}

func kindNamed(name Stage) bool {
	_, why := hooksOf(name)
	return why == ""
}

// settingsOf is where to read the settings of a kind into, or why it has none.
func settingsOf(kind Stage) (settings, string) {
	var have []string
	for _, k := range kinds {
		if k.settings == nil {
			continue
		}
		if k.name == kind {
			return k.settings(), ""
		}
		have = append(have, string(k.name))
	}
	if kindNamed(kind) {
		return nil, fmt.Sprintf("%s has no settings: remove this", kind)
	}
	return nil, "kind " + unknown(string(kind), have) + "; write it as kind: " + have[0]
}

// checkChain looks at the order of one chain and at what stands in it.
func checkChain(s *Spec, c Chain, here *at, f *faults) {
	if len(c.Stages) > mostStages {
		f.wrong(here, "%d are too many: at most %d", len(c.Stages), mostStages)
	}
	if n := s.tailCalls(c.Stages); n > maxTailCalls {
		f.wrong(here, "a packet would make %d tail calls, 3 in each external stage and 1 in any other, and the kernel allows %d: "+
			"have fewer external stages", n, maxTailCalls)
	}
	for i, p := range c.Stages {
		kind := s.KindOf(p.Name)
		hooks, why := hooksOf(kind)
		switch {
		case kind == "":
			f.wrong(here.item(i), "stage %s", unknown(p.Name, s.stageNames()))
		case why != "":
			f.wrong(here.item(i), "%s", why)
		case s.Stage(p.Name) == nil && hasSettings(kind):
			f.wrong(here.item(i), "%s has no settings: write them under stages.%s", p.Name, p.Name)
		case slices.ContainsFunc(c.Stages[:i], func(o Position) bool { return o.Name == p.Name }):
			f.wrong(here.item(i), "%s stands in this chain already: a stage stands once", p.Name)
		case !slices.Contains(hooks, c.Hook):
			f.wrong(here.item(i), "%s cannot stand in %s, only in %s", p.Name, c.Hook, listed(hooks, " or "))
		case p.Shadow && kind == External:
			f.wrong(here.item(i), "what %s would have dropped, only its own program knows: remove shadow", p.Name)
		case s.cannotStand(p.Name, c.Hook) != "":
			f.wrong(here.item(i), "%s", s.cannotStand(p.Name, c.Hook))
		case p.Shadow && (!hasSettings(kind) || kind == Mirror || kind == Steer):
			f.wrong(here.item(i), "%s drops nothing that it could let pass instead: remove shadow", p.Name)
		default:
			if why := misplaced(s, c, i); why != "" {
				f.wrong(here.item(i), "%s", why)
			}
		}
	}
}

// cannotStand is why a stage with settings such as these cannot stand at a hook where its kind can, or empty.
func (s *Spec) cannotStand(name string, hook Hook) string {
	n := s.Stage(name)
	if n == nil {
		return ""
	}
	if picky, ok := n.Settings.(interface{ cannotStand(Hook) string }); ok {
		return picky.cannotStand(hook)
	}
	return ""
}

// lastStop is the stage among the first of a list, before the i-th, behind which no packet goes on; empty when all do. Decap
// gives packets on to a balancer behind it.
func lastStop(s *Spec, list []Position, i int) Stage {
	rebalances := slices.ContainsFunc(list, func(p Position) bool { return s.KindOf(p.Name) == Balancer })
	for _, p := range list[:i] {
		if k := s.KindOf(p.Name); k == Balancer || k == Decap && !rebalances || k == SNAT {
			return k
		}
	}
	return ""
}

func hasSettings(kind Stage) bool {
	return slices.ContainsFunc(kinds, func(k kindOf) bool { return k.name == kind && k.settings != nil })
}

// hooksOf is where a stage of a kind can stand, or why there is no such kind.
func hooksOf(kind Stage) (hooks []Hook, why string) {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		if k.name == kind {
			return k.hooks, ""
		}
		names[i] = string(k.name)
	}
	return nil, "stage " + unknown(string(kind), names)
}

// stageNames are what a chain may call its stages.
func (s *Spec) stageNames() []string {
	var names []string
	for _, k := range kinds {
		names = append(names, string(k.name))
	}
	for _, n := range s.Stages {
		if !slices.Contains(names, n.Name) {
			names = append(names, n.Name)
		}
	}
	return names
}
