package maglev

import (
	"fmt"
	"math/bits"
	"slices"
)

// indexBits are the low bits of an order word that hold the index of an entry; the others hold its hash.
const indexBits = 15

// admit checks the entries and puts those with a weight into b.order, by hash: an order that is the same on every node
// and in which two entries stay as they are whoever else comes or goes.
func (b *Builder) admit(entries []Entry) (sum uint64, heaviest uint32, err error) {
	if len(entries) > MaxID {
		return 0, 0, fmt.Errorf("%d entries: more than %d", len(entries), MaxID)
	}
	b.order = b.order[:0]
	for i, e := range entries {
		switch {
		case e.ID == 0 || e.ID > MaxID:
			return 0, 0, fmt.Errorf("entries[%d]: id %d: not from 1 to %d", i, e.ID, MaxID)
		case !e.Key.IsValid():
			return 0, 0, fmt.Errorf("entries[%d]: no key", i)
		case e.Weight == 0:
			continue
		}
		sum += uint64(e.Weight)
		heaviest = max(heaviest, e.Weight)
		b.order = append(b.order, hash(e.Key)>>indexBits<<indexBits|uint64(i))
	}
	slices.Sort(b.order)
	return sum, heaviest, b.settleTies(entries)
}

// settleTies orders entries of equal hash by their keys.
func (b *Builder) settleTies(entries []Entry) error {
	for i := 1; i < len(b.order); i++ {
		for j := i; j > 0 && b.order[j]>>indexBits == b.order[j-1]>>indexBits; j-- {
			here, there := index(b.order[j]), index(b.order[j-1])
			x, y := entries[here].Key.As16(), entries[there].Key.As16()
			c := slices.Compare(x[:], y[:])
			if c == 0 {
				return fmt.Errorf("entries[%d] and entries[%d]: both have the key %v", min(here, there), max(here, there), entries[here].Key)
			}
			if c > 0 {
				break
			}
			b.order[j], b.order[j-1] = b.order[j-1], b.order[j]
		}
	}
	return nil
}

// index is the place in the caller's list of the entry that an order word stands for.
func index(word uint64) int { return int(word & (1<<indexBits - 1)) }

// seat computes the permutations of the entries in the given order.
func (b *Builder) seat(entries []Entry, order []uint64) {
	b.ids, b.paths = b.ids[:0], b.paths[:0]
	for _, word := range order {
		e := &entries[index(word)]
		b.ids = append(b.ids, e.ID)
		b.paths = append(b.paths, b.floor.path(hash(e.Key)))
	}
}

// classes is one more than the halvings by which a weight can be below the heaviest.
const classes = 32

// class is how many times weight can be doubled without passing heaviest.
func class(weight, heaviest uint32) int { return bits.Len32(heaviest/weight) - 1 }

// classify copies b.order to b.sorted, class by class, keeping the order within each.
func (b *Builder) classify(entries []Entry, heaviest uint32) {
	clear(b.classEnd[:])
	for _, word := range b.order {
		b.classEnd[class(entries[index(word)].Weight, heaviest)]++
	}
	next := b.classEnd
	for c, at := 0, 0; c < classes; c++ {
		n := b.classEnd[c]
		next[c] = at
		at += n
		b.classEnd[c] = at
	}
	b.sorted = slices.Grow(b.sorted[:0], len(b.order))[:len(b.order)]
	for _, word := range b.order {
		c := class(entries[index(word)].Weight, heaviest)
		b.sorted[next[c]] = word
		next[c]++
	}
}
