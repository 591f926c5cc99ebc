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
	InsertStage
	RemoveStage
	MoveStage
	DisableStage
	EnableStage
	ShadowStage
	UnshadowStage
	SetLimit
	TakeBack
)

// Edit is one change of one backend, one stage of a chain, or one limit, whole in itself: it names its target, never a row.
type Edit struct {
	Kind    Kind
	VIP     string
	Backend netip.Addr
	Weight  uint32     // SetWeight, Add
	State   spec.State // SetState

	NIC      string
	Hook     spec.Hook
	Stage    string
	Index    int  // InsertStage, MoveStage: its place in the chain; SetLimit: which of the stage's limits; from 0
	Disabled bool // InsertStage
	Shadow   bool // InsertStage

	Per spec.Scope // SetLimit, for people
	Max uint64     // SetLimit

	Change int        // TakeBack: of the history
	Later  int        // TakeBack: changes after it, which go with it
	To     *spec.Spec // TakeBack: what ran before it
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
	case TakeBack:
		return e.To, nil
	}
	return e.overChain(s)
}

// unknown is an edit that nobody can make.
func (e Edit) unknown() (*spec.Spec, error) {
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
	case TakeBack:
		text := fmt.Sprintf("back to before change %d", e.Change)
		if e.Later > 0 {
			text += fmt.Sprintf(", and to before %d later", e.Later)
		}
		return text
	}
	return e.chainString()
}

// follows tells whether e only goes on with what b began: the same value of the same backend or limit, or the place of the
// same stage, once more.
func (e Edit) follows(b Edit) bool {
	switch {
	case e.Kind != b.Kind:
		return false
	case e.Kind == SetLimit:
		return e.Stage == b.Stage && e.Index == b.Index
	case e.Kind == MoveStage:
		return e.NIC == b.NIC && e.Hook == b.Hook && e.Stage == b.Stage
	}
	return (e.Kind == SetWeight || e.Kind == SetState) && e.VIP == b.VIP && e.Backend == b.Backend
}
