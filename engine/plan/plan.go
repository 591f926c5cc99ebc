// Package plan turns a spec and what runs now into what to change: which rings to build, what older flows are owed, and
// the preview in words. It has no side effects.
package plan

import (
	"cmp"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"hairpin/engine/maglev"
	"hairpin/engine/spec"
)

// FlapHold is how long a backend that is down keeps its flows, in case it only flaps.
const FlapHold = 10 * time.Second

// World is what runs now, as the kernel and the stored spec say.
type World struct {
	Spec *spec.Spec // nil: nothing runs
	VIPs map[string]VIP
	IDs  map[Key]uint16  // every backend id that is still in use, also of removed backends
	Nums map[uint16]bool // every VIP number in use

	Tenants map[string]uint16 // numbers of the tenants that have VIPs
	Last    *Plan             // by which Spec came to run; nil = not known

	Weights map[Key]uint32 // that backends have in their VIP's ring in place of the spec's: as their checks and slow starts want it
}

// Key is the identity of a backend.
type Key struct {
	VIP     uint16 // its number
	Address netip.Addr
}

// VIP is the realized part of a VIP. The rings are read only and may be shared with the kernel.
type VIP struct {
	Num    uint16
	Ring   []uint16
	Before []uint16 // nil = quiet

	HashBefore spec.Hash // by which Before is read
}

// Plan is what to change to get from a World to Spec.
type Plan struct {
	Spec     *spec.Spec
	Document []byte   // Spec as YAML
	Revision string   // of Spec
	VIPs     []Change // of every VIP of Spec, in its order
	Removed  []string // names of VIPs that go

	Tenants    map[string]uint16 // numbers of the tenants that have VIPs, among those of the VIPs
	NewTenants []uint16          // of those, that had none before

	world World
	old   map[string]*spec.VIP // of world.Spec, by name
}

// Change is what becomes of one VIP.
type Change struct {
	Spec   spec.VIP
	Num    uint16
	New    bool     // was not there before
	IDs    []uint16 // of Spec.Backends, in their order
	Ring   []uint16 // nil: stays as it is
	Before []uint16 // with its marks; nil: stays as it is, or quiet if New

	HashBefore spec.Hash // by which Before is read
	Moves      maglev.Change
	Gone       []netip.Addr // backends that were there
	Added      []netip.Addr
}

// Settles tells whether flows of v older than a change of its ring are kept.
func Settles(v spec.VIP) bool { return v.Flow == spec.FlowSticky }

// Compute plans the way from w to s. The error names what does not fit.
func Compute(w World, s *spec.Spec) (*Plan, error) {
	p := &Plan{Spec: s, world: w, VIPs: make([]Change, len(s.VIPs)), old: byName(w.Spec)}
	a := newAllocator(w)
	for i, v := range s.VIPs {
		c, err := p.identify(a, i, v)
		if err != nil {
			return nil, fmt.Errorf("plan: %w", err)
		}
		p.VIPs[i] = c
	}
	if err := p.identifyTenants(a); err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	if stay := byName(s); w.Spec != nil {
		for _, v := range w.Spec.VIPs {
			if stay[v.Name] == nil {
				p.Removed = append(p.Removed, v.Name)
			}
		}
	}
	if err := p.build(); err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	return p, nil
}

// identify gives the VIP and its backends their numbers: the ones they have, or free ones.
func (p *Plan) identify(a *allocator, i int, v spec.VIP) (Change, error) {
	if last := p.world.Last; last != nil && i < len(last.VIPs) { // of thousands of backends, few change
		if was := &last.VIPs[i]; was.Spec.Name == v.Name && slices.Equal(was.Spec.Backends, v.Backends) {
			return Change{Spec: v, Num: was.Num, IDs: was.IDs}, nil
		}
	}
	c := Change{Spec: v, IDs: make([]uint16, len(v.Backends))}
	old, known := p.world.VIPs[v.Name]
	c.Num, c.New = old.Num, !known
	var err error
	if c.New {
		if c.Num, err = a.num(); err != nil {
			return c, fmt.Errorf("vip %s: %w", v.Name, err)
		}
	}
	for i, b := range v.Backends {
		if c.IDs[i], err = a.id(Key{c.Num, b.Address}); err != nil {
			return c, fmt.Errorf("vip %s: backend %s: %w", v.Name, b.Address, err)
		}
	}
	before := p.before(v.Name)
	for _, b := range v.Backends {
		if !hasBackend(before.Backends, b.Address) {
			c.Added = append(c.Added, b.Address)
		}
	}
	for _, b := range before.Backends {
		if !hasBackend(v.Backends, b.Address) {
			c.Gone = append(c.Gone, b.Address)
		}
	}
	return c, nil
}

// identifyTenants gives the tenants that have VIPs their numbers, as identify does.
func (p *Plan) identifyTenants(a *allocator) error {
	p.Tenants = map[string]uint16{}
	for i := range p.VIPs {
		name := p.VIPs[i].Spec.Tenant
		if name == "" || p.Tenants[name] != 0 {
			continue
		}
		num, known := p.world.Tenants[name]
		if !known {
			var err error
			if num, err = a.num(); err != nil {
				return fmt.Errorf("tenant %s: %w", name, err)
			}
			p.NewTenants = append(p.NewTenants, num)
		}
		p.Tenants[name] = num
	}
	return nil
}

// before is the VIP of that name as it runs, or nothing.
func (p *Plan) before(name string) spec.VIP {
	if v := p.old[name]; v != nil {
		return *v
	}
	return spec.VIP{}
}

func byName(s *spec.Spec) map[string]*spec.VIP {
	if s == nil {
		return nil
	}
	vips := make(map[string]*spec.VIP, len(s.VIPs))
	for i := range s.VIPs {
		vips[s.VIPs[i].Name] = &s.VIPs[i]
	}
	return vips
}

func hasBackend(list []spec.Backend, address netip.Addr) bool {
	return slices.ContainsFunc(list, func(b spec.Backend) bool { return b.Address == address })
}

// build computes the document and the rings that differ, on all CPUs.
func (p *Plan) build() error {
	var group errgroup.Group
	group.Go(func() error {
		p.Document = spec.Marshal(p.Spec)
		p.Revision = spec.RevisionOf(p.Document)
		return nil
	})
	workers := min(runtime.GOMAXPROCS(0), len(p.VIPs))
	for w := range workers {
		group.Go(func() error {
			var builder maglev.Builder
			for i := w; i < len(p.VIPs); i += workers {
				if err := p.buildRing(&builder, &p.VIPs[i]); err != nil {
					return fmt.Errorf("vip %s: %w", p.VIPs[i].Spec.Name, err)
				}
			}
			return nil
		})
	}
	return group.Wait()
}

func (p *Plan) buildRing(builder *maglev.Builder, c *Change) error {
	old, was := p.world.VIPs[c.Spec.Name], p.before(c.Spec.Name)
	if c.HashBefore = was.Hash; old.Before != nil {
		c.HashBefore = old.HashBefore
	}
	if !c.New && was.Hash != c.Spec.Hash && Settles(c.Spec) {
		c.rehash(old)
	}
	if len(old.Ring) == int(c.Spec.Ring) && sameTakers(was, c.Spec) {
		return nil
	}
	ring, err := Ring(builder, &c.Spec, c.IDs, func(i int) uint32 {
		b := c.Spec.Backends[i]
		if w, other := p.world.Weights[Key{c.Num, b.Address}]; other {
			return w
		}
		return b.Weight
	})
	if err != nil {
		return err
	}
	if slices.Equal(ring, old.Ring) {
		return nil
	}
	c.Ring = ring
	c.Moves = maglev.Disruption(old.Ring, ring)
	if c.New || !Settles(c.Spec) {
		return nil
	}
	if c.Before == nil {
		c.Before = oldest(old)
	}
	if c.Before != nil && maglev.Marks(c.Before, ring) == 0 {
		c.Before = nil
	}
	return nil
}

// rehash has the flows of every slot keep their backends, because another hash leads them to other slots.
func (c *Change) rehash(old VIP) {
	c.Before = oldest(old)
	for i := range c.Before {
		c.Before[i] |= maglev.Mark
	}
}

// Ring is that of a VIP whose backends have these ids, and weights by their index, as far as they take new flows.
func Ring(builder *maglev.Builder, v *spec.VIP, ids []uint16, weight func(i int) uint32) ([]uint16, error) {
	entries := make([]maglev.Entry, 0, len(ids))
	for i, b := range v.Backends {
		if w := weight(i); b.TakesNew() && w > 0 {
			entries = append(entries, maglev.Entry{ID: ids[i], Key: b.Address, Weight: w})
		}
	}
	ring := make([]uint16, v.Ring)
	return ring, builder.Build(ring, entries)
}

// oldest is the ring that flows follow of which nothing is known: the one before the first change that has not settled
// yet. Nil when there can be no such flows.
func oldest(v VIP) []uint16 {
	if v.Before != nil {
		return slices.Clone(v.Before)
	}
	if !slices.ContainsFunc(v.Ring, func(id uint16) bool { return id != 0 }) {
		return nil
	}
	return slices.Clone(v.Ring)
}

// taker is what decides about a backend's slots.
type taker struct {
	Address netip.Addr
	Weight  uint32
}

// sameTakers tells whether the ring of a is that of b.
func sameTakers(a, b spec.VIP) bool {
	return slices.Equal(a.Backends, b.Backends) || slices.Equal(takers(a), takers(b))
}

func takers(v spec.VIP) []taker {
	var list []taker
	for _, b := range v.Backends {
		if b.TakesNew() {
			list = append(list, taker{b.Address, b.Weight})
		}
	}
	slices.SortFunc(list, func(a, b taker) int {
		return cmp.Or(a.Address.Compare(b.Address), cmp.Compare(a.Weight, b.Weight))
	})
	return list
}
