package datapath

import (
	"slices"
	"sync/atomic"

	"hairpin/engine/plan"
)

// rested is a run that no entry names any more but that a packet may still be reading.
type rested struct {
	place place
	size  uint32
	until uint64
}

// Retire forgets the generations that no packet can see any more, and what only they named.
func (k *Kernel) Retire() {
	k.retireGenerations()
	_ = k.retireRules() // what cannot be unpinned now is tried again
	if k.store.loose || len(k.store.resting) > 0 {
		k.lookAtRings()
	}
	if k.spare != nil && Monotonic()-k.staged > uint64(spareFor) {
		k.dropSpare()
	}
}

// retireGenerations leaves for later what only they named: a run of slots may be held for longer than it is needed.
func (k *Kernel) retireGenerations() {
	for g := range k.generations.all {
		if k.generations.all[g].Flags&GenerationLive != 0 && !k.kept(g) {
			k.generations.all[g].Flags &^= GenerationLive
			k.store.loose = true
		}
	}
}

// lookAtRings finds the runs in use: by the tables, by packets that may still be reading, and by what is being staged.
func (k *Kernel) lookAtRings() {
	resting, now := k.store.resting[:0], Monotonic()
	for _, r := range k.store.resting {
		if now < r.until {
			resting = append(resting, r)
		}
	}
	k.store = ringStore{known: true, resting: resting, fresh: k.store.fresh}
	for _, r := range resting {
		k.store.hold(r.place, r.size)
	}
	for _, r := range k.store.fresh {
		k.store.hold(r.place, r.size)
	}
	k.eachLive(func(v *VIP) {
		if v.RingSize != 0 {
			k.store.hold(v.Ring, v.RingSize)
		}
		if v.Flags&VIPSettling != 0 {
			k.store.hold(v.Before, v.BeforeSize)
		}
	})
}

// eachLive calls f with every entry of every live generation.
func (k *Kernel) eachLive(f func(*VIP)) {
	for _, tables := range k.liveTables() {
		k.eachVIP(tables, f)
	}
}

// liveTables are the versions of the VIP tables that live generations name, once each.
func (k *Kernel) liveTables() (list []vipTables) {
	for g := range k.generations.all {
		if tables := k.vipTablesOf(g); k.generations.all[g].Flags&GenerationLive != 0 && !slices.Contains(list, tables) {
			list = append(list, tables)
		}
	}
	return list
}

// EndSettling lets the ring alone decide for a VIP from now on, in every generation. The ring before rests a moment.
func (k *Kernel) EndSettling(num uint16) {
	until := Monotonic() + uint64(reuseAfter)
	k.eachLive(func(v *VIP) {
		if v.Num != num || v.Flags&VIPSettling == 0 {
			return
		}
		v.Flags &^= VIPSettling
		k.store.resting = append(k.store.resting, rested{v.Before, v.BeforeSize, until})
	})
}

// Settling is how far a settling VIP is.
type Settling struct {
	Num     uint16
	Before  uint32 // where its ring before lies: another change of the ring marks more slots of the same
	Slots   int    // of it
	Stray   uint64 // packets that went elsewhere than the ring says, ever
	StrayAt uint64 // ns of CLOCK_MONOTONIC of the last of them; 0 = never
	Unheld  uint64 // SYNs that could not be remembered, ever
}

// Settlings are the VIPs of the active generation that settle.
func (k *Kernel) Settlings() []Settling {
	var list []Settling
	for num, v := range k.activeVIPs() {
		if v.Flags&VIPSettling == 0 {
			continue
		}
		s := Settling{Num: num, Before: v.Before, Slots: int(v.BeforeSize)}
		for _, c := range k.counted {
			s.Stray += c.Stray[num]
			s.StrayAt = max(s.StrayAt, c.StrayAt[num])
			s.Unheld += c.Unheld[num]
		}
		list = append(list, s)
	}
	return list
}

// Marked counts the slots of s that ask the connection table.
func (k *Kernel) Marked(s Settling) (marked int) {
	for _, slot := range k.slots(s.Before, uint32(s.Slots)) {
		if slot&slotMark != 0 {
			marked++
		}
	}
	return marked
}

// Rings are where the rings of the active generation lie, by VIP number: a ring that moved has changed.
func (k *Kernel) Rings() map[uint16]uint32 {
	rings := map[uint16]uint32{}
	for num, v := range k.activeVIPs() {
		rings[num] = v.Ring
	}
	return rings
}

// Sweep frees the entries of the connection table that have expired, or whose backend is in drop. It takes each with a
// compare and swap, since packets write the table at the same time. Returns how many stay.
func (k *Kernel) Sweep(drop map[uint16]bool) (kept int) {
	tick := uint32(Monotonic()>>tickShift) & entryAgeMask
	longest := k.settlings.all[0].Life
	for i := range k.connections.all {
		entries := &k.connections.all[i]
		for j := range entries {
			entry := atomic.LoadUint64(&entries[j])
			if entry == 0 {
				continue
			}
			if !drop[uint16(entry&slotID)] && entryAlive(entry, tick, longest) {
				kept++
				continue
			}
			atomic.CompareAndSwapUint64(&entries[j], entry, 0)
		}
	}
	return kept
}

// entryAlive is the rule of bpf/connection.h.
func entryAlive(entry uint64, tick, life uint32) bool {
	age := (tick + skew - uint32(entry>>entryAgeShift)) & entryAgeMask
	switch {
	case entry&entryConfirmed == 0:
		return age <= lifeUnconfirmed+skew
	case entry&entryClosing != 0:
		return age <= lifeClosing+skew
	}
	return age <= life+skew
}

// FreeBackends gives back the ids of gone backends that no ring of a live generation names any more: their flows are
// forgotten, their counters zeroed, and the ring before leads around them. wanted are the ids of the running spec.
func (k *Kernel) FreeBackends(wanted map[uint16]bool) (freed int) {
	drop := map[uint16]bool{}
	for id := 1; id < Backends; id++ {
		b := &k.backends.all[id]
		if b.Family != 0 && b.Flags&BackendGone != 0 && !wanted[uint16(id)] {
			drop[uint16(id)] = true
		}
	}
	if len(drop) == 0 {
		return 0
	}
	k.eachLive(func(v *VIP) {
		for _, slot := range k.slots(v.Ring, v.RingSize) {
			delete(drop, slot&slotID)
		}
	})
	if len(drop) == 0 {
		return 0
	}
	k.eachLive(func(v *VIP) {
		if v.Flags&VIPSettling == 0 {
			return
		}
		before := k.slots(v.Before, v.BeforeSize)
		for i, slot := range before {
			if drop[slot&slotID] {
				before[i] = slot &^ slotID
			}
		}
	})
	k.Sweep(drop)
	k.live = nil
	for id := range drop {
		b := &k.backends.all[id]
		delete(k.backendIDs, plan.Key{VIP: b.VIP, Address: b.destination()})
		*b = backend{}
		for _, c := range k.counted {
			c.Backend[id] = Count{}
		}
	}
	return len(drop)
}
