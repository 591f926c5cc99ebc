// Package maglev is consistent hashing over backends by the Maglev permutations (Eisenbud et al., NSDI 2016), with weights.
package maglev

import (
	"fmt"
	"net/netip"
)

// MinSize and MaxSize bound the slots of a ring, which must be a prime: then every step visits every slot.
const (
	MinSize = 251
	MaxSize = 131071
)

// MaxID is the greatest id a slot can hold; bit 15 of a slot is the mark.
const MaxID = 1<<15 - 1

// Entry is one backend as the ring sees it.
type Entry struct {
	ID     uint16     // written to the slots, 1 to MaxID; has no influence on which slots
	Key    netip.Addr // what is hashed: unique in a list; IPv4 and its IPv4-mapped form are one key
	Weight uint32     // share relative to the others; 0 = no slots
}

// Builder fills rings and keeps its buffers for the next one. The zero value is ready; one goroutine at a time.
type Builder struct {
	order    []uint64 // hash and index of the entries that take part
	sorted   []uint64 // order, by class
	rest     []uint64 // remainder and seat of each share
	seats    []seat
	ids      []uint16
	paths    []path
	classEnd [classes]int
	floor    floor
}

// Build fills ring, whose length is a prime from MinSize to MaxSize, and leaves it as it was on error. The ring depends
// on the length, the keys and the weights only: not on the order of the entries, and not on the ids but for naming
// them. Every entry gets its exact share of the slots, rounded up or down; without any weight all slots are 0.
func (b *Builder) Build(ring []uint16, entries []Entry) error {
	if n := len(ring); n < MinSize || n > MaxSize || !prime(n) {
		return fmt.Errorf("build ring: %d slots: not a prime from %d to %d", n, MinSize, MaxSize)
	}
	sum, heaviest, err := b.admit(entries)
	if err != nil {
		return fmt.Errorf("build ring: %w", err)
	}
	if sum == 0 {
		clear(ring)
		return nil
	}
	b.floor.open(ring)
	if sum == uint64(heaviest)*uint64(len(b.order)) {
		b.seat(entries, b.order)
		b.fillEqual()
		return nil
	}
	b.classify(entries, heaviest)
	b.seat(entries, b.sorted)
	b.apportion(entries, sum)
	b.fillWeighted(heaviest)
	return nil
}

// prime tells whether n, odd or even and above 1, has no divisor but itself.
func prime(n int) bool {
	for d := 2; d*d <= n; d++ {
		if n%d == 0 {
			return false
		}
	}
	return true
}
