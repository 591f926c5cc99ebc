package engine

import (
	"net"
	"net/netip"
	"testing"

	"hairpin/engine/nexthop"
)

// TestAnswers follows one next hop through what can become of its entry.
func TestAnswers(t *testing.T) {
	var a answers
	backend := netip.MustParseAddr("10.1.3.10")
	right, wrong := net.HardwareAddr{2, 0, 0, 0, 0, 1}, net.HardwareAddr{2, 0, 0, 0, 0, 9}
	for i, step := range []struct {
		state    nexthop.State
		mac      net.HardwareAddr
		problems int
	}{
		{nexthop.Permanent, wrong, 0}, // before anybody answered: it is meant
		{nexthop.Reachable, right, 0},
		{nexthop.Incomplete, nil, 0},
		{nexthop.Permanent, wrong, 1},
		{nexthop.Permanent, wrong, 1}, // it lasts
		{nexthop.Permanent, right, 0}, // the same that answers
		{nexthop.Permanent, wrong, 1},
		{nexthop.Stale, wrong, 0}, // it answers by that one now
		{nexthop.Permanent, wrong, 0},
	} {
		a.follow(map[netip.Addr]nexthop.NextHop{backend: {NIC: "eth0", MAC: step.mac, State: step.state}})
		if got := a.problems(); len(got) != step.problems {
			t.Errorf("step %d: %+v", i, got)
		}
	}
	a.follow(nil)
	if len(a.known) != 0 {
		t.Errorf("%v is remembered of nobody", a.known)
	}
}
