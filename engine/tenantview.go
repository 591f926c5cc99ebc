package engine

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"

	"hairpin/engine/reason"
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
	v.Reasons = reasonsOf(v.Drops)
	w := wordsOf(s.Spec, m)
	for _, e := range s.Events {
		if e, shown := w.event(e, who); shown {
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

// reasonsOf are the reasons of drops, summed from their rows.
func reasonsOf(drops []Drop) (list []Reason) {
	for _, d := range drops {
		why, known := reason.ByName(d.Reason)
		if !known || d.Shadow {
			continue
		}
		i := slices.IndexFunc(list, func(r Reason) bool { return r.Name == d.Reason })
		if i < 0 {
			i, list = len(list), append(list, Reason{Name: d.Reason, Verdict: string(why.Verdict), Stage: string(why.Stage)})
		}
		list[i].Counter.add(d.Counter)
	}
	return list
}

// event is what who sees of e: of what many backends did at a time, the lines of theirs.
func (w words) event(e Event, who string) (Event, bool) {
	switch {
	case e.Severity == "audit":
		return e, e.Who == who
	case w.only(e.What, e.Detail...):
		return e, true
	case e.Who != "health" || w.others.in(e.What) || len(e.Detail) == 0:
		return e, false
	}
	e.Detail = slices.DeleteFunc(slices.Clone(e.Detail), func(line string) bool { return !w.only(line) })
	e.What = "went down or came back"
	return e, len(e.Detail) > 0
}

// words are what sentences call VIPs and backends by, and whose they are.
type words struct{ mine, others called }

// called are names of VIPs and tenants, and addresses.
type called struct{ names, addresses map[string]bool }

func wordsOf(s *spec.Spec, m tenants.Mine) words {
	w := words{called{map[string]bool{}, map[string]bool{}}, called{map[string]bool{}, map[string]bool{}}}
	if s == nil {
		return w
	}
	of := func(mine bool) called {
		if mine {
			return w.mine
		}
		return w.others
	}
	for i := range s.VIPs {
		v := &s.VIPs[i]
		to := of(m.Has(v))
		to.names[v.Name] = true
		for _, a := range v.Addresses {
			to.addresses[a.String()] = true
		}
		for _, p := range v.Prefixes {
			to.addresses[p.Addr().String()] = true
		}
		for _, b := range v.Backends {
			to.addresses[b.Address.String()] = true
		}
	}
	for _, t := range s.Tenants {
		of(slices.Contains(m, t.Name)).names[t.Name] = true
	}
	maps.DeleteFunc(w.others.addresses, func(a string, _ bool) bool { return w.mine.addresses[a] }) // a backend may be of both
	return w
}

// only tells whether a sentence is about something of theirs, and neither it nor what goes with it names something of
// others.
func (w words) only(what string, rest ...string) bool {
	return w.mine.in(what) && !w.others.in(append(rest, what)...)
}

// in tells whether some of the texts has an address of c, or a name where sentences put it: whoever names VIPs may call them
// as he likes, such as eth0 or down, and must neither see more by it nor hide from others what is theirs.
func (c called) in(texts ...string) bool {
	for _, text := range texts {
		before := ""
		for i, word := range wordsIn(text) {
			bare := strings.Trim(word, ".:")
			leads := word == bare+":" && (i == 0 || before == "vips")
			if c.addresses[addressIn(word)] || c.names[bare] && (leads || before == "vip" || before == "tenant") {
				return true
			}
			if strings.Trim(word, "0123456789") != "" { // vips[3] web: …
				before = strings.ToLower(bare)
			}
		}
	}
	return false
}

// addressIn is the address that a word is, with or without a port and what ends a sentence; else the word.
func addressIn(word string) string {
	for _, text := range []string{word, strings.TrimRight(word, "."), strings.TrimSuffix(word, ":")} {
		if a, err := netip.ParseAddr(text); err == nil {
			return a.String()
		}
		if a, err := netip.ParseAddrPort(text); err == nil {
			return a.Addr().String()
		}
	}
	return word
}

// discreet is err as operators are told it: without what is of others.
func (w words) discreet(err error) error {
	if err == nil || !w.others.in(err.Error()) {
		return err
	}
	f := faultOf(err)
	f.Text = "it does not go together with what others have on this node"
	return f.err()
}

func wordsIn(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_.:", r)
	})
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
