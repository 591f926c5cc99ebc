package page

import (
	"testing"

	"hairpin/engine"
)

// TestFronts: a packet that meets two chains of its NIC comes in once, and may be dropped by either.
func TestFronts(t *testing.T) {
	nic := func(name, hook, state string, in, drop float64) engine.NIC {
		return engine.NIC{Name: name, Hook: hook, State: state, In: engine.Counter{PPS: in}, Drop: engine.Counter{PPS: drop}, History: []float64{in}}
	}
	s := &engine.State{NICs: []engine.NIC{
		nic("eth0", "xdp", "attached", 100, 3), nic("eth0", "tcx_ingress", "attached", 90, 5), nic("eth0", "tcx_egress", "attached", 70, 0),
		nic("eth1", "tcx_ingress", "attached", 10, 1), nic("eth2", "xdp", "detached", 0, 0), nic("eth2", "clsact_ingress", "attached", 7, 0),
	}}
	if in, _, drop := s.Totals(); in != 117 || drop != 9 {
		t.Errorf("in %.0f, dropped %.0f", in, drop)
	}
	if h := sum(s.NICs); len(h) != 1 || h[0] != 117 {
		t.Errorf("history %v", h)
	}
}
