package engine

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"hairpin/engine/bgp/bgptest"
)

const announcedSpec = `
version: 1
nics: {eth0: {xdp: [balancer]}}
vips:
  - {name: web, addresses: [10.99.0.1, "fd00:99::1"], port: 80, protocol: tcp, ring: 251, backends: [{address: 10.1.0.11}, {address: 10.1.0.12}]}
  - {name: tls, addresses: [10.99.0.1], port: 443, protocol: tcp, ring: 251, backends: [{address: 10.1.0.13}]}
  - {name: dns, addresses: [10.99.0.2], port: 53, protocol: udp, ring: 251, backends: [{address: 10.1.0.14}, {address: 10.1.0.15}],
     announce: {min_backends: 2, communities: ["65000:7"], med: 5}}
  - {name: own, addresses: [10.99.0.3], port: 22, protocol: tcp, ring: 251, backends: [{address: 10.1.0.16}], announce: false}
bgp: {as: 65001, router_id: 10.1.0.2, drain_wait: 10s, communities: ["65000:1"], neighbors: [{address: 127.0.0.1, as: 65000, port: %d}]}
`

// TestAnnouncements: what routers should be told follows from the snapshot alone.
func TestAnnouncements(t *testing.T) {
	now := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	const mac = "02:00:00:00:00:01"
	for _, row := range []struct {
		name    string
		change  func(*State)
		drained *Drained
		want    string
	}{
		{"all is well", func(*State) {}, nil, "10.99.0.1/32 web,tls announced [65000:1]; 10.99.0.2/32 dns announced [65000:7] med 5; 10.99.0.3/32 own off: the spec says announce: false; " +
			"fd00:99::1/128 web withdrawn: no neighbor of its family: one is told of the addresses of its own"},
		{"one of two VIPs of an address is dead", func(s *State) { s.VIPs[0].Backends[0].Share, s.VIPs[0].Backends[1].Share = 0, 0 }, nil, "10.99.0.1/32 web,tls announced [65000:1]"},
		{"both are", func(s *State) {
			s.VIPs[0].Backends[0].Share, s.VIPs[0].Backends[1].NextHop, s.VIPs[1].Backends[0].Gone = 0, "its neighbour does not answer", true
		}, nil, "10.99.0.1/32 web,tls withdrawn: tls has 0 live backends of the 1 that it needs"},
		{"fewer than it needs", func(s *State) { s.VIPs[2].Backends[0].Share = 0 }, nil, "10.99.0.2/32 dns withdrawn: dns has 1 live backends of the 2 that it needs"},
		{"the quorum is lost", func(s *State) { s.VIPs[2].Health = &VIPHealth{Lost: true} }, nil, "10.99.0.2/32 dns withdrawn: dns has fewer healthy backends than its quorum"},
		{"a prefix", func(s *State) {
			s.Spec.VIPs[3].Prefixes, s.Spec.VIPs[3].Announce = []netip.Prefix{netip.MustParsePrefix("10.98.0.0/24")}, nil
		}, nil, "10.98.0.0/24 own announced [65000:1]; 10.99.0.1/32 web,tls"},
		{"the NIC is gone", func(s *State) { s.NICs[0].State = "missing" }, nil, "10.99.0.1/32 web,tls withdrawn: the balancer of eth0 is missing"},
		{"the balancer is disabled", func(s *State) { s.NICs[0].Stages[0].Disabled = true }, nil, "10.99.0.2/32 dns withdrawn: no chain has a balancer that is not disabled"},
		{"drained a moment ago", func(*State) {}, &Drained{Since: now.Add(-time.Second)}, "10.99.0.1/32 web,tls shutting down [65000:1 65535:0] preference 0"},
		{"drained, and the wait is over", func(*State) {}, &Drained{Since: now.Add(-10 * time.Second)}, "10.99.0.2/32 dns withdrawn: the node is drained"},
		{"the node has not caught up with its fleet", func(s *State) { s.Fleet = &Fleet{Holds: "it booted"} }, nil, "10.99.0.1/32 web,tls withdrawn: it booted"},
		{"nobody is told", func(s *State) { s.Spec.BGP = nil }, nil, ""},
	} {
		s := &State{Time: now, Spec: parse(t, fmt.Sprintf(announcedSpec, 179)), NICs: []NIC{{Name: "eth0", State: "attached", Stages: []Stage{{Kind: "balancer"}}}}}
		for _, v := range s.Spec.VIPs {
			shown := VIP{Name: v.Name, Addresses: v.Addresses}
			for _, b := range v.Backends {
				shown.Backends = append(shown.Backends, Backend{Address: b.Address, Share: 0.5, NextHop: mac})
			}
			s.VIPs = append(s.VIPs, shown)
		}
		row.change(s)
		var lines []string
		for _, a := range announcements(s, row.drained) {
			lines = append(lines, lineOf(a))
		}
		if got := strings.Join(lines, "; "); got != row.want && (row.want == "" || !strings.Contains(got, row.want)) {
			t.Errorf("%s: %s\nwant %s", row.name, got, row.want)
		}
	}
}

func lineOf(a Announcement) string {
	line := fmt.Sprintf("%s %s %s", a.Prefix, strings.Join(a.VIPs, ","), a.State)
	if a.Why != "" {
		return line + ": " + a.Why
	}
	line += fmt.Sprintf(" %s", a.Communities)
	if a.MED != nil {
		line += fmt.Sprint(" med ", *a.MED)
	}
	if a.LocalPreference != nil {
		line += fmt.Sprint(" preference ", *a.LocalPreference)
	}
	return line
}

// TestDamped: an address that goes and comes back comes back at once, and one that does so again and again later each time.
func TestDamped(t *testing.T) {
	var r routers
	now := time.Unix(1e9, 0)
	prefix := netip.MustParsePrefix("10.99.0.1/32")
	see := func(state string) string {
		list := []Announcement{{Prefix: prefix, State: state}}
		r.damp(now, list)
		r.note(list)
		return list[0].State
	}
	see(announced)
	for round, waits := range []time.Duration{0, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 32 * time.Second, 32 * time.Second} {
		if got := see(withdrawn); got != withdrawn {
			t.Fatalf("round %d: %s", round, got)
		}
		now = now.Add(100 * time.Millisecond)
		began := now
		for see(announced) == withdrawn {
			if now = now.Add(100 * time.Millisecond); now.Sub(began) > time.Hour {
				t.Fatalf("round %d: it never comes back", round)
			}
		}
		if took := now.Sub(began); took != waits {
			t.Errorf("round %d: comes back after %s, not %s", round, took, waits)
		}
	}
	see(withdrawn)
	now = now.Add(returnsFor + time.Second)
	see(announced)
	if got := see(withdrawn); got != withdrawn {
		t.Error(got)
	}
	if got := see(announced); got != announced {
		t.Errorf("after a quiet time it is %s", got)
	}
}

// TestRouters: a router is told of the VIPs of a running node, as backends go and come back, the node is drained, its engine
// is started again, and everything is detached.
func TestRouters(t *testing.T) {
	t.Parallel()
	r := bgptest.New(t, "127.0.0.1", "", 2*time.Minute)
	p := privateNode(t)
	o := open(t, p).(*owner)
	s := parse(t, fmt.Sprintf(announcedSpec, r.Neighbor.Port))
	s.BGP.DrainWait = time.Second
	mustApply(t, o, s, 0)
	const web, dns = "10.99.0.1/32 by 127.0.0.1 65000:1", "10.99.0.2/32 by 127.0.0.1 med 5 65000:7"
	r.Await(t, web+"; "+dns)
	bgptest.Await(t, func() string {
		if b := o.State().BGP; b == nil || b.Trouble != "" || len(b.Sessions) != 1 || b.Sessions[0].State != "established" || b.Sessions[0].Announced != 2 {
			return fmt.Sprintf("%+v", b)
		}
		return ""
	})

	down := s.Clone()
	down.VIPs[2].Backends[0].State = 2 // down
	mustApply(t, o, down, 0)
	r.Await(t, web)
	mustApply(t, o, s, 0)
	r.Await(t, web+"; "+dns)

	told := len(r.Withdrawn())
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	bgptest.Await(t, func() string { return r.Downs(t, 1) })
	r.Await(t, web+"; "+dns)
	o = open(t, p).(*owner)
	defer func() { o.Close() }()
	bgptest.Await(t, func() string { return established(o) })
	r.Await(t, web+"; "+dns)
	if got := len(r.Withdrawn()); got != told {
		t.Errorf("%d routes were withdrawn while no engine ran", got-told)
	}

	if err := o.DrainNode(t.Context(), DrainRequest{Who: "test", Why: "new kernel"}); err != nil {
		t.Fatal(err)
	}
	r.Await(t, "")
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	o = open(t, p).(*owner)
	if d := o.State().Drained; d == nil || d.Why != "new kernel" {
		t.Fatalf("drained: %+v", d)
	}
	bgptest.Await(t, func() string {
		if st := o.State(); !st.Drained.Safe(st.Time) {
			return fmt.Sprintf("it is not safe to stop a node without traffic: %+v", st.Drained)
		}
		return established(o)
	})
	r.Await(t, "")
	if err := o.DrainNode(t.Context(), DrainRequest{Back: true, Who: "test"}); err != nil {
		t.Fatal(err)
	}
	r.Await(t, web+"; "+dns)
	if _, err := os.Stat(filepath.Join(p.State, "drained.json")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if err := o.Detach(t.Context(), "test"); err != nil {
		t.Fatal(err)
	}
	r.Await(t, "")
}

func established(o *owner) string {
	b := o.State().BGP
	if b == nil || len(b.Sessions) != 1 || b.Sessions[0].State != "established" {
		return fmt.Sprintf("%+v", b)
	}
	return ""
}

// TestRoutersSecrets: without its password a session is not begun, and the console says which is missing.
func TestRoutersSecrets(t *testing.T) {
	t.Parallel()
	r := bgptest.New(t, "127.0.0.1", "open sesame", 0)
	p := privateNode(t)
	o := running(t, p)
	s := parse(t, fmt.Sprintf(announcedSpec, r.Neighbor.Port))
	s.BGP.Neighbors[0].PasswordFile = filepath.Join(p.Config, "bgp.key")
	mustApply(t, o, s, 0)
	if problems := o.State().Problems; !slices.ContainsFunc(problems, func(p Problem) bool {
		return p.Key == "bgp" && strings.Contains(p.What, "password of 127.0.0.1: open "+s.BGP.Neighbors[0].PasswordFile)
	}) {
		t.Errorf("%+v", problems)
	}
	if err := errors.Join(os.MkdirAll(p.Config, 0o755), os.WriteFile(s.BGP.Neighbors[0].PasswordFile, []byte("open sesame\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	r.Await(t, "10.99.0.1/32 by 127.0.0.1 65000:1; 10.99.0.2/32 by 127.0.0.1 med 5 65000:7")
}

// TestSessionProblems: what is wrong with sessions, and that a new engine is given time to have some.
func TestSessionProblems(t *testing.T) {
	now := time.Unix(1e9, 0)
	up := BGPSession{Neighbor: netip.MustParseAddr("10.1.0.1"), State: "established", Since: now.Add(-time.Hour)}
	with := func(change func(*BGPSession)) BGPSession {
		x := up
		change(&x)
		return x
	}
	for _, row := range []struct {
		name string
		s    State
		x    BGPSession
		want string
	}{
		{"well", State{}, up, ""},
		{"never was, for a moment", State{Since: now.Add(-time.Second)}, BGPSession{State: "active"}, ""},
		{"never was, for long", State{Since: now.Add(-time.Minute)}, BGPSession{State: "active", Why: "nobody answers"}, "no BGP session with invalid IP (active): nobody answers"},
		{"was, and the engine is new", State{Since: now.Add(-time.Second)}, with(func(x *BGPSession) { x.State = "idle" }), "no BGP session with 10.1.0.1 (idle)"},
		{"BFD is not up", State{}, with(func(x *BGPSession) { x.BFD = "down" }), "BFD with 10.1.0.1 is down"},
		{"BFD, and kept", State{}, with(func(x *BGPSession) { x.BFD, x.Keeps = "up", true }), ""},
		{"BFD, and not kept", State{}, with(func(x *BGPSession) { x.BFD = "up" }), "keeps no routes"},
	} {
		s := row.s
		s.Time, s.BGP = now, &BGP{Restart: time.Minute, Sessions: []BGPSession{row.x}}
		var all []string
		for _, p := range bgpProblems(&s) {
			all = append(all, p.What)
		}
		if got := strings.Join(all, "; "); !strings.Contains(got, row.want) || row.want == "" && got != "" {
			t.Errorf("%s: %q, not %q", row.name, got, row.want)
		}
	}
}
