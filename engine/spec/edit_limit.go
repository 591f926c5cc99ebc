package spec

import (
	"fmt"
	"slices"
)

// Maximum is one limit of a stage, as screens edit it.
type Maximum struct {
	Per     Scope
	VIP     string // empty: of each
	Prefix4 uint8  // of scopes that name a source
	Prefix6 uint8
	Tenant  string // as VIP
	Max     uint64 // new connections in any second, or connections at a time
}

// limiter is for settings that have limits.
type limiter interface {
	maxima() []Maximum
	setMaximum(i int, max uint32)
}

// Maxima are the limits of a stage in the order of its settings; none when it has no limits.
func (s *Spec) Maxima(stage string) []Maximum {
	if s == nil || s.Stage(stage) == nil {
		return nil
	}
	if l, ok := s.Stage(stage).Settings.(limiter); ok {
		return l.maxima()
	}
	return nil
}

// SetMaximum changes the i-th limit of a stage, from 0, on every NIC on which the stage stands.
func SetMaximum(s *Spec, stage string, i int, max uint64) (*Spec, error) {
	if all := s.Maxima(stage); i < 0 || i >= len(all) {
		return nil, fmt.Errorf("set limit: %s has no limit %d", stage, i+1)
	}
	if max > 1<<32-1 {
		return nil, fmt.Errorf("set limit of %s: %d is too much", stage, max)
	}
	s = s.Clone()
	s.Stage(stage).Settings.(limiter).setMaximum(i, uint32(max))
	if err := s.Validate(); err != nil {
		return nil, fmt.Errorf("set limit of %s: %w", stage, firstFault(err))
	}
	return s, nil
}

func (x *Rates) maxima() []Maximum {
	all := make([]Maximum, len(x.Limits))
	for i, l := range x.Limits {
		all[i] = Maximum{l.Per, l.VIP, l.Prefix4, l.Prefix6, l.Tenant, uint64(l.Rate)}
	}
	return all
}

func (x *Rates) setMaximum(i int, max uint32) { x.Limits[i].Rate = max }

// FindMaximum is the limit of a stage that a row of limits is about: by its scope and whose it is, a VIP or tenant, and where several differ only in
// their prefixes, by what it allows. -1 when there is none.
func (s *Spec) FindMaximum(stage string, per string, whose string, max uint64) int {
	all := s.Maxima(stage)
	find := func(whose string, exact bool) int {
		return slices.IndexFunc(all, func(m Maximum) bool {
			return m.Per.String() == per && m.VIP+m.Tenant == whose && (!exact || m.Max == max)
		})
	}
	for _, name := range []string{whose, ""} {
		for _, exact := range []bool{true, false} {
			if i := find(name, exact); i >= 0 {
				return i
			}
		}
	}
	return -1
}

func (x *Connections) maxima() []Maximum {
	all := make([]Maximum, len(x.Limits))
	for i, l := range x.Limits {
		all[i] = Maximum{l.Per, l.VIP, l.Prefix4, l.Prefix6, l.Tenant, uint64(l.Max)}
	}
	return all
}

func (x *Connections) setMaximum(i int, max uint32) { x.Limits[i].Max = max }
