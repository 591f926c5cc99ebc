package spec

import (
	"fmt"
	"net/netip"
	"slices"

	"go.yaml.in/yaml/v3"
)

// Found is what the source of a VIP says of a backend. Where the backend's own weight or state is another, somebody has
// edited it, and that stays. The zero value is of a backend that was typed.
type Found struct {
	Is      bool
	Weight  uint32
	State   State // Up, Drain or Down
	Dropped bool  // the source names it no more: this is what it said last, and the backend drains
}

// state is that of a backend that nobody has edited.
func (f Found) state() State {
	if f.Dropped {
		return Drain
	}
	return f.State
}

// Endpoint is a backend as a source knows it. What the source gives no weight has 0.
type Endpoint struct {
	Address netip.Addr
	Weight  uint32
	State   State // Up, Drain or Down
	Dropped bool  // as in Found
}

// Edited tells whether somebody has edited a backend that was found.
func (b Backend) Edited() bool {
	return b.Found.Is && (b.Weight != b.Found.Weight || b.State != b.Found.state())
}

// Backend is e as a backend of a VIP, as its source says.
func (e Endpoint) Backend(f *From) Backend {
	if e.Weight == 0 {
		e.Weight = f.Weight
	}
	said := Found{true, e.Weight, e.State, e.Dropped}
	return Backend{Address: e.Address, Weight: e.Weight, State: said.state(), Found: said}
}

// Renew is b as its source says by now, with what somebody has edited.
func (b Backend) Renew(now Backend) Backend {
	if b.Weight != b.Found.Weight {
		now.Weight = b.Weight
	}
	if b.State != b.Found.state() {
		now.State = b.State
	}
	now.ID = b.ID
	return now
}

// Discovered are the backends of v that were found, as its source said.
func (v *VIP) Discovered() (list []Endpoint) {
	for _, b := range v.Backends {
		if b.Found.Is {
			list = append(list, Endpoint{b.Address, b.Found.Weight, b.Found.State, b.Found.Dropped})
		}
	}
	return list
}

// Take puts what was found in the place of what was found before, behind those that are typed, by address. Whoever was edited
// stays edited; edited knows of those who are not in v any more, or drain since they were dropped. refused are endpoints that cannot be backends of v, and why.
func (v *VIP) Take(list []Endpoint, edited func(netip.Addr) (Backend, bool)) (refused []string) {
	before := v.Backends
	v.Backends = slices.DeleteFunc(slices.Clone(before), func(b Backend) bool { return b.Found.Is })
	ids := map[uint32]bool{}
	for _, b := range v.Backends {
		ids[v.ServerID(b)] = true
	}
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b Endpoint) int { return a.Address.Compare(b.Address) })
	for _, e := range list {
		b := e.Backend(v.From)
		if i := slices.IndexFunc(before, func(o Backend) bool { return o.Address == e.Address }); i >= 0 {
			if !before[i].Found.Is {
				continue // typed: it is as somebody wrote it
			}
			old := before[i]
			if old.Found.Dropped && !e.Dropped && !old.Edited() {
				if was, is := edited(e.Address); is {
					old = was
				}
			}
			b = old.Renew(b)
		} else if old, was := edited(e.Address); was {
			b = old.Renew(b)
		}
		why := badBackend(v, e.Address)
		if v.NamesServers() && ids[v.ServerID(b)] {
			why = fmt.Sprintf("%s has the server id of another backend: type it with an id of its own", e.Address)
		}
		if why != "" {
			refused = append(refused, why)
			continue
		}
		ids[v.ServerID(b)] = true
		v.Backends = append(v.Backends, b)
	}
	return refused
}

// KeepFound is s with the backends that running has found for the same VIPs, for a document that may be older or never had
// them: who is found is the source's word. What s says of one of them stays. It returns s where nothing differs.
func KeepFound(s, running *Spec) *Spec {
	if s == nil || running == nil || !slices.ContainsFunc(s.VIPs, func(v VIP) bool { return v.From != nil }) {
		return s
	}
	kept := s.Clone()
	for i := range kept.VIPs {
		v := &kept.VIPs[i]
		if v.From == nil {
			continue
		}
		old := running.VIP(v.Name)
		if old == nil || old.From == nil || !v.From.sameSource(old.From) && len(v.Discovered()) > 0 {
			continue
		}
		v.Take(old.Discovered(), func(a netip.Addr) (Backend, bool) {
			if b := old.Backend(a); b != nil {
				return *b, b.Found.Is
			}
			return Backend{}, false
		})
	}
	if kept.Equal(s) {
		return s
	}
	return kept
}

// Typed is s without the backends that were found. It returns s where there are none.
func Typed(s *Spec) *Spec {
	found := func(b Backend) bool { return b.Found.Is }
	if s == nil || !slices.ContainsFunc(s.VIPs, func(v VIP) bool { return slices.ContainsFunc(v.Backends, found) }) {
		return s
	}
	typed := s.Clone()
	for i := range typed.VIPs {
		typed.VIPs[i].Backends = slices.DeleteFunc(typed.VIPs[i].Backends, found)
	}
	return typed
}

// sameSource tells whether f and o ask the same, however they take the answer.
func (f *From) sameSource(o *From) bool {
	a, b := *f, *o
	b.Interval, b.Hold, b.Drain, b.Weight, b.Most = a.Interval, a.Hold, a.Drain, a.Weight, a.Most
	return a == b
}

// Equal is Spec.Equal for where backends are found.
func (f *From) Equal(o *From) bool { return f == o || f != nil && o != nil && *f == *o }

// found reads true, or a mapping of what the source says where that is not what the backend has; written tells which.
func (r *reader) found(n *yaml.Node, a *at, f *Found) (written bool) {
	r.either(n, a, choice(r, &f.Is, truths), func(n *yaml.Node, a *at) {
		f.Is, written = true, true
		r.fields(n, a,
			field{"weight", "what its source says", number(r, &f.Weight, 0, MaxWeight)},
			field{"state", "up, drain or down, as its source says", choice(r, &f.State, states)},
			field{"dropped", "", choice(r, &f.Dropped, truths)})
	})
	return written
}

// appendFound writes what a source says of b.
func appendFound(line []byte, b Backend) []byte {
	switch {
	case !b.Found.Is:
		return line
	case b.Found.Dropped:
		return fmt.Appendf(line, ", found: {weight: %d, state: %s, dropped: true}", b.Found.Weight, b.Found.State)
	case !b.Edited():
		return append(line, ", found: true"...)
	}
	return fmt.Appendf(line, ", found: {weight: %d, state: %s}", b.Found.Weight, b.Found.State)
}

func checkFound(v *VIP, list *at, f *faults) {
	for i, b := range v.Backends {
		switch here := list.item(i).field("found"); {
		case !b.Found.Is && b.Found != (Found{}):
			f.wrong(here, "what a source says of a backend that it did not find")
		case b.Found.Is && v.From == nil:
			f.wrong(here, "this VIP has no from by which backends are found: remove it, and the backend is one that was typed")
		case b.Found.Is && (b.Found.State == Maintenance || !has(states, b.Found.State)):
			f.wrong(here, "no source says %s: write up, drain or down", b.Found.State)
		case b.Found.Is && badWeight(b.Found.Weight) != "":
			f.wrong(here, "%s", badWeight(b.Found.Weight))
		}
	}
}

// AsksAsBefore tells whether what was found for v is found for now as well: the source is the same, and what it is asked.
func (v *VIP) AsksAsBefore(now *VIP) bool {
	return v.From != nil && now.From != nil && v.From.sameSource(now.From) && v.From.Interval == now.From.Interval &&
		v.Port == now.Port && v.LastPort == now.LastPort && v.Protocol == now.Protocol
}
