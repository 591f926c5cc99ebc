package datapath

import (
	"errors"
	"testing"

	"hairpin/engine/spec"
)

// TestLookedUpBeforeTaking: a successor that looked at the tables while its predecessor still wrote them sees what became
// of them, and so does the predecessor afterwards.
func TestLookedUpBeforeTaking(t *testing.T) {
	t.Parallel()
	n := newNode(t, `
version: 1
nics: {eth0: {xdp: [balancer]}}
vips:
  - {name: web, addresses: [10.99.0.1], port: 80, protocol: tcp, ring: 251, backends: [{address: 10.1.1.1}]}
`)
	next, err := Open(n.dir, true)
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	if err := next.LoadPrograms(); err != nil {
		t.Fatal(err)
	}
	agree := func(when string) {
		t.Helper()
		if err := errors.Join(n.mapParts(), next.mapParts()); err != nil { // as World does
			t.Fatalf("%s: %v", when, err)
		}
		for version := range Generations {
			tables := vipTables{version: version, parts: 1}
			a, b := *n.places(tables), *next.places(tables)
			if len(a.v4) != len(b.v4) || len(a.v6) != len(b.v6) {
				t.Errorf("%s, version %d: %v, the successor sees %v", when, version, a, b)
			}
		}
		if a, b := n.topBackend(), next.topBackend(); a != b {
			t.Errorf("%s: ids up to %d, the successor sees %d", when, a, b)
		}
		if got, want := len(next.Backends()), len(n.spec.VIPs)*len(n.spec.VIPs[0].Backends); got != want {
			t.Errorf("%s: the successor sees %d backends, want %d", when, got, want)
		}
	}
	agree("before an edit")
	n.apply(t, withSecond(n.spec), 0)
	agree("after an edit of the predecessor")
	if err := next.Take(); err != nil {
		t.Fatal(err)
	}
	agree("after the successor took the node")
	s := parse(t, `
version: 1
nics: {eth0: {xdp: [balancer]}}
vips:
  - {name: web, addresses: [10.99.0.1], port: 80, protocol: tcp, ring: 251, backends: [{address: 10.1.1.1}, {address: 10.1.1.2}]}
  - {name: tls, addresses: [10.99.0.1], port: 443, protocol: tcp, ring: 251, backends: [{address: 10.1.1.1}, {address: 10.1.1.2}]}
`)
	apply(t, next, n.spec, s, 0)
	n.spec = s
	agree("after an edit of the successor")
}

// withSecond is s with a second backend for its only VIP.
func withSecond(s *spec.Spec) *spec.Spec {
	changed := *s
	changed.VIPs = []spec.VIP{s.VIPs[0]}
	changed.VIPs[0].Backends = append([]spec.Backend{}, s.VIPs[0].Backends...)
	second := s.VIPs[0].Backends[0]
	second.Address = addr("10.1.1.2")
	changed.VIPs[0].Backends = append(changed.VIPs[0].Backends, second)
	return &changed
}
