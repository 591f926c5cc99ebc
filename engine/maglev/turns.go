package maglev

import (
	"math/bits"
	"slices"
)

// seat is a backend's claim on turns.
type seat struct {
	credit uint64 // of which a turn costs the heaviest weight
	income uint64 // for each scan: the weight, doubled once for each class
	left   uint32 // slots it still gets
}

// fillEqual gives the seats a turn each until the ring is full.
func (b *Builder) fillEqual() {
	f := &b.floor
	for f.left > f.few {
		turns := min(len(b.paths), f.left-f.few)
		for i := range b.paths[:turns] {
			f.take(&b.paths[i], b.ids[i])
		}
		if turns < len(b.paths) {
			b.finish(turns)
			return
		}
	}
	b.finish(0)
}

// finish is fillEqual for the last few slots, beginning with seat i.
func (b *Builder) finish(i int) {
	f := &b.floor
	f.list(len(b.paths))
	for f.left > 0 {
		if i == len(b.paths) {
			i = 0
		}
		f.takeListed(&b.paths[i], i, b.ids[i])
		i++
	}
}

// apportion gives each seat its share of the slots by the largest remainder; of equal ones the earlier seat is favoured.
func (b *Builder) apportion(entries []Entry, sum uint64) {
	b.seats, b.rest = b.seats[:0], b.rest[:0]
	over := b.floor.left
	for i, word := range b.sorted {
		// A weight of 32 bits times a size of 17 bits; a remainder is below the sum, which has at most 47 bits.
		exact := uint64(entries[index(word)].Weight) * b.floor.size
		b.seats = append(b.seats, seat{left: uint32(exact / sum)})
		b.rest = append(b.rest, (sum-exact%sum)<<indexBits|uint64(i))
		over -= int(exact / sum)
	}
	slices.Sort(b.rest)
	for _, word := range b.rest[:over] {
		b.seats[index(word)].left++
	}
	for i, word := range b.sorted {
		e := &entries[index(word)]
		b.seats[i].income = uint64(e.Weight)
	}
}

// fillWeighted gives turns in proportion to the weights. In a round the heaviest seat has one turn, and a seat of half
// to a quarter of its weight needs to be looked at in every second round only, and so on: class c is scanned in every
// 2^c-th round, in the middle of its span, so that the scans never outnumber twice the turns. The first credit is a
// fraction from the hash, which spreads the turns of equal weights; as the order within a class is by the same hash,
// two seats of one weight alternate in the same way whatever the other weights are.
func (b *Builder) fillWeighted(heaviest uint32) {
	rounds := uint32(0)
	for c, i := 0, 0; c < classes; c++ {
		for ; i < b.classEnd[c]; i++ {
			s := &b.seats[i]
			s.income <<= c
			s.credit = uint64(heaviest - 1 - scale(b.sorted[i], heaviest))
			rounds = max(rounds, s.left)
		}
	}
	for r := uint32(1); r <= rounds; r++ {
		b.scan(0, b.classEnd[0], uint64(heaviest))
		if c := bits.TrailingZeros32(r) + 1; c < classes {
			b.scan(b.classEnd[c-1], b.classEnd[c], uint64(heaviest))
		}
	}
	// Shares are exact and turns are not: what is owed now is a slot or two a seat.
	for b.floor.left > 0 {
		for i := range b.seats {
			b.turn(i)
		}
	}
}

// scan pays the seats from, inclusive, to, exclusive, and gives a turn to those that can pay the price.
func (b *Builder) scan(from, to int, price uint64) {
	for i := from; i < to; i++ {
		s := &b.seats[i]
		s.credit += s.income
		if s.credit >= price {
			s.credit -= price
			b.turn(i)
		}
	}
}

// turn gives seat i one slot, unless it has its share already.
func (b *Builder) turn(i int) {
	s, f := &b.seats[i], &b.floor
	if s.left == 0 {
		return
	}
	s.left--
	if f.left > f.few {
		f.take(&b.paths[i], b.ids[i])
		return
	}
	if len(f.free) == 0 {
		f.list(len(b.paths))
	}
	f.takeListed(&b.paths[i], i, b.ids[i])
}
