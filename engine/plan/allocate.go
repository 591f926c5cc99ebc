package plan

import (
	"fmt"

	"hairpin/engine/maglev"
)

// maxNum is the highest VIP number; 0 is nobody's, and one an agent's, which is always in use.
const maxNum = 8191

// allocator gives out ids and VIP numbers that nothing uses, lowest first.
type allocator struct {
	ids    map[Key]uint16 // in use before; not written
	fresh  map[Key]uint16
	taken  *[maglev.MaxID + 1]bool // nil until a free id is looked for
	nums   [maxNum + 1]bool
	nextID uint16
	next   uint16
}

func newAllocator(w World) *allocator {
	a := &allocator{ids: w.IDs, fresh: map[Key]uint16{}, nextID: 1, next: 1}
	for num, used := range w.Nums {
		if num <= maxNum {
			a.nums[num] = used
		}
	}
	return a
}

// id is the one the backend has, also while it rests, so that one that comes back finds its flows; or a free one.
func (a *allocator) id(k Key) (uint16, error) {
	if id, ok := a.ids[k]; ok {
		return id, nil
	}
	if id, ok := a.fresh[k]; ok {
		return id, nil
	}
	if a.taken == nil {
		a.taken = new([maglev.MaxID + 1]bool)
		for _, id := range a.ids {
			a.taken[id&maglev.MaxID] = true
		}
	}
	for ; a.nextID <= maglev.MaxID; a.nextID++ {
		if !a.taken[a.nextID] {
			a.taken[a.nextID] = true
			a.fresh[k] = a.nextID
			return a.nextID, nil
		}
	}
	return 0, fmt.Errorf("all %d backend ids are in use; those of removed backends come free when their flows have ended", maglev.MaxID)
}

func (a *allocator) num() (uint16, error) {
	for ; a.next <= maxNum; a.next++ {
		if !a.nums[a.next] {
			a.nums[a.next] = true
			return a.next, nil
		}
	}
	return 0, fmt.Errorf("all %d VIP numbers are in use; those of removed VIPs come free when no kept generation names them", maxNum)
}
