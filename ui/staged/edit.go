// Package staged is what a person has changed and not applied: a list of small edits, laid over whatever runs now.
package staged

import (
	"fmt"
	"net/netip"

	"hairpin/engine/spec"
)

// Kind is what an edit does.
type Kind int

// Kinds of edits.
const (
	SetWeight Kind = iota
	SetState
	Add
	Remove
)

// Edit is one change of one backend, whole in itself: it names its target, never a row.
type Edit struct {
	Kind    Kind
	VIP     string
	Backend netip.Addr
	Weight  uint32     // SetWeight, Add
	State   spec.State // SetState
}

// Over is s with the edit made; s itself stays as it is.
func (e Edit) Over(s *spec.Spec) (*spec.Spec, error) {
	switch e.Kind {
	case SetWeight:
		return spec.SetWeight(s, e.VIP, e.Backend, e.Weight)
	case SetState:
		return spec.SetState(s, e.VIP, e.Backend, e.State)
	case Add:
		return spec.AddBackend(s, e.VIP, spec.Backend{Address: e.Backend, Weight: e.Weight, State: spec.Up})
	case Remove:
		return spec.RemoveBackend(s, e.VIP, e.Backend)
	}
	return nil, fmt.Errorf("edit %s: no such kind %d", e.VIP, e.Kind)
}

// String is the edit in words, as the staged list and the audit trail show it.
func (e Edit) String() string {
	at := e.VIP + " " + e.Backend.String()
	switch e.Kind {
	case SetWeight:
		return fmt.Sprintf("%s weight %d", at, e.Weight)
	case SetState:
		return at + " " + e.State.String()
	case Add:
		return fmt.Sprintf("%s add, weight %d", at, e.Weight)
	case Remove:
		return at + " remove"
	}
	return at
}

// follows tells whether e only goes on with what b began: the same value of the same backend, once more.
func (e Edit) follows(b Edit) bool {
	return e.Kind == b.Kind && (e.Kind == SetWeight || e.Kind == SetState) && e.VIP == b.VIP && e.Backend == b.Backend
}
