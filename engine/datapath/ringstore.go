package datapath

import (
	"fmt"
	"slices"
)

// segment is one piece of the ring store.
type segment [SegmentSlots]uint16

// place names a run of slots: segment << 22 | first slot. Segment 0, slot 0 is never given out, so that 0 means none.
type place = uint32

const slotBits = 22

// run is a piece of a segment that a ring occupies.
type run struct{ first, size uint32 }

// ringStore knows which runs are in use. It is rebuilt from the VIP tables at every start, and when some may have come free.
type ringStore struct {
	known   bool            // the tables were looked at since this process is the owner
	loose   bool            // some runs may be held that nothing needs any more
	used    [Segments][]run // sorted by first
	fresh   []rested        // taken for the generation staged last, whose table may not be written yet
	resting []rested
}

// hold marks a run as used, as the tables say. Holding one twice is one hold.
func (s *ringStore) hold(p place, size uint32) {
	n, first := p>>slotBits, p&(1<<slotBits-1)
	i, held := slices.BinarySearchFunc(s.used[n], first, func(r run, f uint32) int { return int(r.first) - int(f) })
	if !held {
		s.used[n] = slices.Insert(s.used[n], i, run{first, size})
	}
}

// find is the first gap of size slots in segment n.
func (s *ringStore) find(n int, size uint32) (place, bool) {
	first := firstSlot(n)
	for _, r := range s.used[n] {
		if r.first >= first+size {
			break
		}
		first = aligned(r.first + r.size)
	}
	return uint32(n)<<slotBits | first, first+size <= SegmentSlots
}

// gaps is how many runs of size slots fit into segment n.
func (s *ringStore) gaps(n int, size uint32) (count int) {
	first := firstSlot(n)
	for _, r := range append(slices.Clip(s.used[n]), run{first: SegmentSlots}) {
		for ; first+size <= r.first; first = aligned(first + size) {
			count++
		}
		first = max(first, aligned(r.first+r.size))
	}
	return count
}

// firstSlot keeps place 0 free.
func firstSlot(n int) uint32 {
	if n == 0 {
		return 4
	}
	return 0
}

// aligned is where the next ring may start: rings start on whole words.
func aligned(slot uint32) uint32 { return (slot + 3) &^ 3 }

// slots is the run at p as it lies in the kernel.
func (k *Kernel) slots(p place, size uint32) []uint16 {
	n, first := p>>slotBits, p&(1<<slotBits-1)
	if n >= Segments || k.segments[n].all == nil || first+size > SegmentSlots {
		return nil
	}
	return k.segments[n].all[0][first : first+size : first+size]
}

// beginRings gets ready to put rings of another generation.
func (k *Kernel) beginRings() {
	k.staged = Monotonic()
	k.store.fresh, k.store.loose = k.store.fresh[:0], true // the last one may have failed
	if !k.store.known {
		k.lookAtRings()
	}
}

// take is a free run of size slots in the segments that are there, used from now on.
func (k *Kernel) take(size uint32) (place, bool) {
	for n := range k.there() {
		if p, ok := k.store.find(n, size); ok {
			k.store.hold(p, size)
			k.store.fresh = append(k.store.fresh, rested{place: p, size: size})
			return p, true
		}
	}
	return 0, false
}

func segmentPin(n int) string { return fmt.Sprintf("segment_%02d", n) }

// there is how many segments there are.
func (k *Kernel) there() (n int) {
	for n < Segments && k.segments[n].all != nil {
		n++
	}
	return n
}

// putRing writes a ring to a free place, adding a segment when there is none.
func (k *Kernel) putRing(ring []uint16) (place, error) {
	size := uint32(len(ring))
	p, ok := k.take(size)
	if !ok && k.store.loose {
		k.lookAtRings()
		p, ok = k.take(size)
	}
	if !ok {
		if err := k.growRings(k.there()); err != nil {
			return 0, err
		}
		if p, ok = k.take(size); !ok {
			return 0, fmt.Errorf("a ring of %d slots, at most %d fit into a segment", size, SegmentSlots)
		}
	}
	if k.aside != nil {
		k.aside.rings = append(k.aside.rings, heldRing{p, slices.Clone(k.slots(p, size))})
	}
	copy(k.slots(p, size), ring)
	return p, nil
}
