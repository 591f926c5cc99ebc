package engine

import (
	"net/netip"
	"slices"
	"testing"

	"hairpin/engine/datapath"
)

// TestKept: whom the checks took out for long takes nothing any more, and its neighbour is asked for all the same.
func TestKept(t *testing.T) {
	at := func(last byte, gone, out bool) datapath.Backend {
		return datapath.Backend{Address: netip.AddrFrom4([4]byte{10, 1, last, 10}), Gone: gone, Out: out}
	}
	got := keptOf([]datapath.Backend{at(1, false, false), at(2, true, true), at(3, true, false), at(4, false, true)})
	want := []netip.Addr{netip.MustParseAddr("10.1.1.10"), netip.MustParseAddr("10.1.2.10"), netip.MustParseAddr("10.1.4.10")}
	if !slices.Equal(got, want) {
		t.Errorf("kept are %v, not %v", got, want)
	}
}
