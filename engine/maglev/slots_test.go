package maglev

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// pairs are sizes of a ring before and after a change of size, and some that are not rings.
var pairs = [][2]int{{251, 251}, {251, 509}, {509, 251}, {4099, 65537}, {65537, 4099}, {65537, 131071}, {131071, 65537}, {2, 3}, {1, 7}, {6, 4}}

// scatter is a ring of random ids up to most, with 0 among them.
func scatter(rnd *rand.Rand, size, most int) []uint16 {
	ring := make([]uint16, size)
	for i := range ring {
		ring[i] = uint16(rnd.IntN(most + 1))
	}
	return ring
}

// borders are the hashes around every border between slots of a ring.
func borders(size int) []uint32 {
	var hs []uint32
	for i := range size {
		at := uint32(uint64(i) << 32 / uint64(size))
		hs = append(hs, at-1, at, at+1)
	}
	return append(hs, 0, 1<<32-1)
}

func TestFirstIsTheBorder(t *testing.T) {
	for _, size := range sizes {
		for i := range size {
			h := first(i, size)
			if Slot(uint32(h), size) != i || h > 0 && Slot(uint32(h-1), size) != i-1 {
				t.Fatalf("%d slots: slot %d does not begin at hash %d", size, i, h)
			}
		}
		if first(size, size) != 1<<32 {
			t.Errorf("%d slots: the last does not end with the greatest hash", size)
		}
	}
}

// TestMarksEveryHash asks the formula for random hashes and for all on borders: wherever the rings differ the slot is
// marked, and every mark is explained by such a hash, because no overlap lies between borders.
func TestMarksEveryHash(t *testing.T) {
	rnd := random(t)
	for _, pair := range pairs {
		for _, most := range []int{1, 3, 1000} {
			before, ring := scatter(rnd, pair[0], most), scatter(rnd, pair[1], most)
			plain := slices.Clone(before)
			marked := Marks(before, ring)
			hs := append(borders(len(before)), borders(len(ring))...)
			for range 100000 {
				hs = append(hs, rnd.Uint32())
			}
			want := slices.Clone(plain)
			for _, h := range hs {
				if i := Slot(h, len(before)); plain[i] != ring[Slot(h, len(ring))] {
					want[i] |= Mark
				}
			}
			count := 0
			for i := range before {
				if before[i] != want[i] {
					t.Fatalf("%v: slot %d of before: %#x, want %#x", pair, i, before[i], want[i])
				}
				count += int(want[i] >> 15)
			}
			if count != marked {
				t.Errorf("%v: %d marked, counted as %d", pair, count, marked)
			}
		}
	}
}

func TestMarksStay(t *testing.T) {
	for _, size := range []int{4, 8} {
		ring := make([]uint16, size)
		for i := range ring {
			ring[i] = uint16(1 + i*4/size)
		}
		before := []uint16{1, 2 | Mark, 0, 4}
		if n := Marks(before, ring); n != 2 || !slices.Equal(before, []uint16{1, 2 | Mark, Mark, 4}) {
			t.Errorf("%d slots: %d marked: %#x", size, n, before)
		}
		clear(ring)
		if n := Marks(before, ring); n != 4 || !slices.Equal(before, []uint16{1 | Mark, 2 | Mark, Mark, 4 | Mark}) {
			t.Errorf("%d empty slots: %d marked: %#x", size, n, before)
		}
	}
	before := []uint16{0, 0, 0}
	if n := Marks(before, []uint16{0, 0, 0, 0, 0}); n != 0 {
		t.Errorf("%d slots of nothing against nothing are marked", n)
	}
}

func TestOverlapsCoverEveryHash(t *testing.T) {
	for _, pair := range pairs {
		sum, visits, last := uint64(0), 0, -1
		overlaps(pair[0], pair[1], func(i, j int, hashes uint64) {
			sum += hashes
			visits++
			if order := i*pair[1] + j; order <= last {
				t.Fatalf("%v: %d, %d comes out of order", pair, i, j)
			} else {
				last = order
			}
		})
		if sum != 1<<32 || visits > pair[0]+pair[1]-1 {
			t.Errorf("%v: %d hashes in %d overlaps", pair, sum, visits)
		}
	}
}
