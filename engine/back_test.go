package engine

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"hairpin/engine/datapath"
	"hairpin/engine/plan"
	"hairpin/engine/spec"
)

// TestBackToRemovedBackend: while a change waits, the backends that it takes away keep what they have, and when the kernel
// goes back with no engine left, new flows to them live, also on slots that settled before. Once it is confirmed they are
// closed.
func TestBackToRemovedBackend(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		what string
		take func(*testing.T, *spec.Spec) *spec.Spec
	}{
		{"removed", func(t *testing.T, s *spec.Spec) *spec.Spec {
			taken, err := spec.RemoveBackend(s, "web", s.VIPs[0].Backends[1].Address)
			if err != nil {
				t.Fatal(err)
			}
			return taken
		}},
		{"in maintenance", func(t *testing.T, s *spec.Spec) *spec.Spec { return setState(t, s, "10.1.0.12", spec.Maintenance) }},
		{"down", func(t *testing.T, s *spec.Spec) *spec.Spec { return setState(t, s, "10.1.0.12", spec.Down) }},
	} {
		t.Run(row.what, func(t *testing.T) {
			p := privateNode(t)
			c := newCrowd(t, 1)
			both := parse(t, `
version: 1
nics: {eth0: {xdp: [balancer]}}
vips:
  - {name: web, addresses: [10.99.0.1], port: 80, protocol: tcp, ring: 251, backends: [{address: 10.1.0.11}, {address: 10.1.0.12}]}
  - {name: sip, addresses: [10.99.0.1], port: 5060, protocol: udp, ring: 251, backends: [{address: 10.1.0.11}]}
`)
			one, err := spec.RemoveBackend(both, "web", both.VIPs[0].Backends[1].Address)
			if err != nil {
				t.Fatal(err)
			}
			o := running(t, p)
			mustApply(t, o, one, 0)
			a := mustApply(t, o, both, 0) // half of the slots settle
			c.begin(t, p, both, 50)
			mustApply(t, o, row.take(t, both), time.Second)
			inside(t, o, func() { o.upkeep(time.Now().Add(2 * plan.FlapHold)) })
			c.goOn(t, p, "while it waits")
			o.Close()
			wentBackBy(t, p, a.Generation)
			c.goOn(t, p, "when it went back")
			c.begin(t, p, both, 200)
			c.goOn(t, p, "begun when it had gone back")

			o = running(t, p)
			consistent(t, p, o)
			taken := row.take(t, both)
			mustApply(t, o, taken, time.Minute)
			consistent(t, p, o)
			if err := o.Confirm(t.Context(), "test"); err != nil {
				t.Fatal(err)
			}
			inside(t, o, func() {
				o.upkeep(time.Now().Add(time.Hour))
				for _, b := range o.kernel.Backends() {
					if b.Address == both.VIPs[0].Backends[1].Address && !b.Gone {
						t.Errorf("%s takes packets still: %+v", b.Address, b)
					}
				}
			})
		})
	}
}

// TestFactsHoldOnTheWayBack: what is found out about a backend while a change waits is true of the generation too that the
// kernel goes back to, with no engine left: nothing is sent to one that cannot be reached any more.
func TestFactsHoldOnTheWayBack(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	c := newCrowd(t, 1)
	o := running(t, p)
	s := parse(t, lbSpec)
	a := mustApply(t, o, s, 0)
	mustApply(t, o, setWeight(t, s, "10.1.0.11", 7), 3*time.Second)
	if err := netlink.NeighDel(&netlink.Neigh{LinkIndex: nic(t, "eth0").Attrs().Index, IP: s.VIPs[0].Backends[1].Address.AsSlice()}); err != nil {
		t.Fatal(err)
	}
	until(t, o, "it cannot be reached", func(st *State) bool {
		return hasProblem(st, "crit", "1 of 2 backends cannot be reached") && !reachable(t, o)[s.VIPs[0].Backends[1].Address]
	})
	o.Close()
	wentBackBy(t, p, a.Generation)
	before := exits(t, p)
	for range 100 {
		f := flow{client: c.client()}
		if _, err := unix.Write(c.fd, f.frame("S", 1)); err != nil {
			t.Fatal(err)
		}
	}
	for limit := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		now := exits(t, p)
		forwarded, lost := now["forwarded"]-before["forwarded"], now["no_next_hop"]-before["no_next_hop"]
		if forwarded+lost == 100 && forwarded > 0 && lost > 0 {
			break
		}
		if time.Now().After(limit) {
			t.Fatalf("before %v, now %v", before, now)
		}
	}
	for _, b := range pinnedBackends(t, p) {
		if b.Reachable != (b.Address == s.VIPs[0].Backends[0].Address) {
			t.Errorf("%+v", b)
		}
	}
}

// reachable says of each backend whether packets are sent to it.
func reachable(t *testing.T, o *owner) map[netip.Addr]bool {
	t.Helper()
	is := map[netip.Addr]bool{}
	inside(t, o, func() {
		for _, b := range o.kernel.Backends() {
			is[b.Address] = b.Reachable
		}
	})
	return is
}

// TestNextHopStaysUntilItFails: an engine that starts where the kernel has forgotten a neighbour goes on with what the data
// path knows of it, until it is found not to answer.
func TestNextHopStaysUntilItFails(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	newWire(t, "eth0")
	o := running(t, p)
	s := parse(t, lbSpec)
	mustApply(t, o, s, 0)
	forgotten := s.VIPs[0].Backends[1].Address
	o.Close()
	if err := netlink.NeighDel(&netlink.Neigh{LinkIndex: nic(t, "eth0").Attrs().Index, IP: forgotten.AsSlice()}); err != nil {
		t.Fatal(err)
	}
	var kept bool
	options := Options{Paths: p, Step: func(name string) {
		if name == "adopt: next hops written" {
			kept = slices.ContainsFunc(pinnedBackends(t, p), func(b datapath.Backend) bool { return b.Address == forgotten && b.Reachable })
		}
	}}
	n, err := Open(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if !kept {
		t.Errorf("packets to %s were dropped before it was asked", forgotten)
	}
	until(t, n, "it does not answer", func(*State) bool { return !reachable(t, n.(*owner))[forgotten] })
}

// pinnedBackends are those of the data path as anybody reads it.
func pinnedBackends(t *testing.T, p Paths) []datapath.Backend {
	t.Helper()
	k, err := datapath.Open(datapath.Dir(p.BPFFS, p.Node), false)
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	return k.Backends()
}
