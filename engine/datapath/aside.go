package datapath

import (
	"errors"
	"maps"
	"slices"

	"hairpin/engine/plan"
)

// aside is a generation that is written only to be asked, and what its places held before.
type aside struct {
	version int // of the VIP tables
	rings   []heldRing
	nodes   []heldNodes

	generations []Generation
	rows        []rowSettings
	vips4       [VIPParts][]vip4Table
	vips6       [VIPParts][]vip6Table
	vipTenants  vipTenants
	backends    []backend
	chains      []chain
	ratelimits  []rateLimit
	windows     []window
	connlimits  []connSettings
	firewalls   []firewall
	tlsWalls    []tlsWall
	mirrors     []mirror
	steers      []steer
	paths       []steerPath
	groups      []steerGroup
	cgroups     []steerCgroup
	ruleNames   []ruleName
	blocks      []uint64

	top      int
	ids      map[plan.Key]uint16
	live     *plan.Plan
	occupied *occupied
	store    ringStore
}

// heldRing is what stood where a ring was put.
type heldRing struct {
	place place
	slots []uint16
}

// heldNodes is the same of a block of the prefix store.
type heldNodes struct{ at, nodes []prefixNode }

// Aside writes a plan beside what runs, as Stage does, and gives its generation to ask, which may run it dry and write next
// hops of its backends. No packet ever meets it: neither the rows that packets go by are written, nor what they count,
// remember or share with the generations that run. Behind it all of these maps are as they were; what stays are programs and
// maps of kernel functions that were needed for the first time.
func (k *Kernel) Aside(p *plan.Plan, ask func(generation int) error) error {
	k.retireGenerations()
	k.aside = k.before()
	defer k.putBack()
	generation, err := k.Stage(p)
	if err != nil {
		return err
	}
	return ask(generation)
}

// before is whatever user space alone writes, and what this process knows of it.
func (k *Kernel) before() *aside {
	a := &aside{version: k.freeVersion(), top: k.top, ids: maps.Clone(k.backendIDs), live: k.live, store: k.store}
	for i := range a.store.used {
		a.store.used[i] = slices.Clone(a.store.used[i])
	}
	a.store.fresh, a.store.resting = slices.Clone(k.store.fresh), slices.Clone(k.store.resting)
	a.occupied = k.occupied[a.version]
	a.generations, a.rows, a.chains = slices.Clone(k.generations.all), slices.Clone(k.rows.all), slices.Clone(k.chains.all)
	for part := range VIPParts {
		at := a.version*VIPParts + part
		a.vips4[part], a.vips6[part] = slices.Clone(k.vips4[at].all), slices.Clone(k.vips6[at].all)
	}
	a.vipTenants = k.vipTenants.all[a.version]
	a.backends = slices.Clone(k.backends.all)
	a.ratelimits, a.windows, a.connlimits = slices.Clone(k.ratelimits.all), slices.Clone(k.windows.all), slices.Clone(k.connlimits.all)
	a.tlsWalls, a.mirrors = slices.Clone(k.tlsWalls.all), slices.Clone(k.mirrors.all)
	a.steers, a.paths = slices.Clone(k.steers.all), slices.Clone(k.steerPaths.all)
	a.groups, a.cgroups = slices.Clone(k.steerGroups.all), slices.Clone(k.cgroups.all)
	a.firewalls, a.ruleNames, a.blocks = slices.Clone(k.firewalls.all), slices.Clone(k.ruleNames.all), slices.Clone(k.blocks.all)
	return a
}

// putBack makes everything what it was. What packets write meanwhile in a window that was there before stays.
func (k *Kernel) putBack() {
	a := k.aside
	k.aside = nil
	restore(k.generations.all, a.generations) // first: nothing names the rest any more
	restore(k.rows.all, a.rows)
	for part := range VIPParts {
		at := a.version*VIPParts + part
		restore(k.vips4[at].all, a.vips4[part])
		restore(k.vips6[at].all, a.vips6[part])
	}
	k.vipTenants.all[a.version] = a.vipTenants
	restore(k.backends.all, a.backends)
	restore(k.chains.all, a.chains)
	restore(k.ratelimits.all, a.ratelimits)
	restore(k.connlimits.all, a.connlimits)
	restore(k.firewalls.all, a.firewalls)
	restore(k.tlsWalls.all, a.tlsWalls)
	restore(k.mirrors.all, a.mirrors)
	restore(k.steers.all, a.steers)
	restore(k.steerPaths.all, a.paths)
	restore(k.steerGroups.all, a.groups)
	restore(k.cgroups.all, a.cgroups)
	restore(k.ruleNames.all, a.ruleNames)
	restore(k.blocks.all, a.blocks)
	for i := range k.windows.all {
		switch now := &k.windows.all[i]; {
		case i >= len(a.windows):
			*now = window{}
		case now.Stage != a.windows[i].Stage || now.Chain != a.windows[i].Chain || now.VIP != a.windows[i].VIP:
			*now = a.windows[i]
		}
	}
	for _, r := range slices.Backward(a.rings) {
		copy(k.slots(r.place, uint32(len(r.slots))), r.slots)
	}
	for _, b := range a.nodes {
		copy(b.at, b.nodes)
	}
	k.top, k.backendIDs, k.live, k.occupied[a.version], k.store = a.top, a.ids, a.live, a.occupied, a.store
	k.noted.generation = 0
	_ = errors.Join(k.retireRules(), k.RetireExternals()) // what stays is tried again by the next upkeep
}

// restore writes the elements that differ, and empties those of a map that was made meanwhile.
func restore[T comparable](all, held []T) {
	for i := range all {
		switch {
		case i >= len(held):
			clear(all[i:])
			return
		case all[i] != held[i]:
			all[i] = held[i]
		}
	}
}
