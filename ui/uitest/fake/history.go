package fake

import (
	"context"
	"fmt"
	"slices"

	"hairpin/engine"
	"hairpin/engine/spec"
)

// History is the changes that Keep was given.
func (n *Node) History(ctx context.Context) ([]engine.Change, error) {
	if err := n.answer(ctx); err != nil {
		return nil, fmt.Errorf("history: %w", err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.changes), nil
}

// Past is the spec that KeepSpec was given for a change, else the running one.
func (n *Node) Past(ctx context.Context, number int) (*spec.Spec, error) {
	changes, err := n.History(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range changes {
		if s := n.pasts[number]; s != nil && c.Number == number {
			return s.Clone(), nil
		}
		if c.Number == number {
			return n.State().Spec.Clone(), nil
		}
	}
	return nil, fmt.Errorf("history: %w: change %d: no such change is kept", engine.ErrInvalid, number)
}

// KeepSpec makes Past say a spec.
func (n *Node) KeepSpec(number int, s *spec.Spec) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.pasts == nil {
		n.pasts = map[int]*spec.Spec{}
	}
	n.pasts[number] = s
}

// Keep makes History say changes.
func (n *Node) Keep(changes ...engine.Change) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.changes = changes
}
