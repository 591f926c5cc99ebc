package maglev

import (
	"math/bits"
)

// path is a backend's walk through all slots, offset + j·skip mod size, in units of which 2^64 are one round of the
// ring: a step is one addition that wraps by itself, and a multiplication by the size yields the slot. The unit is
// 1/size rounded up; the error of a whole walk is below size² units, far below a slot, so the slots are exact.
type path struct {
	at   uint64 // the next slot to try
	step uint64
}

// floor is the ring while it is being filled.
type floor struct {
	ring  []uint16
	size  uint64
	unit  uint64   // 2^64 / size, rounded up
	taken []uint64 // a bit a slot: 16 kB at most, so that it stays in the first cache
	free  []uint64 // the slots not taken; listed only once few are left
	left  int      // how many are not taken
	few   int      // how many count as few
	back  []uint64 // by seat: the unit times the inverse of the skip; 0 = not computed yet
}

// open starts a ring without a taken slot.
func (f *floor) open(ring []uint16) {
	f.ring, f.size, f.left = ring, uint64(len(ring)), len(ring)
	f.unit = ^uint64(0)/f.size + 1
	words := (len(ring) + 63) / 64
	if cap(f.taken) < words {
		f.taken = make([]uint64, words)
	}
	f.taken = f.taken[:words]
	clear(f.taken)
	f.free = f.free[:0]
	f.few = 1 << (bits.Len(uint(len(ring))) / 2)
}

// path derives the walk of a backend from the hash of its key.
func (f *floor) path(h uint64) path {
	offset := scale(mix(h+saltOffset), uint32(f.size))
	skip := 1 + scale(mix(h+saltSkip), uint32(f.size-1))
	return path{at: f.unit * uint64(offset), step: f.unit * uint64(skip)}
}

// take gives the first free slot of a walk to id and moves the walk behind it. Some slot must be free, more than few.
func (f *floor) take(p *path, id uint16) {
	at, step, size, taken := p.at, p.step, f.size, f.taken
	for {
		slot, _ := bits.Mul64(at, size)
		at += step
		word := &taken[slot>>6]
		if bit := uint64(1) << (slot & 63); *word&bit == 0 {
			*word |= bit
			f.ring[slot] = id
			break
		}
	}
	p.at = at
	f.left--
}

// list collects the free slots: from here on they are fewer than the tries that a walk needs to meet one of them.
func (f *floor) list(seats int) {
	f.free = f.free[:0]
	for w, word := range f.taken {
		for open := ^word; open != 0; open &= open - 1 {
			slot := uint64(w)<<6 + uint64(bits.TrailingZeros64(open))
			if slot < f.size {
				f.free = append(f.free, slot)
			}
		}
	}
	if cap(f.back) < seats {
		f.back = make([]uint64, seats)
	}
	f.back = f.back[:seats]
	clear(f.back)
}

// takeListed does what take does, by asking every free slot how many steps away it is.
func (f *floor) takeListed(p *path, seat int, id uint16) {
	if f.back[seat] == 0 {
		skip, _ := bits.Mul64(p.step, f.size)
		f.back[seat] = f.unit * inverse(skip, f.size)
	}
	back := f.back[seat]
	here, _ := bits.Mul64(p.at, f.size)
	from := here - f.size // minus one round, so that all distances are positive
	best, nearest := 0, ^uint64(0)
	for i, slot := range f.free {
		if away := back * (slot - from); away < nearest {
			best, nearest = i, away
		}
	}
	steps, _ := bits.Mul64(nearest, f.size)
	p.at += (steps + 1) * p.step
	f.ring[f.free[best]] = id
	f.left--
	f.free[best] = f.free[f.left]
	f.free = f.free[:f.left]
}

// inverse is the number by which x must be multiplied to get 1 modulo the prime m.
func inverse(x, m uint64) uint64 {
	a, b := uint32(m), uint32(x)
	s, t := int32(0), int32(1)
	for b != 1 {
		q := a / b
		a, b = b, a-q*b
		s, t = t, s-int32(q)*t
	}
	if t < 0 {
		t += int32(m)
	}
	return uint64(t)
}
