package datapath

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/cilium/ebpf"
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
	used [Segments][]run // sorted by first
	held map[place]uint32

	resting []rested
}

// hold marks a run as used, as the tables say. Holding one twice is one hold.
func (s *ringStore) hold(p place, size uint32) {
	if _, ok := s.held[p]; ok {
		return
	}
	if s.held == nil {
		s.held = map[place]uint32{}
	}
	s.held[p] = size
	n, first := p>>slotBits, p&(1<<slotBits-1)
	i, _ := slices.BinarySearchFunc(s.used[n], first, func(r run, f uint32) int { return int(r.first) - int(f) })
	s.used[n] = slices.Insert(s.used[n], i, run{first, size})
}

func (s *ringStore) release(p place) {
	if _, ok := s.held[p]; !ok {
		return
	}
	delete(s.held, p)
	n, first := p>>slotBits, p&(1<<slotBits-1)
	s.used[n] = slices.DeleteFunc(s.used[n], func(r run) bool { return r.first == first })
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

// putRing writes a ring to a free place, adding a segment when none has room.
func (k *Kernel) putRing(ring []uint16) (place, error) {
	size := uint32(len(ring))
	for n := range k.segments {
		if k.segments[n].all == nil {
			if err := k.addSegment(n); err != nil {
				return 0, err
			}
		}
		if p, ok := k.store.find(n, size); ok {
			k.store.hold(p, size)
			copy(k.slots(p, size), ring)
			return p, nil
		}
	}
	return 0, fmt.Errorf("the ring store is full: %d segments of %d slots; use smaller rings, or wait until VIPs have settled", Segments, SegmentSlots)
}

func segmentPin(n int) string { return fmt.Sprintf("segment_%02d", n) }

func (k *Kernel) addSegment(n int) error {
	specs, err := mapSpecs()
	if err != nil {
		return err
	}
	inner := specs["rings"].InnerMap.Copy()
	inner.Name = segmentPin(n)
	m, err := ebpf.NewMap(inner)
	if err != nil {
		return fmt.Errorf("ring segment %d: %w", n, explain(err))
	}
	k.maps[inner.Name] = m
	if err := m.Pin(k.pin("maps", inner.Name)); err != nil {
		return fmt.Errorf("ring segment %d: %w", n, err)
	}
	if err := k.maps["rings"].Put(uint32(n), m); err != nil {
		return fmt.Errorf("ring segment %d: %w", n, err)
	}
	k.segments[n], err = mapMemory[segment](m, true)
	return err
}

// openSegments maps the segments that are pinned. One that was pinned but never put into the store, by a start that was
// killed, is put there now.
func (k *Kernel) openSegments() error {
	for n := range k.segments {
		name := segmentPin(n)
		m, err := ebpf.LoadPinnedMap(k.pin("maps", name), nil)
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("ring segment %d: %w", n, explain(err))
		}
		k.maps[name] = m
		if k.writable {
			if err := k.maps["rings"].Put(uint32(n), m); err != nil {
				return fmt.Errorf("ring segment %d: %w", n, err)
			}
		}
		if k.segments[n], err = mapMemory[segment](m, k.writable); err != nil {
			return fmt.Errorf("ring segment %d: %w", n, err)
		}
	}
	return nil
}
