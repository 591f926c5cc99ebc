package plan

import (
	"fmt"
	"slices"
	"strings"

	"hairpin/engine/spec"
)

// describeStages says what changes in the settings of stages.
func (p *Plan) describeStages() []string {
	old := p.world.Spec
	if old == nil {
		old = &spec.Spec{}
	}
	var lines []string
	for _, n := range p.Spec.Stages {
		was := old.Stage(n.Name)
		switch {
		case was == nil:
			lines = append(lines, fmt.Sprintf("+ stage %s: new, %s", n.Name, n.Kind))
		case was.Kind != n.Kind:
			lines = append(lines, fmt.Sprintf("~ stage %s: %s → %s", n.Name, was.Kind, n.Kind))
		case !was.Equal(n):
			lines = append(lines, fmt.Sprintf("~ stage %s: %s", n.Name, strings.Join(spec.Differences(*was, n), ", ")))
		}
	}
	for _, n := range old.Stages {
		if p.Spec.Stage(n.Name) == nil {
			lines = append(lines, fmt.Sprintf("- stage %s: removed", n.Name))
		}
	}
	return lines
}

// describeNICs says what becomes of NICs and their chains.
func (p *Plan) describeNICs() []string {
	old := p.world.Spec
	if old == nil {
		old = &spec.Spec{}
	}
	var lines []string
	for _, n := range p.Spec.NICs {
		if was := old.NIC(n.Name); was != nil {
			lines = append(lines, p.describeNIC(*was, n)...)
		} else {
			lines = append(lines, fmt.Sprintf("+ nic %s: %s", n.Name, chains(n)))
		}
	}
	for _, n := range old.NICs {
		if p.Spec.NIC(n.Name) == nil {
			lines = append(lines, fmt.Sprintf("- nic %s: detached", n.Name))
		}
	}
	return lines
}

func (p *Plan) describeNIC(was, now spec.NIC) []string {
	var lines []string
	for _, hook := range []spec.Hook{spec.XDP, spec.TCXIngress, spec.TCXEgress} {
		before, after := *was.At(hook), *now.At(hook)
		head := fmt.Sprintf("~ nic %s %s: ", now.Name, hook)
		switch {
		case slices.Equal(before, after):
		case len(before) == 0:
			lines = append(lines, head+"attached, "+row(after))
		case len(after) == 0:
			lines = append(lines, head+"detached")
		default:
			for _, change := range p.describeChain(before, after) {
				lines = append(lines, head+change)
			}
			lines = append(lines, "  "+row(after))
		}
	}
	return lines
}

// describeChain says in words how one chain becomes another.
func (p *Plan) describeChain(before, after []spec.Position) []string {
	var lines []string
	for _, o := range before {
		if place(after, o.Name) < 0 {
			lines = append(lines, o.Name+" removed"+p.without(p.world.Spec, o))
		}
	}
	stay := kept(before, after)
	for i, n := range after {
		was := place(before, n.Name)
		switch {
		case was < 0:
			lines = append(lines, n.Name+" inserted "+between(after, i)+p.manner(spec.Position{}, n))
			continue
		case !stay[n.Name]:
			lines = append(lines, n.Name+" moved "+between(after, i))
		}
		if o := before[was]; o != n {
			lines = append(lines, n.Name+strings.TrimPrefix(p.manner(o, n), ","))
		}
	}
	return lines
}

// manner says how a stage stands other than before.
func (p *Plan) manner(was, now spec.Position) string {
	text := ""
	switch {
	case now.Disabled && !was.Disabled:
		text += ", disabled" + p.without(p.Spec, now)
	case !now.Disabled && was.Disabled:
		text += ", enabled"
	}
	switch {
	case now.Shadow && !was.Shadow:
		text += ", in shadow: it counts what it would drop, and lets it pass"
	case !now.Shadow && was.Shadow:
		text += ", out of shadow: it drops from now on"
	}
	return text
}

// without says what is missing where a stage does not stand any more.
func (p *Plan) without(s *spec.Spec, at spec.Position) string {
	switch s.KindOf(at.Name) {
	case spec.RateLimit, "connlimit":
		return ": its limits no longer hold"
	case spec.TLSWall:
		return ": whatever clients say first passes"
	case spec.Mirror:
		return ": its collector gets no copies"
	case spec.Steer:
		return ": its flows go the ordinary way"
	case "firewall":
		return ": its rules no longer hold"
	case spec.Balancer:
		return ": packets for VIPs pass up to this node's own stack"
	case spec.Decap:
		return ": encapsulated packets pass up as they come"
	case spec.SNAT:
		return ": replies leave with the address that the server gave them"
	}
	return ""
}

func place(list []spec.Position, name string) int {
	return slices.IndexFunc(list, func(p spec.Position) bool { return p.Name == name })
}

// between is where the i-th stage of a chain stands.
func between(list []spec.Position, i int) string {
	switch {
	case len(list) == 1:
		return "alone"
	case i == 0:
		return "in front of " + list[1].Name
	case i == len(list)-1:
		return "behind " + list[i-1].Name
	}
	return "between " + list[i-1].Name + " and " + list[i+1].Name
}

// kept are the most stages of both chains that need not be moved to get from one to the other.
func kept(before, after []spec.Position) map[string]bool {
	best := make([][]string, len(after)) // that end with this one
	var most []string
	for i, n := range after {
		if place(before, n.Name) < 0 {
			continue
		}
		for j := range i {
			if l := best[j]; len(l) > len(best[i]) && place(before, l[len(l)-1]) < place(before, n.Name) {
				best[i] = l
			}
		}
		if best[i] = append(slices.Clone(best[i]), n.Name); len(best[i]) > len(most) {
			most = best[i]
		}
	}
	stay := map[string]bool{}
	for _, name := range most {
		stay[name] = true
	}
	return stay
}

func chains(n spec.NIC) string {
	var parts []string
	for _, c := range n.Chains() {
		parts = append(parts, string(c.Hook)+" "+row(c.Stages))
	}
	return strings.Join(parts, ", ")
}

// row is a chain on one line.
func row(list []spec.Position) string {
	names := make([]string, len(list))
	for i, p := range list {
		names[i] = p.Name
		if p.Shadow {
			names[i] += " (shadow)"
		}
		if p.Disabled {
			names[i] += " (disabled)"
		}
	}
	return strings.Join(names, "►")
}
