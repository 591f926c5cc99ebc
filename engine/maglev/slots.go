package maglev

// Mark is the bit of a slot that says "ask the connection table"; the other bits are the id.
const Mark = 1 << 15

// Slot is the slot of a ring of size slots that a flow of hash h belongs to. The data path computes the same from the
// high half of its 64-bit flow hash.
func Slot(h uint32, size int) int { return int(uint64(h) * uint64(size) >> 32) }

// first is the smallest hash of slot i; for i = size it is one more than the greatest hash there is.
func first(i, size int) uint64 {
	return (uint64(i)<<32 + uint64(size) - 1) / uint64(size)
}

// overlaps calls visit for every pair of slots, i of m and j of n, that some hash has in common, in ascending order, with
// the number of such hashes; all of them add up to 2^32. Neither size may be 0.
func overlaps(m, n int, visit func(i, j int, hashes uint64)) {
	at, endI, endJ := uint64(0), first(1, m), first(1, n)
	for i, j := 0, 0; i < m; {
		end := min(endI, endJ)
		visit(i, j, end-at)
		at = end
		if endI == end {
			i++
			endI = first(i+1, m)
		}
		if endJ == end {
			j++
			endJ = first(j+1, n)
		}
	}
}

// Marks sets Mark on every slot of before from which some hash would go elsewhere by ring: the ids differ, 0 being an id
// like any other. The sizes may differ. Marks that are set already stay. The result is how many slots of before are
// marked now. Neither ring may be empty.
func Marks(before, ring []uint16) int {
	if len(before) == len(ring) {
		for i, id := range ring {
			if (before[i]^id)&MaxID != 0 {
				before[i] |= Mark
			}
		}
	} else {
		overlaps(len(before), len(ring), func(i, j int, _ uint64) {
			if (before[i]^ring[j])&MaxID != 0 {
				before[i] |= Mark
			}
		})
	}
	marked := 0
	for _, slot := range before {
		marked += int(slot >> 15)
	}
	return marked
}
