package datapath

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"unsafe"

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
		if err := k.addSegment(n); err != nil {
			return 0, fmt.Errorf("ring segment %d: %w", n, err)
		}
	}
	copy(k.slots(p, uint32(len(ring))), ring)
	return p, nil
}

func segmentPin(n int) string { return fmt.Sprintf("segment_%02d", n) }

func (k *Kernel) addSegment(n int) error {
	name := segmentPin(n)
	m, err := ebpf.NewMap(plainArray(name, unsafe.Sizeof(segment{}), 1))
	if err != nil {
		return explain(err)
	}
	k.maps[name] = m
	if err := m.Pin(k.pin("maps", name)); err != nil {
		return err
	}
	if err := k.putSegment(n, m); err != nil {
		return err
	}
	k.segments[n], err = mapMemory[segment](m, true)
	return err
}

// putSegment puts a segment into the store. The kernel does it at once, but answers when the last packet that may not have
// seen it has left, tens of milliseconds later. What follows is for packets that come later still, and goes on.
func (k *Kernel) putSegment(n int, m *ebpf.Map) error {
	rings, answer := k.maps["rings"], make(chan error, 1)
	k.answers.Go(func() { answer <- rings.Put(uint32(n), m) })
	for !k.inStore(n, m) {
		select {
		case err := <-answer:
			return err
		default:
			runtime.Gosched()
		}
	}
	return nil
}

// inStore tells whether packets find m as segment n.
func (k *Kernel) inStore(n int, m *ebpf.Map) bool {
	info, err := m.Info()
	if err != nil {
		return false
	}
	own, _ := info.ID()
	var there uint32
	return k.maps["rings"].Lookup(uint32(n), &there) == nil && there == uint32(own)
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
		if k.writable && !k.inStore(n, m) {
			if err := k.putSegment(n, m); err != nil {
				return fmt.Errorf("ring segment %d: %w", n, err)
			}
		}
		if k.segments[n], err = mapMemory[segment](m, k.writable); err != nil {
			return fmt.Errorf("ring segment %d: %w", n, err)
		}
	}
	return nil
}
