package engine

import (
	"errors"
	"fmt"
	"os/user"
	"slices"
	"strconv"
	"sync"
	"time"

	"hairpin/engine/arms"
	"hairpin/engine/spec"
	"hairpin/engine/tenants"
)

// namesFor is how long the numbers of users and groups are believed.
const namesFor = 10 * time.Second

// roster says which tenants somebody operates: by the running spec's names, this machine's numbers for them, and the
// kernel's word on who is at the other end.
type roster struct {
	user  func(name string) (*user.User, error)
	group func(name string) (*user.Group, error)

	mu     sync.Mutex
	looked time.Time
	uids   map[string]*uint32 // nil: there is none of that name
	gids   map[string]*uint32
}

func newRoster() *roster { return &roster{user: user.Lookup, group: user.LookupGroup} }

func (r *roster) operates(s *spec.Spec, p peer, now time.Time) tenants.Mine {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.looked) > namesFor || now.Before(r.looked) {
		r.looked, r.uids, r.gids = now, map[string]*uint32{}, map[string]*uint32{}
	}
	return tenants.Operates(s, func(t *spec.Tenant) bool {
		return slices.ContainsFunc(t.Operators, func(name string) bool {
			n := number(r.uids, name, func() (string, error) {
				u, err := r.user(name)
				if err != nil {
					return "", err
				}
				return u.Uid, nil
			})
			return n != nil && *n == p.uid
		}) || slices.ContainsFunc(t.Groups, func(name string) bool {
			n := number(r.gids, name, func() (string, error) {
				g, err := r.group(name)
				if err != nil {
					return "", err
				}
				return g.Gid, nil
			})
			return n != nil && slices.Contains(p.groups, *n)
		})
	})
}

// number is what known has for a name, or else what lookup says; nil where nobody is called so.
func number(known map[string]*uint32, name string, lookup func() (string, error)) *uint32 {
	n, seen := known[name]
	if seen {
		return n
	}
	if text, err := lookup(); err == nil {
		if v, err := strconv.ParseUint(text, 10, 32); err == nil {
			n = new(uint32(v))
		}
	}
	known[name] = n
	return n
}

// operators are the connections of those who may change VIPs of tenants and nothing else, and who of them is armed. Arms of
// a tenant are its own: those of another do not wait for them, and those who may change the whole node go before.
type operators struct {
	roster *roster
	spec   func() *spec.Spec // that runs

	mu    sync.Mutex
	peers map[uint64]peer // by the number of the party
	arms  map[string]*arms.Arms
}

func newOperators() *operators {
	return &operators{roster: newRoster(), spec: func() *spec.Spec { return nil }, peers: map[uint64]peer{}, arms: map[string]*arms.Arms{}}
}

// meet tells which tenants p operates, and keeps in mind that the party with this number is no more than their operator.
func (x *operators) meet(id uint64, p peer, now time.Time) tenants.Mine {
	m := x.roster.operates(x.spec(), p, now)
	if len(m) > 0 {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.peers[id] = p
	}
	return m
}

// mine is what the party operates now; false when it came as no operator.
func (x *operators) mine(p arms.Party, now time.Time) (tenants.Mine, bool) {
	x.mu.Lock()
	who, is := x.peers[p.ID]
	x.mu.Unlock()
	if !is {
		return nil, false
	}
	return x.roster.operates(x.spec(), who, now), true
}

// of are the arms of each tenant of m.
func (x *operators) of(m tenants.Mine) []*arms.Arms {
	x.mu.Lock()
	defer x.mu.Unlock()
	all := make([]*arms.Arms, len(m))
	for i, name := range m {
		if x.arms[name] == nil {
			x.arms[name] = &arms.Arms{}
		}
		all[i] = x.arms[name]
	}
	return all
}

func (x *operators) all() (list []*arms.Arms) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, a := range x.arms {
		list = append(list, a)
	}
	return list
}

// arm arms p for all of m, or for none.
func (x *operators) arm(p arms.Party, m tenants.Mine, why string, share bool, now time.Time) (h arms.Hold, err error) {
	list := x.of(m)
	for i, a := range list {
		if h, err = a.Arm(p, why, share, now); err != nil {
			for _, done := range list[:i] {
				done.Leave(p)
			}
			return h, err
		}
	}
	return h, nil
}

// leave takes back what p holds, and tells what it was.
func (x *operators) leave(p arms.Party) (h arms.Hold, held bool) {
	for _, a := range x.all() {
		if was, did := a.Leave(p); did {
			h, held = was, true
		}
	}
	return h, held
}

// forget is for a connection that ended.
func (x *operators) forget(id uint64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.peers, id)
}

// errNoOperator is for one who was an operator when he came.
var errNoOperator = errors.New("the running spec names no tenant any more whose operator this is; connect again")

// allowOperator says why an operator may not do v now; nil when he may. It has a list of what he may: all else is refused.
func (g *guard) allowOperator(p arms.Party, v verb, m tenants.Mine) error {
	if len(m) == 0 {
		return errNoOperator
	}
	switch v {
	case verbPlan, verbWatch, verbHistory, verbPast, verbAt, verbArm, verbDisarm, verbConfirm:
		return nil
	case verbApply:
		if err := g.yield(); err != nil {
			return err
		}
		for _, a := range g.operators.of(m) {
			if err := a.Check(p, g.now()); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("%s, an operator of %s", p.Barred, m)
}

// yield says that somebody is armed who may change the whole node.
func (g *guard) yield() error {
	h, held := g.arms.Held(g.now())
	if !held {
		return nil
	}
	return fmt.Errorf("%s is armed for the whole node until %s; ask them to disarm, or wait", h.Who, h.Until.Format(time.TimeOnly))
}

// armOperator is arm for an operator.
func (g *guard) armOperator(p arms.Party, m tenants.Mine, why string, share bool) (arms.Hold, error) {
	if len(m) == 0 {
		return arms.Hold{}, errNoOperator
	}
	if err := g.yield(); err != nil {
		return arms.Hold{}, err
	}
	return g.operators.arm(p, m, why, share, g.now())
}

// disarmOperator gives back what p holds of each of its tenants.
func (g *guard) disarmOperator(p arms.Party, m tenants.Mine) (h arms.Hold, held bool, err error) {
	for _, a := range g.operators.of(m) {
		was, did, refused := a.Disarm(p, g.now())
		if refused != nil {
			return h, held, refused
		}
		if did {
			h, held = was, true
		}
	}
	return h, held, nil
}
