package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"hairpin/engine/datapath"
	"hairpin/engine/fleet"
	"hairpin/engine/spec"
)

// fleetNode is what the fleet may do at this node: the same as an operator, by the same door, and with a deadline in the kernel.
type fleetNode struct{ o *owner }

// Running implements fleet.Node.
func (n fleetNode) Running() (string, bool) {
	return runs(n.o.State()), n.o.fleet.fresh.Load()
}

// runs names what of the running spec is the fleet's.
func runs(s *State) string {
	if spec.Typed(s.Spec) == s.Spec {
		return s.Revision // no need to write it down again
	}
	return fleet.NameOf(s.Spec)
}

// fleetTrial is a spec of the fleet that is watched.
type fleetTrial struct {
	before     traffic
	atLive     traffic
	clients    datapath.Clients
	counting   time.Time
	generation int
}

// Apply implements fleet.Node.
func (n fleetNode) Apply(ctx context.Context, s *spec.Spec, r fleet.Revision, options fleet.Options) error {
	o, t := n.o, &fleetTrial{}
	ask := func(f func() error) error {
		_, err := do(ctx, o, func() (struct{}, error) { return struct{}{}, f() })
		return err
	}
	if err := ask(func() error { return o.mayTry(t, options.Watch > 0) }); err != nil {
		return err
	}
	if options.Watch > 0 {
		defer func() { _ = ask(func() error { o.seeClients(false); return nil }) }()
		if err := pause(ctx, min(options.Watch, beforeMost)); err != nil {
			return err
		}
	}
	if err := ask(func() error { return o.try(t, s, r, options) }); err != nil || options.Watch == 0 {
		return err
	}
	for end := time.Now().Add(options.Watch); ; {
		if err := pause(ctx, min(time.Second, time.Until(end))); err != nil {
			return err // the kernel goes back by itself
		}
		over := !time.Now().Before(end)
		if err := ask(func() error { return o.lookAtTrial(t, r, over, options.Ground) }); err != nil || over {
			return err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// mayTry says why nothing can be tried just now, and begins to count what is normal.
func (o *owner) mayTry(t *fleetTrial, watched bool) error {
	err := o.mayChange()
	if err == nil {
		err = o.nothingWaits()
	}
	if err != nil {
		return fmt.Errorf("%w: %w", fleet.ErrWait, err)
	}
	known := criticals(o.State())
	o.fleet.base.Store(&known)
	if watched {
		o.seeClients(true)
		t.clients, t.counting = o.kernel.Clients(), time.Now()
	}
	return nil
}

// try makes it the running spec.
func (o *owner) try(t *fleetTrial, s *spec.Spec, r fleet.Revision, options fleet.Options) error {
	why := fmt.Sprintf("fleet revision %d", r.Number)
	if r.Why != "" {
		why += ": " + r.Why
	}
	t.before = o.lately()
	if options.Watch > 0 {
		t.before.Clients, t.before.Over = o.kernel.Clients().Since(t.clients), time.Since(t.counting)
	}
	request := ApplyRequest{Spec: s, Who: r.Who, Why: why, Force: r.Force}
	if options.Watch > 0 {
		request.Deadline = options.Watch + handoffMargin
	}
	a, err := o.apply(request)
	if err != nil {
		return err
	}
	o.fleet.fresh.Store(false)
	if options.Ground && options.Watch == 0 {
		o.settleNow(time.Now())
	}
	t.generation = a.Generation
	t.atLive, err = o.counted()
	return err
}

// lookAtTrial judges once. At the end it keeps the spec; where the node does worse, what ran before comes back.
func (o *owner) lookAtTrial(t *fleetTrial, r fleet.Revision, over, ground bool) error {
	if int(o.kernel.Control().Active) != t.generation {
		return ErrLate
	}
	now, err := o.counted()
	if err == nil {
		_, err = judge(t.before, now.since(t.atLive))
	}
	if err == nil && over {
		if why := (fleetNode{o}).Worse(); why != "" {
			err = errors.New(why)
		}
	}
	switch {
	case err != nil:
		if e := o.kernel.Revert(); e != nil && !errors.Is(e, datapath.ErrLate) {
			err = errors.Join(err, e)
		}
		o.journal.add(time.Now(), "warn", "engine", fmt.Sprintf("went back from fleet revision %d: %v", r.Number, err))
	case over && o.kernel.Control().Pending != 0:
		err = o.confirm(r.Who)
	}
	if err == nil && over && ground {
		o.settleNow(time.Now())
	}
	return err
}

// settleNow ends settling: no flow of this node's is older than what runs.
func (o *owner) settleNow(now time.Time) {
	for _, s := range o.settling(now) {
		o.kernel.EndSettling(s.num)
		delete(o.running.Settling, s.name)
	}
}

// criticals are the problems that a change must not add to.
func criticals(s *State) map[string]bool {
	keys := map[string]bool{}
	for _, p := range s.Problems {
		if p.Severity == "crit" {
			keys[p.Key] = true
		}
	}
	return keys
}

// lastsFor is how long a new problem may last before it counts: some are over as soon as a neighbour has answered.
const lastsFor = 3 * time.Second

// Worse implements fleet.Node.
func (n fleetNode) Worse() string {
	known := n.o.fleet.base.Load()
	if known == nil {
		return ""
	}
	s := n.o.State()
	var worse []string
	for _, p := range s.Problems {
		if p.Severity == "crit" && !(*known)[p.Key] && s.Time.Sub(p.Since) >= lastsFor {
			worse = append(worse, p.What)
		}
	}
	slices.Sort(worse)
	return strings.Join(worse, "; ")
}
