package plan

import (
	"fmt"
	"slices"
	"strings"

	"hairpin/engine/spec"
)

// Text is the preview: what moves, what stays, who is hurt. Empty when nothing would change.
func (p *Plan) Text() []string {
	var lines []string
	for i := range p.VIPs {
		lines = append(lines, p.describe(&p.VIPs[i])...)
	}
	for _, name := range p.Removed {
		lines = append(lines, fmt.Sprintf("- vip %s: removed, its packets pass up to this node's own stack", name))
	}
	return slices.Concat(lines, p.describeStages(), p.describeNICs(), p.describeRest())
}

func (p *Plan) describe(c *Change) []string {
	before := p.before(c.Spec.Name)
	head := fmt.Sprintf("~ vip %s", c.Spec.Name)
	if c.New {
		return []string{fmt.Sprintf("+ vip %s: new, %s", c.Spec.Name, service(c.Spec)+chosen(c.Spec)),
			fmt.Sprintf("  %d backends, %d take new flows, %d slots", len(c.Spec.Backends), len(takers(c.Spec)), c.Spec.Ring)}
	}
	lines := backendLines(before, c.Spec)
	if before.Encap != c.Spec.Encap || before.EncapPort != c.Spec.EncapPort {
		lines = append(lines, fmt.Sprintf("  encapsulation %s port %d → %s port %d", before.Encap, before.EncapPort, c.Spec.Encap, c.Spec.EncapPort))
	}
	if before.Settle != c.Spec.Settle || before.Flow != c.Spec.Flow {
		lines = append(lines, fmt.Sprintf("  settle %s, flow %s → settle %s, flow %s", before.Settle, before.Flow, c.Spec.Settle, c.Spec.Flow))
	}
	lines = append(lines, choiceLines(before, c)...)
	if service(before) != service(c.Spec) {
		lines = append(lines, fmt.Sprintf("  %s → %s", service(before), service(c.Spec)))
	}
	lines = slices.Concat(lines, healthLines(before, c.Spec), otherLines(before, c), ringLines(c), lossLines(before, c))
	if len(lines) == 0 {
		return nil
	}
	return append([]string{head}, lines...)
}

func ringLines(c *Change) []string {
	if c.Ring == nil {
		if c.Before != nil {
			return []string{stayLine(c)}
		}
		return nil
	}
	m := c.Moves
	lines := []string{fmt.Sprintf("  %d of %d slots move = %.2f%% (minimum possible %.2f%%)", m.Moved, m.Slots, 100*m.MovedShare, 100*m.MinimumShare)}
	switch {
	case len(takers(c.Spec)) == 0:
		lines = append(lines, "  NO BACKEND takes new flows: they are dropped with reason no_backend")
	case !Settles(c.Spec):
		lines = append(lines, "  flows on moved slots move at once (flow: none)")
	}
	if c.Before != nil {
		lines = append(lines, stayLine(c))
	}
	return lines
}

func stayLine(c *Change) string {
	return fmt.Sprintf("  established connections stay; settles for %s after the last of them on another backend", c.Spec.Settle)
}

// lossLines say whose connections end, whether or not any slot moves: those of a drained backend end when it is removed.
func lossLines(before spec.VIP, c *Change) []string {
	turned := func(to spec.State) (n int) {
		for _, b := range c.Spec.Backends {
			if old := before.Backend(b.Address); old != nil && old.State != to && b.State == to {
				n++
			}
		}
		return n
	}
	var lines []string
	if n := len(c.Gone); n > 0 {
		lines = append(lines, fmt.Sprintf("  connections on the %d removed are lost", n))
	}
	if n := turned(spec.Maintenance); n > 0 {
		lines = append(lines, fmt.Sprintf("  connections on the %d in maintenance are lost", n))
	}
	if n := turned(spec.Down); n > 0 {
		lines = append(lines, fmt.Sprintf("  connections on the %d down are lost in %s", n, FlapHold))
	}
	return lines
}

func backendLines(before, after spec.VIP) []string {
	var lines []string
	for _, b := range after.Backends {
		old := spec.Backend{}
		for _, o := range before.Backends {
			if o.Address == b.Address {
				old = o
			}
		}
		switch {
		case !old.Address.IsValid():
			lines = append(lines, fmt.Sprintf("  + backend %s weight %d %s", b.Address, b.Weight, b.State))
		case old != b:
			lines = append(lines, fmt.Sprintf("  ~ backend %s %s", b.Address, strings.Join(differences(old, b), ", ")))
		}
	}
	for _, o := range before.Backends {
		if !hasBackend(after.Backends, o.Address) {
			lines = append(lines, fmt.Sprintf("  - backend %s removed", o.Address))
		}
	}
	return lines
}

func differences(old, b spec.Backend) []string {
	var d []string
	if old.Weight != b.Weight {
		d = append(d, fmt.Sprintf("weight %d → %d", old.Weight, b.Weight))
	}
	if old.ID != b.ID {
		d = append(d, fmt.Sprintf("id %s → %s", serverID(old), serverID(b)))
	}
	if old.State != b.State {
		d = append(d, fmt.Sprintf("%s → %s", old.State, b.State))
	}
	switch {
	case old.Found == b.Found:
	case old.Found.Dropped != b.Found.Dropped && b.Found.Dropped:
		d = append(d, "its source names it no more")
	case old.Found.Dropped != b.Found.Dropped:
		d = append(d, "its source names it again")
	case old.Found.Is != b.Found.Is:
		d = append(d, fmt.Sprintf("%s → %s", howKnown(old), howKnown(b)))
	case b.Edited():
		d = append(d, fmt.Sprintf("its source says weight %d, %s", b.Found.Weight, b.Found.State))
	}
	return d
}

func service(v spec.VIP) string {
	names := make([]string, len(v.Addresses))
	for i, a := range v.Addresses {
		names[i] = a.String()
	}
	for _, p := range v.Prefixes {
		names = append(names, p.String())
	}
	port := "every port"
	if v.Port != 0 {
		port = fmt.Sprintf("port %d", v.Port)
	}
	if v.LastPort != 0 {
		port = fmt.Sprintf("ports %d-%d", v.Port, v.LastPort)
	}
	return fmt.Sprintf("%s %s %s%s", strings.Join(names, " "), v.Protocol, port, sources(v.Sources))
}

func howKnown(b spec.Backend) string {
	if b.Found.Is {
		return "found"
	}
	return "typed"
}
