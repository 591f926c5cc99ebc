package engine

import (
	"errors"
	"fmt"
	"time"

	"hairpin/engine/datapath"
	"hairpin/engine/history"
	"hairpin/engine/plan"
	"hairpin/engine/spec"
)

func (o *owner) plan(s *spec.Spec) (*Plan, error) {
	if err := o.ready(); err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	p, err := o.compute(spec.KeepFound(s, o.spec))
	if err != nil {
		return nil, err
	}
	return o.shownPlan(p), nil
}

// ready is the first thing that every request asks: what it is carried out against is what the kernel runs now.
func (o *owner) ready() error {
	if o.detached {
		return fmt.Errorf("%w: this engine was detached; start it again", ErrRefused)
	}
	if !o.kernel.Owns() { // nothing must be written beside what the other one runs, however little of it could go live
		return fmt.Errorf("%w: another process took over the data path from this one; look at that", ErrRefused)
	}
	if o.wentBack() {
		o.follow(time.Now())
	}
	return nil
}

// lost tells whether something runs and nobody knows its spec.
func (o *owner) lost() bool { return o.spec == nil && o.active != 0 }

func (o *owner) compute(s *spec.Spec) (*plan.Plan, error) {
	if s == nil {
		return nil, fmt.Errorf("plan: %w: no spec", ErrInvalid)
	}
	if o.lost() {
		return plan.Compute(o.kernel.Recover(s), s)
	}
	world, err := o.kernel.World(o.spec)
	if err != nil {
		return nil, err
	}
	world.Weights = o.weighed(&world, s, time.Now())
	return plan.Compute(world, s)
}

func (o *owner) shownPlan(p *plan.Plan) *Plan {
	shown := &Plan{Revision: o.revision(), Text: p.Text()}
	for _, c := range p.VIPs {
		if c.Ring == nil {
			continue
		}
		shown.VIPs = append(shown.VIPs, VIPPlan{Name: c.Spec.Name, Slots: c.Moves.Slots, Moved: c.Moves.Moved,
			Minimum: c.Moves.Minimum, Removed: len(c.Gone), Added: len(c.Added)})
	}
	return shown
}

func (o *owner) revision() string {
	if o.spec == nil {
		return ""
	}
	if o.named.revised != o.spec {
		o.named.revised, o.named.revision = o.spec, spec.Revision(o.spec)
	}
	return o.named.revision
}

func (o *owner) confirm(who string) error {
	if err := o.mayChange(); err != nil {
		return fmt.Errorf("confirm: %w", err)
	}
	if c := o.kernel.Control(); c.Pending == 0 {
		if c.Fallbacks != o.running.Fallbacks && !o.lost() {
			return fmt.Errorf("confirm: %w", ErrLate) // the change after the running one was not confirmed
		}
		return nil
	}
	if err := o.kernel.Confirm(); err != nil {
		if errors.Is(err, datapath.ErrLate) {
			err = ErrLate
		}
		return fmt.Errorf("confirm: %w", err)
	}
	o.step("confirm: confirmed")
	o.closeRemoved()
	o.step("confirm: backends closed")
	unsaved := o.confirmOnDisk()
	o.step("confirm: on disk")
	o.detachUnused()
	o.step("confirm: unused detached")
	o.ended(history.Confirmed, time.Now(), who)
	o.step("confirm: history written")
	o.journal.add(time.Now(), "audit", who, fmt.Sprintf("confirmed generation %d", o.active))
	if unsaved != nil {
		return fmt.Errorf("confirm: it is live, but after a reboot an older spec would come back: %w", unsaved)
	}
	return nil
}

// closeRemoved ends the flows of the backends that are not in the running spec, as soon as that does not wait any more.
func (o *owner) closeRemoved() {
	if o.lost() {
		return
	}
	if o.spec == nil {
		o.kernel.MarkAll(&plan.Plan{})
		return
	}
	p, err := o.compute(o.spec)
	if err != nil {
		o.journal.add(time.Now(), "crit", "engine", err.Error())
		return
	}
	o.kernel.MarkAll(p)
}

// wentBack tells whether the kernel went back since this engine last looked.
func (o *owner) wentBack() bool { return int(o.kernel.Control().Active) != o.active }

func (o *owner) detach(who string) error {
	if o.detached {
		return nil
	}
	if err := o.mayChange(); err != nil {
		return fmt.Errorf("detach: %w", err)
	}
	o.log.Info("detach", "who", who)
	o.routers.stop(false) // first: routers send elsewhere from now on
	if err := o.hops.Release(); err != nil {
		o.log.Warn("release neighbours", "error", err)
	}
	o.step("detach: neighbours released")
	o.detached, o.spec, o.active, o.attached = true, nil, 0, nil
	o.journal.add(time.Now(), "audit", who, "detached everything")
	return o.kernel.Remove()
}
