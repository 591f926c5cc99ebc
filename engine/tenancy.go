package engine

import (
	"fmt"
	"slices"
	"time"

	"hairpin/engine/spec"
	"hairpin/engine/tenants"
)

// limited tells whose VIPs alone s may ask of; false when it may ask of all.
func (s seat) limited() (tenants.Mine, bool) {
	return s.engine.guard.operators.mine(s.party, time.Now())
}

// wanted is the spec that s asks for by want: an operator sees and edits a part of it.
func (s seat) wanted(want *spec.Spec) (*spec.Spec, error) {
	m, limited := s.limited()
	if !limited {
		return want, nil
	}
	merged, err := tenants.Merge(s.engine.spec, want, m)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return merged, nil
}

// plan is what an operator is told of a plan.
func (s seat) plan(want *spec.Spec) (*Plan, error) {
	if err := s.engine.ready(); err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	want, err := s.wanted(want)
	if err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	p, err := s.engine.plan(want)
	m, limited := s.limited()
	if limited {
		err = wordsOf(s.engine.spec, m).discreet(err)
	}
	if err == nil && limited {
		p.VIPs = slices.DeleteFunc(p.VIPs, func(v VIPPlan) bool { return !owned(m, want, s.engine.spec, v.Name) })
	}
	return p, err
}

// owned tells whether a VIP of that name in one of the specs is of m.
func owned(m tenants.Mine, a, b *spec.Spec, name string) bool {
	for _, s := range []*spec.Spec{a, b} {
		if s != nil {
			if v := s.VIP(name); v != nil && m.Has(v) {
				return true
			}
		}
	}
	return false
}

// applyTheirs is for an operator's request: it is made one of the whole spec, or refused.
func (s seat) applyTheirs(r ApplyRequest) (*Applied, error) {
	m, _ := s.limited()
	if s.engine.fleet.speaks() != nil {
		return nil, fmt.Errorf("apply: %w: this node's spec comes from its fleet, where only root and the group %s change it", ErrRefused, armsGroup)
	}
	if err := s.engine.mayChange(); err != nil {
		return nil, fmt.Errorf("apply: %w", err)
	}
	if r.Revision != "" && r.Revision != s.engine.revision() {
		return nil, fmt.Errorf("apply: %w", ErrStale)
	}
	err := s.engine.waitsFor(m)
	if err == nil {
		r.Spec, err = s.wanted(r.Spec)
	}
	if err != nil {
		return nil, fmt.Errorf("apply: %w", err)
	}
	r.by = &m
	applied, err := s.engine.apply(r)
	return applied, wordsOf(s.engine.spec, m).discreet(err)
}

// waitsFor says that a change waits for confirmation that is not all of m's. Whatever they did now would confirm it, or
// could go back with it.
func (o *owner) waitsFor(m tenants.Mine) error {
	c := o.kernel.Control()
	if c.Pending == 0 {
		return nil
	}
	var before *spec.Spec
	if c.Confirmed != 0 {
		_, s, err := o.store.read(int(c.Confirmed))
		if err != nil {
			return fmt.Errorf("%w: a change waits for confirmation, and whose it is cannot be read: %w", ErrRefused, err)
		}
		before = s
	}
	if err := tenants.Within(before, o.spec, m); err != nil {
		return fmt.Errorf("%w: a change of others' waits for confirmation: wait until it is confirmed or gone back", ErrRefused)
	}
	return nil
}

func (s seat) confirm(who string) error {
	if m, limited := s.limited(); limited {
		if err := s.engine.ready(); err != nil {
			return fmt.Errorf("confirm: %w", err)
		}
		if err := s.engine.waitsFor(m); err != nil {
			return fmt.Errorf("confirm: %w", err)
		}
	}
	return s.engine.confirm(who)
}

// changes are those of the history that s may see: of an operator's tenants, what their operators did.
func (s seat) changes() ([]Change, error) {
	all, err := s.engine.changes()
	m, limited := s.limited()
	if err != nil || !limited {
		return all, err
	}
	return slices.DeleteFunc(slices.Clone(all), func(c Change) bool {
		return len(c.Tenants) == 0 || slices.ContainsFunc(c.Tenants, func(t string) bool { return !slices.Contains(m, t) })
	}), nil
}

func (s seat) past(number int) (*spec.Spec, error) {
	past, err := s.engine.pastSpec(number)
	if m, limited := s.limited(); err == nil && limited {
		past = tenants.View(past, m)
	}
	return past, err
}
