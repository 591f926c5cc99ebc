package staged

import (
	"fmt"
	"net/netip"
	"slices"

	"hairpin/engine/spec"
)

// Diff compares two specs backend by backend, for the column that shows what is staged.
type Diff struct {
	Added   []spec.Backend // in the order of the new spec
	Changes map[netip.Addr]Change
}

// Change is what becomes of one backend.
type Change struct {
	Removed bool
	Before  spec.Backend
	After   spec.Backend
}

// String is the change in a few words: what it becomes.
func (c Change) String() string {
	switch {
	case c.Removed:
		return "remove"
	case c.Before.State != c.After.State && c.Before.Weight != c.After.Weight:
		return fmt.Sprintf("-> %s, %d", c.After.State, c.After.Weight)
	case c.Before.State != c.After.State:
		return "-> " + c.After.State.String()
	}
	return fmt.Sprintf("-> weight %d", c.After.Weight)
}

// Between is what becomes of the backends of one VIP; either spec may be nil or lack the VIP.
func Between(running, next *spec.Spec, vip string) Diff {
	d := Diff{Changes: map[netip.Addr]Change{}}
	before, after := vipOf(running, vip), vipOf(next, vip)
	if slices.Equal(before.Backends, after.Backends) { // nearly always, and asked for at each frame
		return d
	}
	gone := make(map[netip.Addr]spec.Backend, len(before.Backends))
	for _, b := range before.Backends {
		gone[b.Address] = b
	}
	for _, b := range after.Backends {
		old, known := gone[b.Address]
		delete(gone, b.Address)
		switch {
		case !known:
			d.Added = append(d.Added, b)
		case old != b:
			d.Changes[b.Address] = Change{Before: old, After: b}
		}
	}
	for _, b := range gone {
		d.Changes[b.Address] = Change{Removed: true, Before: b}
	}
	return d
}

// Len is how many backends differ.
func (d Diff) Len() int { return len(d.Added) + len(d.Changes) }

// Find is a backend of a spec; false when the spec, the VIP or the backend is not there.
func Find(s *spec.Spec, vip string, addr netip.Addr) (spec.Backend, bool) {
	if b := vipOf(s, vip).Backend(addr); b != nil {
		return *b, true
	}
	return spec.Backend{}, false
}

// vipOf is never nil: a VIP that is not there has no backends.
func vipOf(s *spec.Spec, name string) *spec.VIP {
	if s != nil {
		if v := s.VIP(name); v != nil {
			return v
		}
	}
	return &spec.VIP{}
}
