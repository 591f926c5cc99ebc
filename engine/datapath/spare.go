package datapath

import (
	"fmt"
	"time"
)

// spareFor is how long after the last change a segment of rings is kept ready for the next.
const spareFor = 5 * time.Second

// Spare gets a segment of rings ready while changes are being made, when another one like the last may find no room. To
// make one takes milliseconds, and a change waits for it. It is for the time after a switch.
func (k *Kernel) Spare() error {
	if k.spare != nil || len(k.store.fresh) == 0 || k.there() == Segments || k.hasRoom() {
		return nil
	}
	if k.store.loose {
		if k.lookAtRings(); k.hasRoom() {
			return nil
		}
	}
	var err error
	if k.spare, err = makeSegment[segment](segmentPin(k.there())); err != nil {
		return fmt.Errorf("spare ring segment: %w", err)
	}
	return nil
}

// hasRoom tells whether the rings of the last change would fit once more.
func (k *Kernel) hasRoom() bool {
	var size uint32
	for _, r := range k.store.fresh {
		size = max(size, r.size)
	}
	gaps := 0
	for n := range k.there() {
		if gaps += k.store.gaps(n, size); gaps >= len(k.store.fresh) {
			return true
		}
	}
	return false
}

func (k *Kernel) dropSpare() {
	if k.spare != nil {
		k.spare.close()
		k.spare = nil
	}
}

// growRings adds segment n, the spare one if there is one.
func (k *Kernel) growRings(n int) (err error) {
	if n == Segments {
		return fmt.Errorf("the ring store is full: %d segments of %d slots; use smaller rings, or wait until VIPs have settled", Segments, SegmentSlots)
	}
	s := k.spare
	if k.spare = nil; s == nil {
		s, err = makeSegment[segment](segmentPin(n))
	}
	if err == nil {
		k.segments[n], err = enterSegment(k, "rings", segmentPin(n), n, s)
	}
	if err != nil {
		return fmt.Errorf("ring segment %d: %w", n, err)
	}
	return nil
}
