package trace

import (
	"strings"
	"testing"

	"hairpin/engine/datapath"
	"hairpin/engine/reason"
)

// TestNATWords: what an agent that translates saw, in words.
func TestNATWords(t *testing.T) {
	t.Parallel()
	why := func(name string) uint64 {
		r, ok := reason.ByName(name)
		if !ok {
			t.Fatalf("no reason %s", name)
		}
		return uint64(r.ID)
	}
	const mapped = 0xffff0000
	now := datapath.Monotonic() >> 32 << 32
	for _, c := range []struct {
		saw        datapath.Sight
		name, want string
	}{
		{datapath.Sight{Kind: datapath.SawNAT, A: now | 1, B: 1}, "flow", "known: beginning, seen about "},
		{datapath.Sight{Kind: datapath.SawNAT, A: now | 1<<13, B: 1}, "flow", "known: answered, "},
		{datapath.Sight{Kind: datapath.SawNAT, A: now | 1<<10 | 1<<13, B: 1}, "flow", "known: open, "},
		{datapath.Sight{Kind: datapath.SawNAT, A: now | 1<<10 | 1<<11}, "flow", "known, as one of a VIP that this packet did not come for: ending, "},
		{datapath.Sight{Kind: datapath.SawNATNew}, "flow", "new"},
		{datapath.Sight{Kind: datapath.SawNATNew, A: why("flow_taken")}, "flow", "new, and a connection of this host has the same ends"},
		{datapath.Sight{Kind: datapath.SawNATNew, A: why("flows_full")}, "flow", "new, and there is no room to remember it"},
		{datapath.Sight{Kind: datapath.SawNATNew, A: why("no_socket")}, "flow", "not known, and no socket waits for it"},
		{datapath.Sight{Kind: datapath.SawNATNew, A: why("untranslated")}, "flow", "not known: it did not come for a VIP"},
		{datapath.Sight{Kind: datapath.SawLocal, B: mapped | 0x0b01010a<<32}, "translated", "to the local address 10.1.1.11"},
		{datapath.Sight{Kind: datapath.SawOrigin, A: 0x990000fd, B: 1 << 56}, "translated", "it comes from the VIP's address fd00:99::1"},
	} {
		var s Step
		Chain{}.tell(&s, c.saw, datapath.Note{})
		if len(s.Facts) != 1 || s.Facts[0].Name != c.name || !strings.HasPrefix(s.Facts[0].Value, c.want) {
			t.Errorf("%+v: %+v, want %s", c.saw, s.Facts, c.want)
		}
	}
}
