package datapath

import (
	"fmt"
	"maps"
)

// usedSettings are the elements of a kind's settings that a live generation names, the one being staged included.
func (k *Kernel) usedSettings(kind uint8) map[uint16]bool {
	used := map[uint16]bool{}
	for g := range k.generations.all {
		if k.generations.all[g].Flags&GenerationLive == 0 {
			continue
		}
		maps.Copy(used, k.settingsOf(g, kind))
	}
	return used
}

// settingsOf are the elements of a kind's settings that one generation names.
func (k *Kernel) settingsOf(generation int, kind uint8) map[uint16]bool {
	used := map[uint16]bool{}
	rows := k.rows.all[generation*Chains : (generation+1)*Chains]
	for n := range rows {
		for i, of := range rows[n].Kind {
			if of == kind && rows[n].Settings[i] != 0 {
				used[rows[n].Settings[i]] = true
			}
		}
	}
	return used
}

// putSettings is the element of a kind's settings that says value: one that says it already, or a free one that does from
// now on. An element that a live generation names is never changed, and element 0 says nothing. An element is used from the
// moment it stands in a row, so what a spot goes by is put there before the next spot's is asked for.
func putSettings[T comparable](all []T, used map[uint16]bool, value T) (uint16, error) {
	free := 0
	for i := len(all) - 1; i > 0; i-- {
		switch {
		case !used[uint16(i)]:
			free = i
		case all[i] == value:
			return uint16(i), nil
		}
	}
	if free == 0 {
		return 0, fmt.Errorf("all %d settings are in use by the specs of the last second and this one: wait, or use fewer", len(all)-1)
	}
	all[free] = value
	return uint16(free), nil
}
