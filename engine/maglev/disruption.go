package maglev

// Change is what replacing one ring by another does to the flows that follow it.
type Change struct {
	Slots        int     // of the new ring
	Moved        int     // of them, how many lead elsewhere; a rounded share of them when the sizes differ
	Minimum      int     // the fewest that any ring with the new shares would move, in the same unit
	MovedShare   float64 // of the hash space, 0 to 1, exact for any sizes
	MinimumShare float64
}

// Disruption compares two rings, whose sizes may differ; marks are ignored and 0 is an id like any other. When either
// ring is empty there were no flows, or there is nowhere to go, and nothing moves.
func Disruption(old, new []uint16) Change {
	c := Change{Slots: len(new)}
	if len(old) == 0 || len(new) == 0 {
		return c
	}
	gain := make([]int64, MaxID+1) // hashes, or slots when the sizes are equal, that an id gets
	moved, whole := uint64(0), uint64(len(new))
	if len(old) == len(new) {
		for i := range new {
			moved += compare(gain, old[i], new[i], 1)
		}
	} else {
		whole = 1 << 32
		overlaps(len(old), len(new), func(i, j int, hashes uint64) {
			moved += compare(gain, old[i], new[j], hashes)
		})
	}
	minimum := uint64(0)
	for _, g := range gain {
		minimum += uint64(max(g, 0))
	}
	c.Moved, c.MovedShare = part(moved, whole, len(new))
	c.Minimum, c.MinimumShare = part(minimum, whole, len(new))
	return c
}

// compare books amount from one id to another, and is the amount that moved.
func compare(gain []int64, from, to uint16, amount uint64) uint64 {
	from, to = from&MaxID, to&MaxID
	if from == to {
		return 0
	}
	gain[from] -= int64(amount)
	gain[to] += int64(amount)
	return amount
}

// part expresses amount of whole in slots, rounded to the nearest but never to 0, and as a fraction.
func part(amount, whole uint64, slots int) (int, float64) {
	if amount == 0 {
		return 0, 0
	}
	n := (amount*uint64(slots) + whole/2) / whole
	return max(1, int(n)), float64(amount) / float64(whole)
}

// Shares counts the slots of each id that a ring names, marks ignored; 0 stands for no backend.
func Shares(ring []uint16) map[uint16]int {
	var counts [MaxID + 1]int
	for _, slot := range ring {
		counts[slot&MaxID]++
	}
	shares := map[uint16]int{}
	for id, n := range counts {
		if n > 0 {
			shares[uint16(id)] = n
		}
	}
	return shares
}
