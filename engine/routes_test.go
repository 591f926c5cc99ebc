package engine

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"hairpin/engine/nexthop"
	"hairpin/engine/spec"
)

// TestWaysChange follows one backend: what changes where packets go is told once, and nothing else is.
func TestWaysChange(t *testing.T) {
	j := &journal{log: slog.New(slog.DiscardHandler)}
	var w wayfinder
	backend, gateway := netip.MustParseAddr("10.1.3.10"), netip.MustParseAddr("10.1.0.1")
	hop := func(s nexthop.State, last byte) nexthop.NextHop {
		return nexthop.NextHop{NIC: "eth0", Gateway: gateway, MTU: 1500, MAC: net.HardwareAddr{2, 0, 0, 0, 0, last}, State: s}
	}
	for i, step := range []struct {
		now  nexthop.NextHop
		news string
	}{
		{nexthop.NextHop{State: nexthop.Unasked}, ""}, // nobody was there before
		{hop(nexthop.Reachable, 1), ""},
		{hop(nexthop.Stale, 1), ""},
		{hop(nexthop.Reachable, 2), "info the way to 10.1.3.10: eth0 via 10.1.0.1, 02:00:00:00:00:02, MTU 1500, was eth0 via 10.1.0.1, 02:00:00:00:00:01, MTU 1500"},
		{nexthop.NextHop{State: nexthop.NoRoute}, "warn the way to 10.1.3.10: no route, was eth0 via 10.1.0.1, 02:00:00:00:00:02, MTU 1500"},
		{nexthop.NextHop{State: nexthop.NoRoute, Why: "another"}, ""},
		{hop(nexthop.Permanent, 2), "info the way to 10.1.3.10: eth0 via 10.1.0.1, 02:00:00:00:00:02, MTU 1500, was no route"},
	} {
		j.list = nil
		w.follow(time.Unix(int64(i), 0), map[netip.Addr]nexthop.NextHop{backend: step.now}, j)
		got := ""
		for _, e := range j.list {
			got += e.Severity + " " + e.What
		}
		if got != step.news {
			t.Errorf("step %d: %q, want %q", i, got, step.news)
		}
	}
	if w.changed[backend] != time.Unix(6, 0) {
		t.Errorf("changed %v", w.changed)
	}
	w.follow(time.Unix(9, 0), nil, j)
	if len(w.told)+len(w.changed) != 0 {
		t.Errorf("%v %v are remembered of nobody", w.told, w.changed)
	}
}

// TestManyWaysChange: a link that goes down is one event.
func TestManyWaysChange(t *testing.T) {
	j := &journal{log: slog.New(slog.DiscardHandler)}
	var w wayfinder
	up, down := map[netip.Addr]nexthop.NextHop{}, map[netip.Addr]nexthop.NextHop{}
	for i := range 30 {
		a := netip.AddrFrom4([4]byte{10, 1, 0, byte(i)})
		up[a], down[a] = nexthop.NextHop{NIC: "eth0", State: nexthop.Reachable}, nexthop.NextHop{NIC: "eth0", State: nexthop.Down}
	}
	w.follow(time.Unix(1, 0), up, j)
	w.follow(time.Unix(2, 0), down, j)
	if len(j.list) != 1 || j.list[0].What != "the ways to 30 backends changed" || len(j.list[0].Detail) != named+1 || j.list[0].Severity != "warn" {
		t.Errorf("%+v", j.list)
	}
}

func TestRoutesOf(t *testing.T) {
	s, err := spec.Parse("test", []byte(`
version: 1
nics: {eth0: {xdp: [balancer]}, eth1: {xdp: [firewall]}}
stages: {firewall: {}}
vips:
  - {name: a, addresses: [10.99.0.1], port: 80, protocol: tcp, backends: [{address: 10.1.1.11}, {address: 10.1.1.12}, {address: 10.1.1.13}]}
  - {name: b, addresses: [10.99.0.2], port: 80, protocol: tcp, backends: [{address: 10.1.1.12}]}
`))
	if err != nil {
		t.Fatal(err)
	}
	at := func(last byte) netip.Addr { return netip.AddrFrom4([4]byte{10, 1, 1, last}) }
	found := map[netip.Addr]nexthop.NextHop{
		at(11): {NIC: "eth0", MTU: 1600, MAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, State: nexthop.Reachable},
		at(12): {NIC: "eth1", MAC: net.HardwareAddr{2, 0, 0, 0, 0, 2}, State: nexthop.Stale},
		at(13): {State: nexthop.Failed, Why: "nobody answers"},
	}
	var got strings.Builder
	for _, r := range routesOf(s, found, nil) {
		fmt.Fprintf(&got, "%s %s %s %s %s\n", r.Backend, r.VIPs, r.NIC, r.State, r.Why)
	}
	want := "10.1.1.11 [a] eth0 reachable \n10.1.1.12 [a b] eth1 stale leaves by eth1, which has no balancer\n10.1.1.13 [a]  failed failed: nobody answers\n"
	if got.String() != want {
		t.Errorf("%s, want %s", got.String(), want)
	}
	if routesOf(nil, found, nil) != nil {
		t.Error("routes without a spec")
	}
}
