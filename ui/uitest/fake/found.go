package fake

import (
	"context"
	"fmt"
	"slices"
	"time"

	"hairpin/engine"
)

// AcceptFound believes the source of a VIP.
func (n *Node) AcceptFound(ctx context.Context, r engine.AcceptRequest) error {
	if err := n.answer(ctx); err != nil {
		return fmt.Errorf("accept: %w", err)
	}
	n.mu.Lock()
	s := *n.state
	n.mu.Unlock()
	s.VIPs = slices.Clone(s.VIPs)
	for i := range s.VIPs {
		if v := &s.VIPs[i]; v.Name == r.VIP && v.Found != nil {
			f := *v.Found
			f.Held, f.Missing = time.Time{}, 0
			v.Found = &f
		}
	}
	n.Show(&s)
	return nil
}
