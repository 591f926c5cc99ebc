package engine

import (
	"strings"
	"testing"
)

const limitedSpec = `
version: 1
stages:
  many: {kind: connlimit, limits: [{max: 30}, {max: 25, per: vip}, {max: 9, per: source, prefix: 24}]}
  host: {kind: connlimit, source: sockets, max: 7}
nics: {eth0: {xdp: [{stage: many, shadow: true}, balancer], tcx_ingress: [host]}}
vips:
  - {name: web, addresses: [10.99.0.1], port: 80, protocol: tcp, ring: 4099, backends: [{address: 10.1.0.11}, {address: 10.1.0.12}]}
`

// TestConnLimitsShown: each limit of connections is shown as the spec says it, with what it counts and what it did.
func TestConnLimitsShown(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	w := newWire(t, "eth0")
	o := running(t, p)
	mustApply(t, o, parse(t, limitedSpec), 0)
	forwards(t, p, w)
	s := until(t, o, "20 connections", func(s *State) bool {
		return len(s.Limits) == 5 && s.Limits[0].Passed.Packets >= 20 && s.Limits[1].Passed.Packets == 20 && s.Limits[2].Over.Packets == 0
	})
	want := []struct {
		hook, stage, scope, vip, source string
		shadow                          bool
		max                             uint64
		now                             float64
		over                            uint64
		counts                          string
	}{
		{"xdp", "many", "nic", "", "", true, 30, 20, 0, "flows"},
		{"xdp", "many", "vip", "web", "", true, 25, 20, 0, "flows"},
		{"xdp", "many", "source", "", "", true, 9, 20, 0, "flows"},
		{"xdp", "many", "source", "", "192.0.2.0/24", true, 9, 20, 0, "flows"},
		{"tcx_ingress", "host", "nic", "", "", false, 7, 0, 0, "sockets by tp_btf"},
	}
	for i, l := range s.Limits {
		x, source := want[i], ""
		if l.Source.IsValid() {
			source = l.Source.String()
		}
		if l.NIC != "eth0" || l.Hook != x.hook || l.Stage != x.stage || l.Scope != x.scope || l.VIP != x.vip || source != x.source ||
			l.Shadow != x.shadow || l.Max != x.max || l.Now != x.now || l.Over.Packets != x.over || l.Counts != x.counts || l.Kind != "connlimit" {
			t.Errorf("row %d is %+v, want %+v", i, l, x)
		}
		if late := l.Late > 0; late != (x.counts == "flows") {
			t.Errorf("row %d counts %s, and one that has ended for %s", i, l.Counts, l.Late)
		}
	}
	if s.Sockets.By != "tp_btf" || len(s.Agents) != 0 || len(s.Reports) != 0 {
		t.Errorf("sockets %+v, agents %v, reports %v", s.Sockets, s.Agents, s.Reports)
	}
	mustApply(t, o, parse(t, lbSpec), 0)
	if s := o.State(); len(s.Limits) != 0 {
		t.Errorf("a spec without limits has %+v", s.Limits)
	}
	until(t, o, "the end of the count", func(s *State) bool { return s.Sockets.By == "" })
}

// TestCountProblems: what a count lacks is said, by number, and nothing where it lacks nothing.
func TestCountProblems(t *testing.T) {
	t.Parallel()
	if all := append(socketProblems(SocketCount{By: "tp_btf", Open: 9}), flowProblems(&State{})...); len(all) != 0 {
		t.Errorf("problems of nothing: %v", all)
	}
	all := append(socketProblems(SocketCount{Unrecorded: 3, Unplaced: 4}), flowProblems(&State{FlowsLost: 5, Unplaced: 6})...)
	want := []string{"3 sockets are missing", "4 sockets were not counted for their source", "5 connections were refused",
		"6 connections were let pass and not counted for their source"}
	if len(all) != len(want) {
		t.Fatalf("%d problems, want %d", len(all), len(want))
	}
	seen := map[string]bool{}
	for i, p := range all {
		if !strings.HasPrefix(p.What, want[i]) || p.Cure == "" || p.Severity != "warn" || seen[p.Key] {
			t.Errorf("%+v, want %s", p, want[i])
		}
		seen[p.Key] = true
	}
}
