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

// ringStore knows which runs are in use. It is rebuilt from the VIP tables at every start.
type ringStore struct {
	used    [Segments][]run // sorted by first
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
	first := uint32(0)
	if n == 0 {
		first = 4 // keeps place 0 free; rings start on whole words
	}
	for _, r := range s.used[n] {
		if r.first >= first+size {
			break
		}
		first = (r.first + r.size + 3) &^ 3
	}
	return uint32(n)<<slotBits | first, first+size <= SegmentSlots
}

// slots is the run at p as it lies in the kernel.
func (k *Kernel) slots(p place, size uint32) []uint16 {
	n, first := p>>slotBits, p&(1<<slotBits-1)
	if n >= Segments || k.segments[n].all == nil || first+size > SegmentSlots {
		return nil
	}
	return k.segments[n].all[0][first : first+size : first+size]
}

// take is a free run of size slots, used from now on.
func (s *ringStore) take(size uint32) (place, error) {
	for n := range s.used {
		if p, ok := s.find(n, size); ok {
			s.hold(p, size)
			return p, nil
		}
	}
	return 0, fmt.Errorf("the ring store is full: %d segments of %d slots; use smaller rings, or wait until VIPs have settled", Segments, SegmentSlots)
}

// putRing writes a ring to a free place, adding the segment when it is not there yet.
func (k *Kernel) putRing(ring []uint16) (place, error) {
	p, err := k.store.take(uint32(len(ring)))
	if err != nil {
		return 0, err
	}
	if n := int(p >> slotBits); k.segments[n].all == nil {
		if k.segments[n], err = addSegment[segment](k, "rings", segmentPin(n), n); err != nil {
			return 0, fmt.Errorf("ring segment %d: %w", n, err)
		}
	}
	copy(k.slots(p, uint32(len(ring))), ring)
	return p, nil
}

func segmentPin(n int) string { return fmt.Sprintf("segment_%02d", n) }
