package engine

import (
	"context"
	"fmt"

	"hairpin/engine/fleet"
	"hairpin/engine/spec"
)

// Fleet implements Verbs. The store is asked outside of the loop: it may be slow.
func (s seat) Fleet(ctx context.Context, r FleetRequest) (*FleetAnswer, error) {
	changes := r.Do.verb() == verbFleetChange
	m, err := ask(ctx, s, r.Do.verb(), func() (*fleet.Member, error) {
		if s.engine.fleet.member == nil {
			return nil, fmt.Errorf("fleet: %w: this node has its spec for itself; one of a fleet is started with --store etcd://HOST:PORT/PREFIX", ErrRefused)
		}
		return s.engine.fleet.member, nil
	})
	if err != nil {
		return nil, err
	}
	a := &FleetAnswer{}
	by := fleet.Ask{Who: r.Who, Why: r.Why, Force: r.Force}
	switch r.Do {
	case FleetLook:
		a.Nodes, err = fleetNodes(ctx, m)
	case FleetShow:
		var shown fleet.Revision
		shown, err = m.Document(ctx, r.Number)
		a.Number, a.Document = shown.Number, string(shown.Text)
	case FleetApply:
		a.Number, err = m.Apply(ctx, by, []byte(r.Document), r.Number)
	case FleetStop:
		err = m.Stop(ctx, by)
	case FleetResume:
		err = m.Resume(ctx)
	case FleetBack:
		err = m.Back(ctx, by)
	case FleetLeave:
		err = m.Leave(by)
	case FleetRejoin:
		err = m.Rejoin(r.Afresh)
	case FleetForget:
		err = m.Forget(ctx, r.Node)
	default:
		err = fmt.Errorf("%w: a fleet cannot %q", ErrInvalid, r.Do)
	}
	if err != nil {
		return nil, fmt.Errorf("fleet %s: %w", r.Do, fleetError(err))
	}
	if changes {
		s.engine.guard.note(s.engine.guard.now(), "audit", r.Who, fmt.Sprintf("fleet %s%s", r.Do, because(r.Why)))
	}
	return a, nil
}

// verb is what asking for it needs.
func (d FleetAct) verb() verb {
	if d == FleetLook || d == FleetShow {
		return verbFleet
	}
	return verbFleetChange
}

// proposed makes the edit of this node's spec the fleet's next revision.
func (s seat) proposed(ctx context.Context, m *fleet.Member, r ApplyRequest) (*Applied, error) {
	o := s.engine
	a, err := ask(ctx, s, verbApply, func() (*Applied, error) {
		if err := o.mayChange(); err != nil {
			return nil, err
		}
		if err := o.check(r); err != nil {
			return nil, err
		}
		if !r.Force {
			if err := o.emptied(r.Spec); err != nil {
				return nil, err
			}
		}
		p, err := o.plan(r.Spec)
		if err != nil {
			return nil, err
		}
		return &Applied{Generation: o.active, Revision: o.revision(), Text: p.Text}, nil
	})
	if err == nil {
		a.Fleet, err = m.Edit(ctx, fleet.Ask{Who: r.Who, Why: r.Why, Force: r.Force}, spec.Typed(r.Spec)) // each node finds its own
	}
	if err != nil {
		return nil, fmt.Errorf("apply: %w", fleetError(err))
	}
	return a, nil
}

// editsFound tells whether next is an edit of backends that were found here, and of nothing else. Those are not the fleet's:
// each node finds by itself, and what somebody says of one is said to that node.
func editsFound(next, running *spec.Spec) (bool, error) {
	next = spec.KeepFound(next, running)
	typed := spec.Typed(next)
	if next == nil || running == nil || spec.KeepFound(typed, running).Equal(next) {
		return false, nil
	}
	if !typed.Equal(spec.Typed(running)) {
		return false, fmt.Errorf("%w: edits of backends that were found are this node's own, the others are the fleet's: apply them one after the other", ErrRefused)
	}
	return true, nil
}

func fleetNodes(ctx context.Context, m *fleet.Member) ([]FleetNode, error) {
	all, err := m.Nodes(ctx)
	head := m.View().Head
	nodes := make([]FleetNode, len(all))
	for i, n := range all {
		nodes[i] = FleetNode{Name: n.Name, State: n.Stand(head)}
		if s := n.Status; s != nil {
			nodes[i] = FleetNode{Name: n.Name, Host: s.Host, Version: s.Version, Number: s.Number, State: n.Stand(head), Why: s.Why, Spec: s.Spec, Since: s.Since}
			if nodes[i].Why == "" {
				nodes[i].Why = s.Drift
			}
			if s.Left != "" {
				nodes[i].Why = s.Left
			}
		}
	}
	return nodes, err
}

// fleet asks n what a caller wants, who is who the kernel says.
func (k call) fleet(ctx context.Context, n Verbs, who string) (*FleetAnswer, error) {
	if k.Fleet == nil || k.Fleet.Do.verb() != k.Verb {
		return nil, fmt.Errorf("%w: the call does not say what it wants of the fleet", ErrInvalid)
	}
	r := *k.Fleet
	r.Who = who
	return n.Fleet(ctx, r)
}
