package datapath

import "testing"

// TestPutSettings: equal settings share an element, used ones are never changed, and free ones are taken again.
func TestPutSettings(t *testing.T) {
	k := newKernel(t)
	const kind = 63
	all := make([]int, 4)
	put := func(g, chain, position, value int, want uint16) {
		t.Helper()
		got, err := putSettings(all, k.usedSettings(kind), value)
		if err != nil || got != want {
			t.Fatalf("settings %d are element %d, %v; want %d", value, got, err, want)
		}
		r := &k.rows.all[g*Chains+chain]
		r.Kind[position], r.Settings[position] = kind, got
		k.generations.all[g].Flags |= GenerationLive
	}
	put(1, 0, 1, 70, 1)
	put(1, 0, 2, 80, 2)
	put(1, 5, 1, 70, 1)
	put(2, 5, 15, 80, 2)
	put(15, Chains-1, 15, 90, 3)
	k.rows.all[1*Chains].Kind[3], k.rows.all[1*Chains].Settings[3] = kind+1, 3 // another kind's
	if _, err := putSettings(all, k.usedSettings(kind), 100); err == nil {
		t.Fatal("there was room for a fourth of three")
	}
	k.generations.all[2].Flags, k.generations.all[15].Flags = 0, 0
	put(1, 0, 4, 100, 3)
	put(1, 0, 5, 80, 2)
}
