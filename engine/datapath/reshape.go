package datapath

import (
	"fmt"
	"slices"
	"sync/atomic"

	"hairpin/engine/maglev"
	"hairpin/engine/plan"
	"hairpin/engine/spec"
)

// Reshape gives a VIP another ring in one generation that is live already, as what is known of its backends' health wants
// it, while packets come: whoever reads the VIP's entry sees the old ring or the new one. Flows that are older stay, as
// after any other change: before the ring is there, the slots in which it differs are marked in every generation, so that
// the way back finds the flows too. Reports whether anything changed.
func (k *Kernel) Reshape(generation int, v *spec.VIP, ring []uint16) (bool, error) {
	entries := k.entriesOf(generation, v)
	if len(entries) == 0 {
		return false, fmt.Errorf("reshape vip %s: it is not in the table of generation %d", v.Name, generation)
	}
	old := k.slots(entries[0].Ring, entries[0].RingSize)
	if len(old) != len(ring) {
		return false, fmt.Errorf("reshape vip %s: %d slots, generation %d has %d", v.Name, len(ring), generation, len(old))
	}
	if slices.Equal(old, ring) {
		return false, nil
	}
	if !k.store.known {
		k.lookAtRings()
	}
	// What was taken is named by an entry when this returns, or is nobody's.
	defer func() { k.store.fresh, k.store.loose = k.store.fresh[:0], true }()
	if plan.Settles(*v) {
		if err := k.remark(entries[0], old, ring); err != nil {
			return false, fmt.Errorf("reshape vip %s: %w", v.Name, err)
		}
	}
	p, err := k.putRing(ring)
	if err != nil {
		return false, fmt.Errorf("reshape vip %s: %w", v.Name, err)
	}
	for _, e := range entries {
		k.store.resting = append(k.store.resting, rested{e.Ring, e.RingSize, Monotonic() + uint64(reuseAfter)})
		atomic.StoreUint32(&e.Ring, p)
	}
	k.step("reshape: ring changed")
	return true, nil
}

// entriesOf are the entries of a VIP in one generation.
func (k *Kernel) entriesOf(generation int, v *spec.VIP) []*VIP {
	var list []*VIP
	for _, s := range servicesOf(v) {
		if e := k.findVIP(k.vipTablesOf(generation), s); e != nil {
			list = append(list, e)
		}
	}
	return list
}

// remark marks the slots in which a new ring differs from where flows went first, in every generation. A VIP that was quiet
// settles from now on, by the ring that it had.
func (k *Kernel) remark(e *VIP, old, ring []uint16) error {
	if e.Flags&VIPSettling != 0 {
		maglev.Marks(k.slots(e.Before, e.BeforeSize), ring)
	} else if err := k.begin(e.Num, slices.Clone(old), ring, e.hash()); err != nil {
		return err
	}
	if e.Flags&VIPSticky != 0 {
		k.settlings.all[e.Num].StickyUntil = Monotonic() + uint64(stickyFor)
	}
	k.step("reshape: slots marked")
	return nil
}

// begin has a VIP settle in every generation.
func (k *Kernel) begin(num uint16, before, ring []uint16, hash spec.Hash) error {
	maglev.Marks(before, ring)
	p, err := k.putRing(before)
	if err != nil {
		return err
	}
	k.settlings.all[num].HashBefore = uint8(hash)
	k.eachLive(func(v *VIP) {
		if v.Num == num && v.Flags&(VIPSettling|VIPAddress) == 0 {
			v.settle(p, uint32(len(before)), hash)
		}
	})
	return nil
}

// SetOut says of a backend whether its checks took it out: then it takes no new flow, whatever MarkBackend says.
func (k *Kernel) SetOut(id uint16, out bool) {
	flags := k.backends.all[id].Flags
	if k.backends.all[id].Flags = flags &^ BackendOut; out {
		k.backends.all[id].Flags = flags&^BackendNew | BackendOut
	}
}

// Out tells whether checks took a backend out.
func (k *Kernel) Out(id uint16) bool { return k.backends.all[id].Flags&BackendOut != 0 }

// NumOf is the number that a VIP has in a generation; 0 = it is not there.
func (k *Kernel) NumOf(generation int, v *spec.VIP) uint16 {
	if list := k.entriesOf(generation, v); len(list) > 0 {
		return list[0].Num
	}
	return 0
}

// IDs are the ids of all backends. They are the Kernel's own until the next change, and must not be written.
func (k *Kernel) IDs() map[plan.Key]uint16 { return k.ids() }
