package engine

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

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
	inside(t, o, func() {
		o.sshPorts = []uint16{at.Port()}
		o.swept = time.Now().Add(time.Hour) // it would look for real servers again
	})
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
	if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "the SSH session of 10.1.0.2") || !strings.Contains(err.Error(), "on eth0 xdp by balancer") {
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

// TestPreflightAtTC: chains at tc are tried too, with what comes in or with what answers it.
func TestPreflightAtTC(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	o := running(t, p)
	s := parse(t, lbSpec)
	mustApply(t, o, s, 0)
	at := shell(t, o, "10.1.0.2")
	for _, row := range []struct{ hook, wall, word string }{
		{"tcx_ingress", "drop: {sources: [10.1.0.0/24]}", "on eth0 tcx_ingress by firewall with reason firewall_source"},
		{"tcx_ingress", "drop: {destinations: [10.1.0.2]}", "firewall_destination"},
		{"tcx_egress", "drop: {destinations: [10.1.0.0/24]}", "on eth0 tcx_egress by firewall with reason firewall_destination"},
		{"tcx_egress", fmt.Sprintf("rules: [{name: ssh, match: src port %d, action: drop}]", at.Port()), "firewall_rule"},
		{"tcx_ingress", "rules: [{name: ssh, match: tcp port 22, action: drop}]", ""},
	} {
		changed := parse(t, strings.Replace(lbSpec, "nics: {eth0: {xdp: [balancer]}}",
			fmt.Sprintf("stages: {firewall: {%s}}\nnics: {eth0: {xdp: [balancer], %s: [firewall]}}", row.wall, row.hook), 1))
		_, err := o.Apply(t.Context(), ApplyRequest{Spec: changed, Who: "test"})
		if row.word == "" && err != nil {
			t.Errorf("%s %s: %v", row.hook, row.wall, err)
		} else if row.word != "" {
			says(t, err, ErrUnsafe, row.word)
		}
	}
	mustApply(t, o, guardedSpec(t, 1, ""), 0)
	events := o.State().Events
	if !slices.ContainsFunc(events, func(e Event) bool { return strings.Contains(e.What, "behind the external stages of eth0 xdp") }) {
		t.Errorf("nobody said what was not tried: %+v", events)
	}
}

// TestEmptied: a change that takes a VIP its last backend is refused before anything is done, one that only finds it so is
// not.
func TestEmptied(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	o := running(t, p)
	s := parse(t, lbSpec)
	mustApply(t, o, s, 0)
	before, had := o.State(), pins(t, p)
	with := func(backends string) *spec.Spec {
		return parse(t, lbSpec+"  - {name: dns, addresses: [10.99.0.2], port: 53, protocol: udp, ring: 251, backends: ["+backends+"]}\n")
	}
	drained := setState(t, setState(t, s, "10.1.0.11", spec.Drain), "10.1.0.12", spec.Down)
	weightless := setState(t, setWeight(t, s, "10.1.0.11", 0), "10.1.0.12", spec.Maintenance)
	removed := s.Clone()
	removed.VIPs[0].Backends = nil
	for what, bad := range map[string]*spec.Spec{"drained": drained, "weightless": weightless, "removed": removed,
		"new without": with(""), "new with one that is drained": with("{address: 10.1.0.13, state: drain}")} {
		_, err := o.Apply(t.Context(), ApplyRequest{Spec: bad, Who: "test", Deadline: time.Minute})
		t.Log(what, ": ", err)
		says(t, err, ErrUnsafe, "vip ", "--force")
		says(t, err, ErrRefused)
		if st := o.State(); st.Revision != before.Revision || st.Generation != before.Generation || fmt.Sprint(pins(t, p)) != fmt.Sprint(had) {
			t.Errorf("%s: something changed: %+v", what, st.Generation)
		}
	}
	mustForce(t, o, drained, 0)
	mustApply(t, o, setWeight(t, drained, "10.1.0.11", 7), 0) // it had none before
	mustApply(t, o, s, 0)
}
