package engine

import (
	"slices"
	"strings"
	"time"

	"hairpin/engine/spec"
	"hairpin/engine/tenants"
)

// seenBy is what operators see of s: what is of their VIPs. It names what they see, so that whatever else a State will have
// is not shown to them by mistake.
func seenBy(s *State, m tenants.Mine, who string) *State {
	v := &State{Time: s.Time, Span: s.Span, Node: s.Node, Version: s.Version, PID: s.PID, Role: s.Role, Since: s.Since, Epoch: s.Epoch,
		Generation: s.Generation, Revision: s.Revision, Spec: tenants.View(s.Spec, m), Operator: m, UsualOver: s.UsualOver, Watched: s.Watched,
		EventsLost: s.EventsLost}
	for _, n := range s.NICs {
		if v.Spec != nil && v.Spec.NIC(n.Name) != nil {
			v.NICs = append(v.NICs, NIC{Name: n.Name, Hook: n.Hook, Mode: n.Mode, State: n.State, Index: n.Index})
		}
	}
	theirs := func(name string) bool { return v.Spec != nil && v.Spec.VIP(name) != nil }
	for i := range s.VIPs {
		if theirs(s.VIPs[i].Name) {
			v.VIPs = append(v.VIPs, s.VIPs[i])
		}
	}
	for _, d := range s.Drops {
		if theirs(d.VIP) {
			v.Drops = append(v.Drops, d)
		}
	}
	for _, l := range s.Limits {
		if theirs(l.VIP) || slices.Contains(m, l.Tenant) {
			v.Limits = append(v.Limits, l)
		}
	}
	w := wordsOf(s.Spec, m)
	for _, e := range s.Events {
		own := e.Severity == "audit" && e.Who == who
		if own || e.Severity != "audit" && w.only(append([]string{e.What}, e.Detail...)...) {
			v.Events = append(v.Events, e)
		}
	}
	for _, p := range s.Problems {
		if w.only(p.What, p.Cure) {
			v.Problems = append(v.Problems, p)
		}
	}
	return v
}

// words are what sentences call VIPs and backends by, and whose they are.
type words struct{ mine, others map[string]bool }

func wordsOf(s *spec.Spec, m tenants.Mine) words {
	w := words{map[string]bool{}, map[string]bool{}}
	if s == nil {
		return w
	}
	for i := range s.VIPs {
		v := &s.VIPs[i]
		to := w.others
		if m.Has(v) {
			to = w.mine
		}
		to[v.Name] = true
		for _, a := range v.Addresses {
			to[a.String()] = true
		}
		for _, b := range v.Backends {
			to[b.Address.String()] = true
		}
	}
	for _, t := range s.Tenants {
		if !slices.Contains(m, t.Name) {
			w.others[t.Name] = true
		}
	}
	return w
}

// only tells whether the texts name something of theirs, and nothing of others.
func (w words) only(texts ...string) bool {
	mine := false
	for _, t := range texts {
		for _, word := range strings.FieldsFunc(t, func(r rune) bool {
			return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789-.:", r)
		}) {
			word = strings.Trim(word, ".:")
			if w.others[word] {
				return false
			}
			mine = mine || w.mine[word]
		}
	}
	return mine
}

// armedOf is who of the operators of m is armed, or else that somebody is for the whole node, whose reasons are his own.
func (g *guard) armedOf(m tenants.Mine, now time.Time) *Armed {
	if a := g.armed(now); a != nil {
		a.Why = "the whole node"
		return a
	}
	for _, a := range g.operators.of(m) {
		if h, held := a.Held(now); held {
			return armedBy(h)
		}
	}
	return nil
}

// own is the newest picture for one operator; false when he is none any more.
func (c *session) own() (picture, bool) {
	state, guard := c.server.node.State(), c.server.node.doors()
	m, _ := guard.operators.mine(c.party, guard.now())
	if len(m) == 0 {
		return picture{}, false
	}
	if state == nil || state == c.picture.of {
		return c.picture, true
	}
	seen := seenBy(state, m, c.party.Who)
	seen.Armed = guard.armedOf(m, guard.now())
	p := picture{state: seen, of: state, spec: c.picture.spec, specFrame: c.picture.specFrame}
	if p.specFrame == nil || !p.spec.Equal(seen.Spec) {
		p.spec, p.specFrame = seen.Spec, specFrame(seen.Spec)
	}
	p.frame = pictured(seen)
	c.picture = p
	return p, true
}
