package engine

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"hairpin/engine/spec"
)

// shell is an SSH session to this node, as far as the engine can see: a connection to a port that is an SSH server's.
func shell(t *testing.T, o *owner, address string) netip.AddrPort {
	t.Helper()
	if err := netlink.LinkSetUp(nic(t, "lo")); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", address+":0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	at := netip.MustParseAddrPort(l.Addr().String())
	inside(t, o, func() { o.sshPorts = []uint16{at.Port()} })
	return at
}

// claiming is s with a VIP that takes the packets for at away from this node.
func claiming(s *spec.Spec, at netip.AddrPort) *spec.Spec {
	c := s.Clone()
	v := c.VIPs[0]
	v.Name, v.Addresses, v.Port = "thief", []netip.Addr{at.Addr()}, at.Port()
	c.VIPs = append(c.VIPs, v)
	return c
}

// TestPreflight: a change that would end the SSH session of who works on the node is refused before it is live, unless it is
// forced or the session was lost already.
func TestPreflight(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	o := running(t, p)
	s := parse(t, lbSpec)
	addNIC(t, "eth7", "10.77.0.1/24")
	first := mustApply(t, o, s, 0)
	elsewhere := shell(t, o, "10.77.0.1") // by a NIC without a chain
	mustApply(t, o, claiming(s, elsewhere), 0)
	mustApply(t, o, s, 0)

	at := shell(t, o, "10.1.0.2")
	before := told(t, o)
	_, err := o.Apply(t.Context(), ApplyRequest{Spec: claiming(s, at), Who: "test"})
	if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "the SSH session of 10.1.0.2") || !strings.Contains(err.Error(), "on eth0 by balancer") {
		t.Fatalf("the change was not refused as it should be: %v", err)
	}
	if st := o.State(); st.Revision != first.Revision || len(told(t, o)) != len(before) {
		t.Errorf("something changed all the same: %+v", st.Generation)
	}
	forced, err := o.Apply(t.Context(), ApplyRequest{Spec: claiming(s, at), Who: "test", Force: true})
	if err != nil {
		t.Fatal(err)
	}
	again := claiming(s, at)
	again.VIPs[0].Backends[0].Weight++
	if a := mustApply(t, o, again, 0); a.Revision == forced.Revision {
		t.Error("nothing was applied")
	}
}
