package tenants

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"hairpin/engine/spec"
)

const shared = `version: 1
stages:
  ratelimit: {limits: [{rate: 50, per: vip, vip: blog}, {rate: 9, per: vip, vip: web}]}
nics: {eth0: {xdp: [ratelimit, balancer]}, eth1: {xdp: [balancer]}}
bgp: {as: 65001, router_id: 10.1.0.2, neighbors: [{address: 10.1.0.1, as: 65000, password_file: /etc/secret}]}
tenants:
  shop: {operators: [ann], max_vips: 3, max_backends: 4, prefixes: [10.99.1.0/24], backend_prefixes: [10.1.1.0/24]}
  press: {operators: [bob], prefixes: [10.99.0.0/16]}
  bare: {operators: [cid]}
vips:
  - {name: web, tenant: shop, addresses: [10.99.1.1], port: 80, protocol: tcp, backends: [{address: 10.1.1.11}]}
  - {name: blog, tenant: press, addresses: [10.99.1.2], port: 80, protocol: tcp, backends: [{address: 10.1.2.11}]}
  - {name: api, tenant: shop, addresses: [10.99.1.3], port: 0, protocol: tcp, checks: [{kind: command, command: [/bin/true]}]}
  - {name: ssh, addresses: [10.98.0.1], port: 22, protocol: tcp}
  - {name: old, tenant: bare, addresses: [10.97.0.1], port: 80, protocol: tcp}
`

func parse(t *testing.T, text string) *spec.Spec {
	t.Helper()
	s, err := spec.Parse("test", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func vip(name, tenant, address string) spec.VIP {
	return spec.VIP{Name: name, Tenant: tenant, Addresses: []netip.Addr{netip.MustParseAddr(address)}, Port: 443, Protocol: spec.TCP,
		Encap: spec.IPIP, Ring: 251, Settle: time.Minute}
}

// TestView: what an operator sees can be written down and read again, and names nothing of others.
func TestView(t *testing.T) {
	for _, m := range []Mine{{"shop"}, {"press"}, {"bare", "shop"}} {
		text := string(spec.Marshal(View(parse(t, shared), m)))
		v := parse(t, text)
		for _, own := range v.VIPs {
			if !m.Has(&own) {
				t.Errorf("%s see %s", m, own.Name)
			}
		}
		if len(v.Tenants) != len(m) || strings.Contains(text, "secret") || strings.Contains(text, "ratelimit") || strings.Contains(text, "10.98.0.1") {
			t.Errorf("%s see\n%s", m, text)
		}
	}
	if View(nil, Mine{"shop"}) != nil {
		t.Error("there is a view of nothing")
	}
}

// TestMerge: what an operator may do goes into the whole, and what he may not do is refused with why.
func TestMerge(t *testing.T) {
	shop := Mine{"shop"}
	for _, row := range []struct {
		what   string
		mine   Mine
		change func(s *spec.Spec)
		why    string // empty: he may
	}{
		{"nothing", shop, func(*spec.Spec) {}, ""},
		{"a weight", shop, func(s *spec.Spec) { s.VIPs[0].Backends[0].Weight = 7 }, ""},
		{"no backend takes new flows", shop, func(s *spec.Spec) { s.VIPs[0].Backends[0].State = spec.Down }, ""},
		{"another order", shop, func(s *spec.Spec) { s.VIPs[0], s.VIPs[1] = s.VIPs[1], s.VIPs[0] }, ""},
		{"one less", shop, func(s *spec.Spec) { s.VIPs = s.VIPs[:1] }, ""},
		{"one more", shop, func(s *spec.Spec) { s.VIPs = append(s.VIPs, vip("new", "shop", "10.99.1.9")) }, ""},
		{"two more than he may", shop, func(s *spec.Spec) {
			s.VIPs = append(s.VIPs, vip("new", "shop", "10.99.1.9"), vip("new2", "shop", "10.99.1.10"))
		}, "tenants.shop.max_vips: it has 4, the limit is 3"},
		{"an address that is not his", shop, func(s *spec.Spec) { s.VIPs = append(s.VIPs, vip("new", "shop", "10.99.3.9")) }, "not within the prefixes"},
		{"a backend that is not his", shop, func(s *spec.Spec) {
			s.VIPs[0].Backends[0].Address = netip.MustParseAddr("10.1.2.11")
		}, "not within the backend_prefixes"},
		{"another's address by another port", shop, func(s *spec.Spec) { s.VIPs = append(s.VIPs, vip("new", "shop", "10.99.1.2")) },
			"reached by an address that others have"},
		{"another's address by a prefix", Mine{"press"}, func(s *spec.Spec) {
			s.VIPs[0].Prefixes = []netip.Prefix{netip.MustParsePrefix("10.99.0.0/16")}
		}, "reached by an address that others have"},
		{"another's address for some sources", shop, func(s *spec.Spec) {
			v := vip("new", "shop", "10.99.1.2")
			v.Port, v.Sources = 80, []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
			s.VIPs = append(s.VIPs, v)
		}, "reached by an address that others have"},
		{"another's name", shop, func(s *spec.Spec) { s.VIPs = append(s.VIPs, vip("blog", "shop", "10.99.1.9")) }, "the name is taken"},
		{"the node's name", shop, func(s *spec.Spec) { s.VIPs = append(s.VIPs, vip("ssh", "shop", "10.99.1.9")) }, "the name is taken"},
		{"a VIP of nobody's", shop, func(s *spec.Spec) { s.VIPs = append(s.VIPs, vip("new", "", "10.99.1.9")) }, "is not of tenant shop: write tenant: shop"},
		{"one given away", shop, func(s *spec.Spec) { s.VIPs[0].Tenant = "press" }, "is not of tenant shop"},
		{"one from oneself to oneself", Mine{"shop", "press"}, func(s *spec.Spec) { s.VIPs[0].Tenant = "press" }, ""},
		{"a command of his own", shop, func(s *spec.Spec) { s.VIPs[1].Checks[0].Command[0] = "/bin/sh" }, "only root and the group hairpin bring a command"},
		{"a command elsewhere", shop, func(s *spec.Spec) { s.VIPs[0].Checks = s.VIPs[1].Checks }, "only root and the group hairpin bring a command"},
		{"a file to read backends from", shop, func(s *spec.Spec) { s.VIPs[0].From = &spec.From{} }, "only root and the group hairpin say where"},
		{"more quota", shop, func(s *spec.Spec) { s.Tenants[0].MaxVIPs = 100 }, "tenants.shop.max_vips 3 → 100"},
		{"an operator", shop, func(s *spec.Spec) { s.Tenants[0].Operators = []string{"ann", "eve"} }, "only VIPs of tenant shop are theirs to change"},
		{"another tenant", shop, func(s *spec.Spec) { s.Tenants = append(s.Tenants, spec.Tenant{Name: "mine"}) }, "only VIPs of tenant shop"},
		{"a NIC less", shop, func(s *spec.Spec) { s.NICs = s.NICs[:1] }, "only VIPs of tenant shop"},
		{"a stage", shop, func(s *spec.Spec) {
			s.NICs[0].XDP = append([]spec.Position{{Name: "firewall"}}, s.NICs[0].XDP...)
		}, "only VIPs of tenant shop"},
		{"a router", shop, func(s *spec.Spec) { s.BGP.Neighbors[0].AS = 1 }, "only VIPs of tenant shop"},
		{"no router", shop, func(s *spec.Spec) { s.BGP = nil }, "only VIPs of tenant shop"},
		{"a VIP that a limit names gone", shop, func(s *spec.Spec) { s.VIPs = s.VIPs[1:] }, "does not go together with what others have"},
		{"a port without prefixes", Mine{"bare"}, func(s *spec.Spec) { s.VIPs[0].Port = 81 }, "tenant bare has no prefixes"},
		{"a backend without prefixes", Mine{"bare"}, func(s *spec.Spec) {
			s.VIPs[0].Backends = []spec.Backend{{Address: netip.MustParseAddr("10.1.9.1"), Weight: 1}}
		}, ""},
	} {
		running := parse(t, shared)
		want := View(running, row.mine)
		row.change(want)
		merged, err := Merge(running, want, row.mine)
		switch {
		case row.why == "" && err != nil, row.why != "" && (err == nil || !strings.Contains(err.Error(), row.why)):
			t.Errorf("%s: %v, want %q", row.what, err, row.why)
		case !running.Equal(parse(t, shared)):
			t.Errorf("%s changes what runs", row.what)
		case err != nil && (strings.Contains(err.Error(), "press") || strings.Contains(err.Error(), "10.98")) && row.mine.String() == "tenant shop" && row.what != "one given away":
			t.Errorf("%s: %v names others", row.what, err)
		case err == nil && !View(merged, row.mine).Equal(want) && row.what != "another order":
			t.Errorf("%s: became\n%s", row.what, spec.Marshal(merged))
		}
		if err == nil {
			if err := Within(running, merged, row.mine); err != nil {
				t.Errorf("%s: %v", row.what, err)
			}
		}
	}
	if _, err := Merge(parse(t, shared), &spec.Spec{}, nil); err == nil {
		t.Error("one who operates nothing may change something")
	}
	if _, err := Merge(nil, &spec.Spec{}, Mine{"shop"}); err == nil {
		t.Error("where nothing runs, somebody has a VIP")
	}
}

// TestNothingOfOthers: however a spec is edited, what goes into the whole leaves all of others as it was.
func TestNothingOfOthers(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	d := rand.New(rand.NewPCG(seed, 0))
	running := parse(t, shared)
	all := []Mine{{"shop"}, {"press"}, {"bare"}, {"shop", "bare"}}
	taken := 0
	for range 5000 {
		m := all[d.IntN(len(all))]
		want := View(running, m)
		if d.IntN(8) == 0 {
			want = running.Clone() // as one who saw the whole would forge it
		}
		for range 1 + d.IntN(3) {
			edit(d, want)
		}
		merged, err := Merge(running, want, m)
		if err != nil {
			continue
		}
		taken++
		if !without(running, m).Equal(without(merged, m)) {
			t.Fatalf("%s changed others' by\n%s", m, spec.Marshal(want))
		}
		for i := range merged.VIPs {
			v := &merged.VIPs[i]
			if old := running.VIP(v.Name); !m.Has(v) && (old == nil || !old.Equal(*v)) || m.Has(v) && old != nil && !m.Has(old) {
				t.Fatalf("%s took or gave %s by\n%s", m, v.Name, spec.Marshal(want))
			}
		}
		if err := merged.Validate(); err != nil {
			t.Fatal(err)
		}
	}
	if taken < 100 {
		t.Errorf("only %d edits were taken", taken)
	}
}

func edit(d *rand.Rand, s *spec.Spec) {
	names, owners := []string{"web", "blog", "api", "ssh", "old", "n1", "n2"}, []string{"shop", "press", "bare", ""}
	address := func() string { return fmt.Sprintf("10.%d.%d.%d", 96+d.IntN(4), d.IntN(3), 1+d.IntN(4)) }
	if len(s.VIPs) == 0 || d.IntN(4) == 0 {
		s.VIPs = append(s.VIPs, vip(names[d.IntN(len(names))], owners[d.IntN(len(owners))], address()))
		return
	}
	i := d.IntN(len(s.VIPs))
	v := &s.VIPs[i]
	switch d.IntN(10) {
	case 0:
		s.VIPs = slices.Delete(s.VIPs, i, i+1)
	case 1:
		v.Name = names[d.IntN(len(names))]
	case 2:
		v.Tenant = owners[d.IntN(len(owners))]
	case 3:
		v.Addresses = []netip.Addr{netip.MustParseAddr(address())}
	case 4:
		v.Port = uint16(d.IntN(3))
	case 5:
		v.Backends = append(v.Backends, spec.Backend{Address: netip.MustParseAddr(fmt.Sprintf("10.1.%d.%d", d.IntN(3), 1+d.IntN(20))), Weight: 5})
	case 6:
		s.VIPs[0], s.VIPs[i] = s.VIPs[i], s.VIPs[0]
	case 7:
		v.Ring = spec.Rings[d.IntN(3)]
	case 8:
		if len(s.Tenants) > 0 {
			s.Tenants[0].MaxBackends = uint32(d.IntN(9))
		}
	case 9:
		if len(s.NICs) > 0 && d.IntN(4) == 0 {
			s.NICs = s.NICs[1:]
		}
	}
}

func TestOperates(t *testing.T) {
	s := parse(t, shared)
	if m := Operates(s, func(t *spec.Tenant) bool { return slices.Contains(t.Operators, "bob") }); !slices.Equal(m, Mine{"press"}) {
		t.Error(m)
	}
	if m := Operates(nil, nil); m != nil {
		t.Error(m)
	}
}
