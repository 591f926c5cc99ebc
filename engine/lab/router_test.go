package lab

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestSeveral: a lab with several load balancers has wires and a router for them, and stays what it was built as.
func TestSeveral(t *testing.T) {
	l := testUpWith(t, Config{Backends: 1, Nodes: 3, Router: Builtin})
	if got := fmt.Sprint(l.Balancers(), l.Nodes()); got != "[lb lb2 lb3] [router client lb lb2 lb3 backend1]" {
		t.Error(got)
	}
	everyNIC(t, l, mtuFits)
	if err := l.AwaitAnnounced(t.Context()); err != nil {
		t.Error(err)
	}
	router := daemon{l, Router, "router"}
	pid := router.pid()
	if s := l.Status(); s.Nodes[0].Server != pid || pid == 0 {
		t.Errorf("the router's program is %d: %+v", pid, s.Nodes[0])
	}
	if err := router.stop(t.Context(), unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if _, err := Up(t.Context(), Config{Name: l.name, Binary: l.binary}); err != nil || router.pid() == 0 {
		t.Errorf("up starts no router: %v", err)
	}
	for _, row := range []struct {
		c    Config
		want string
	}{
		{Config{Nodes: 2}, "up with 3 load balancers: take it down first"},
		{Config{Nodes: 3, Router: "bird"}, "up with the router builtin: take it down first"},
	} {
		row.c.Name, row.c.Binary = l.name, l.binary
		if _, err := Up(t.Context(), row.c); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%+v: %v", row.c, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.AwaitAnnounced(ctx, LB); err == nil || !strings.Contains(err.Error(), "the router leads to [10.99.0.1 by [] fd00:99::1 by []], and not by all of [lb]") {
		t.Error(err)
	}
}

// TestKinds: what a router cannot be is said before anything is built.
func TestKinds(t *testing.T) {
	for _, row := range []struct {
		c    Config
		want string
	}{
		{Config{Nodes: -1}, "-1 load balancers: 1 to 16 are possible"},
		{Config{Nodes: 17}, "17 load balancers: 1 to 16 are possible"},
		{Config{Router: Builtin}, "one load balancer has one route"},
		{Config{Nodes: 2, Router: "quagga"}, `router "quagga": bird, frr or builtin`},
		{Config{Peering: Peering{Secret: "x"}}, "one load balancer has none: have 2 nodes at least"},
		{Config{Nodes: 2, Router: Builtin, Peering: Peering{BFD: "fast"}}, `bfd "fast": drop or keep`},
		{Config{Nodes: 2, Router: Builtin, Peering: Peering{BFD: DropBFD}}, "the router builtin speaks none: take bird or frr"},
		{Config{Nodes: 2, Router: Builtin, Peering: Peering{Secret: "open sesame"}}, "80 letters and digits at most"},
	} {
		row.c.Binary = "hairpin"
		if _, err := row.c.lab(); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%+v: %v", row.c, err)
		}
	}
}

// TestConfigured: what the router's programs read names every session, each family in its place.
func TestConfigured(t *testing.T) {
	l := &Lab{name: "routers", size: size{balancers: 2, backends: 1}, peering: Peering{GraceBFD, "sesame"}}
	for _, row := range []struct{ text, want string }{
		{l.birdConfig(), "protocol bgp lb2_6 {\n\tlocal fd00:2:2::1 as 65000;\n\tneighbor fd00:2:2::10 as 65001;\n"},
		{l.birdConfig(), "protocol bgp lb_4 {\n\tlocal 10.1.0.1 as 65000;\n\tneighbor 10.1.0.10 as 65001;\n"},
		{l.frrConfig(), " neighbor 10.2.2.10 remote-as 65001\n neighbor 10.2.2.10 passive\n"},
		{l.birdConfig(), "\tbfd graceful;\n\tpassword \"sesame\";\n\tipv4 {"},
		{l.birdConfig(), "protocol bfd { interface \"lb*\" { interval 300 ms; multiplier 3; }; }\n"},
		{l.frrConfig(), " neighbor 10.2.2.10 bfd 3 300 300\n neighbor 10.2.2.10 bfd check-control-plane-failure\n neighbor 10.2.2.10 password sesame\n"},
		{l.frrConfig(), " address-family ipv6 unicast\n  neighbor fd00:1::10 activate\n"},
	} {
		if !strings.Contains(row.text, row.want) {
			t.Errorf("no %q in\n%s", row.want, row.text)
		}
	}
}
