package page

import (
	"fmt"
	"net/netip"
	"testing"

	"hairpin/engine"
	"hairpin/ui/action"
)

// TestEndedConnections: the cursor is on the first connection, and on one that somebody moved to although it has ended.
func TestEndedConnections(t *testing.T) {
	p := NewConnections()
	see := func(ports ...uint16) {
		talk := &engine.Connections{}
		for _, port := range ports {
			talk.Flows = append(talk.Flows, engine.Flow{Protocol: 6, Src: netip.AddrPortFrom(netip.MustParseAddr("198.51.100.7"), port),
				Dst: netip.MustParseAddrPort("10.99.0.1:80")})
		}
		p.Sync(View{Talk: talk})
	}
	on := func(port int) {
		t.Helper()
		if got, want := p.Target().Packet, fmt.Sprintf("tcp 198.51.100.7:%d > 10.99.0.1:80 S", port); got != want {
			t.Errorf("a trace would follow %q, not %q", got, want)
		}
	}
	see(1, 2, 3)
	on(1)
	see(4, 5, 6)
	on(4)
	p.Act(action.Down, View{})
	on(5)
	see(7, 8, 9)
	see(10, 11)
	on(5)
	p.Act(action.Up, View{})
	see(12, 13)
	if p.Target().Packet == "" {
		t.Error("after a move the cursor is on no connection")
	}
}
