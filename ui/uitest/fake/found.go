package fake

import (
	"context"
	"fmt"
	"slices"
	"time"

	"hairpin/engine"
)

// Found is Busy with two VIPs whose backends are found: of one, a tenant's, what its source says is not believed; of the other it is
// silent.
func Found() *engine.State {
	s := Busy()
	ago := func(d time.Duration) time.Time { return s.Time.Add(-d) }
	api, echo := &s.VIPs[1], &s.VIPs[2]
	api.Tenant = "shop"
	api.Found = &engine.FoundBy{Source: "kubernetes shop/api", Backends: 2, Says: 1, Answered: ago(4 * time.Second), Held: ago(2 * time.Minute), Missing: 1,
		Left: "pods listen on port 8443, and packets keep the VIP's port 443"}
	for i := range api.Backends[:2] {
		api.Backends[i].Found, api.Backends[i].FoundSince, api.Backends[i].Edited = true, ago(time.Hour), i == 1
	}
	echo.Found = &engine.FoundBy{Source: "dns echo.example.com", Backends: 2, Says: 2, Answered: ago(time.Hour), Failing: ago(5 * time.Minute), Error: "look up: timeout"}
	for i := range echo.Backends {
		echo.Backends[i].Found = true
	}
	return s
}

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
