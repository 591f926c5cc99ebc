package maglev

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// leave is the mean and the worst ratio of moved slots to the minimum, over backends that leave one at a time.
func leave(t *testing.T, size int, entries []Entry, samples int) (mean, worst float64) {
	t.Helper()
	full := build(t, size, entries)
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, gone := range rnd.Perm(len(entries))[:samples] {
		c := Disruption(full, build(t, size, slices.Delete(slices.Clone(entries), gone, gone+1)))
		ratio := float64(c.Moved) / float64(c.Minimum)
		mean += ratio / float64(samples)
		worst = max(worst, ratio)
	}
	return mean, worst
}

func TestDisruptionWhenOneLeaves(t *testing.T) {
	for _, row := range []struct {
		n, samples int
		limit      float64 // of the worst; 0 = reported only
	}{{12, 12, 1.1}, {100, 100, 1.7}, {655, 20, 0}, {1000, 20, 0}} {
		mean, worst := leave(t, 65537, list(row.n), row.samples)
		t.Logf("65537 slots, one of %d leaves: moves %.3f × the minimum, at worst %.3f ×", row.n, mean, worst)
		if row.limit > 0 && worst > row.limit {
			t.Errorf("one of %d leaves: moves %.3f × the minimum, limit %.1f", row.n, worst, row.limit)
		}
	}
}

func TestDisruptionWithWeights(t *testing.T) {
	for _, n := range []int{12, 100} {
		entries := list(n)
		for i := range entries {
			entries[i].Weight = uint32(20 + 37*i%100)
		}
		mean, worst := leave(t, 65537, entries, n)
		t.Logf("65537 slots, weights 20 to 119, one of %d leaves: moves %.3f × the minimum, at worst %.3f ×", n, mean, worst)
		limit := map[int]float64{12: 1.2, 100: 2.5}[n]
		if mean > limit {
			t.Errorf("one of %d leaves: moves %.3f × the minimum on average, limit %.1f", n, mean, limit)
		}
	}
}

func TestDisruptionOfOneWeight(t *testing.T) {
	entries := list(12)
	before := build(t, 65537, entries)
	for _, weight := range []uint32{0, 1, 50, 99, 101, 200} {
		entries[5].Weight = weight
		c := Disruption(before, build(t, 65537, entries))
		t.Logf("one of 12 from weight 100 to %d: %d moved, minimum %d", weight, c.Moved, c.Minimum)
		if c.Minimum == 0 || c.Moved < c.Minimum || c.MovedShare > 0.2 {
			t.Errorf("weight %d: %+v", weight, c)
		}
	}
}

func TestDisruptionCounts(t *testing.T) {
	for _, row := range []struct {
		sentence string
		old, new []uint16
		want     Change
	}{
		{"the same ring", []uint16{1, 2, 3}, []uint16{1, 2, 3}, Change{Slots: 3}},
		{"a mark is not a move", []uint16{1 | Mark, 2, 3}, []uint16{1, 2, 3}, Change{Slots: 3}},
		{"two change places: none had to", []uint16{1, 2, 2, 2}, []uint16{2, 1, 2, 2}, Change{Slots: 4, Moved: 2, MovedShare: 0.5}},
		{"one leaves", []uint16{1, 2, 3, 3}, []uint16{1, 2, 1, 2}, Change{4, 2, 2, 0.5, 0.5}},
		{"all leave", []uint16{1, 2}, []uint16{0, 0}, Change{2, 2, 2, 1, 1}},
		{"the first come", []uint16{0, 0}, []uint16{1, 2}, Change{2, 2, 2, 1, 1}},
		{"twice the size", []uint16{1, 2}, []uint16{1, 1, 2, 2}, Change{Slots: 4}},
		{"half the size", []uint16{1, 1, 2, 2}, []uint16{2, 1}, Change{2, 2, 0, 1, 0}},
		{"a quarter moves", []uint16{1, 2}, []uint16{1, 1, 1, 2}, Change{4, 1, 1, 0.25, 0.25}},
		{"no ring before", nil, []uint16{1, 2}, Change{Slots: 2}},
		{"no ring after", []uint16{1, 2}, nil, Change{}},
	} {
		if got := Disruption(row.old, row.new); got != row.want {
			t.Errorf("%s: %+v, want %+v", row.sentence, got, row.want)
		}
	}
}

// TestDisruptionOfSizes holds the share against a sample of hashes, looked up one by one.
func TestDisruptionOfSizes(t *testing.T) {
	rnd := random(t)
	entries := list(12)
	for _, pair := range [][2]int{{251, 509}, {509, 251}, {4099, 65537}, {131071, 65537}} {
		old, new := build(t, pair[0], entries), build(t, pair[1], entries[1:])
		c := Disruption(old, new)
		moved := 0
		const samples = 200000
		for range samples {
			h := rnd.Uint32()
			if old[Slot(h, len(old))] != new[Slot(h, len(new))] {
				moved++
			}
		}
		if got := float64(moved) / samples; math.Abs(got-c.MovedShare) > 0.01 {
			t.Errorf("%v: %.4f of the hashes move, by intervals %.4f", pair, got, c.MovedShare)
		}
		if c.MinimumShare < 1.0/12-0.01 || c.MinimumShare > 1.0/12+0.01 || c.Moved != int(math.Round(c.MovedShare*float64(len(new)))) {
			t.Errorf("%v: %+v", pair, c)
		}
	}
}

func TestShares(t *testing.T) {
	got := Shares([]uint16{0, 5, 5 | Mark, 32767, Mark})
	if len(got) != 3 || got[0] != 2 || got[5] != 2 || got[32767] != 1 {
		t.Errorf("got %v", got)
	}
}
