package fake

import (
	"context"
	"fmt"
	"time"

	"hairpin/engine"
)

// Fleeted is Busy on a node of a fleet, to which a revision comes.
func Fleeted() *engine.State {
	s := Busy()
	s.Fleet = &engine.Fleet{Store: "etcd://10.9.0.1:2379,10.9.0.2:2379/prod", ID: "0123456789abcdef", Reached: true, Since: s.Time.Add(-time.Hour),
		Leader: "lb2", Number: 12, Phase: "running", Who: "ann", What: "ticket 7: less weight for 10.1.1.12", From: "lb3", At: s.Time.Add(-30 * time.Second),
		Base: 11, Own: 11, Drift: "revision 12 has not come here yet"}
	return s
}

// FleetNodes are the nodes of that fleet.
func FleetNodes(now time.Time) []engine.FleetNode {
	return []engine.FleetNode{
		{Name: "lb1", Number: 11, State: "waits", Spec: "aaaabbbbcccc", Version: "1.2.0", Since: now.Add(-time.Hour)},
		{Name: "lb2", Number: 11, State: "takes it", Spec: "ddddeeeeffff", Version: "1.2.0", Since: now.Add(-4 * time.Second)},
		{Name: "lb3", Number: 10, State: "out", Why: "bob: incident 7", Spec: "111122223333", Version: "1.2.0", Since: now.Add(-26 * time.Hour)},
		{Name: "web1", Host: true, Number: 12, State: "has it", Spec: "444455556666", Version: "1.1.9", Since: now.Add(-20 * time.Second)},
		{Name: "web2", State: "silent"},
	}
}

// Fleet writes down what was asked, and knows three nodes.
func (n *Node) Fleet(ctx context.Context, r engine.FleetRequest) (*engine.FleetAnswer, error) {
	if err := n.answer(ctx); err != nil {
		return nil, fmt.Errorf("fleet: %w", err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if r.Do != engine.FleetLook {
		n.fleet = append(n.fleet, r)
		return &engine.FleetAnswer{}, nil
	}
	return &engine.FleetAnswer{Nodes: FleetNodes(n.state.Time)}, nil
}

// FleetAsked is what was asked of the fleet, but for looks.
func (n *Node) FleetAsked() []engine.FleetRequest { return copyOf(n, &n.fleet) }
