package engine

import (
	"net/netip"
	"slices"
)

// rowKey names a counter of a State by what it counts, wherever it stands.
type rowKey struct {
	what      string
	nic, hook string
	name      string // of a stage, a reason, a rule, a loss
	vip       string
	also      string
	address   netip.Prefix
}

// counters calls f with every counter in s, and with its history where it has one.
func counters(s *State, f func(k rowKey, c *Counter, history *[]float64)) {
	for i := range s.NICs {
		countersOfNIC(&s.NICs[i], f)
	}
	for i := range s.Reasons {
		r := &s.Reasons[i]
		f(rowKey{what: "reason", name: r.Name}, &r.Counter, &r.History)
	}
	for i := range s.VIPs {
		v := &s.VIPs[i]
		f(rowKey{what: "vip", vip: v.Name}, &v.Counter, &v.History)
		f(rowKey{what: "vip drop", vip: v.Name}, &v.Drop, nil)
		for j := range v.Backends {
			b := &v.Backends[j]
			f(rowKey{what: ofBackend, vip: v.Name, address: netip.PrefixFrom(b.Address, b.Address.BitLen())}, &b.Counter, &b.History)
		}
	}
	for i := range s.Drops {
		d, what := &s.Drops[i], "drop"
		if d.Shadow {
			what = "would drop"
		}
		f(rowKey{what: what, nic: d.NIC, hook: d.Hook, name: d.Stage, vip: d.VIP, also: d.Reason}, &d.Counter, nil)
	}
	for i := range s.Rules {
		r := &s.Rules[i]
		f(rowKey{what: "rule", name: r.Stage, also: r.Name}, &r.Counter, nil)
	}
	for i := range s.Limits {
		l := &s.Limits[i]
		k := rowKey{what: "passed", nic: l.NIC, hook: l.Hook, name: l.Stage, vip: l.VIP, also: l.Scope, address: l.Source}
		f(k, &l.Passed, nil)
		k.what = "over"
		f(k, &l.Over, nil)
	}
	for i := range s.Paths {
		p := &s.Paths[i]
		f(rowKey{what: "path", name: p.title()}, &p.Counter, nil)
	}
}

// ofBackend are counters of which there may be thousands.
const ofBackend = "backend"

func countersOfNIC(n *NIC, f func(k rowKey, c *Counter, history *[]float64)) {
	key := func(what, name string) rowKey { return rowKey{what: what, nic: n.Name, hook: n.Hook, name: name} }
	f(key("in", ""), &n.In, &n.History)
	f(key("forward", ""), &n.Forward, nil)
	f(key("pass", ""), &n.Pass, nil)
	f(key("nic drop", ""), &n.Drop, nil)
	f(key("own", ""), &n.Own, nil)
	f(key("received", ""), &n.Received, nil)
	for i := range n.Stages {
		g := &n.Stages[i]
		f(key("stage in", g.Name), &g.In, nil)
		f(key("stage drop", g.Name), &g.Drop, nil)
		f(key("stage would", g.Name), &g.Would, nil)
	}
	for i := range n.Lost {
		f(key("lost", n.Lost[i].Name), &n.Lost[i].Counter, nil)
	}
	for i := range n.Reasons {
		f(key("exit", n.Reasons[i].Name), &n.Reasons[i].Counter, &n.Reasons[i].History)
	}
}

// withOwnCounters is a copy of s whose counters can be changed.
func withOwnCounters(s *State) *State {
	c := *s
	c.NICs, c.Reasons, c.VIPs = slices.Clone(s.NICs), slices.Clone(s.Reasons), slices.Clone(s.VIPs)
	c.Drops, c.Rules, c.Limits = slices.Clone(s.Drops), slices.Clone(s.Rules), slices.Clone(s.Limits)
	c.Paths = slices.Clone(s.Paths)
	for i := range c.NICs {
		n := &c.NICs[i]
		n.Stages, n.Lost, n.Reasons = slices.Clone(n.Stages), slices.Clone(n.Lost), slices.Clone(n.Reasons)
	}
	for i := range c.VIPs {
		c.VIPs[i].Backends = slices.Clone(c.VIPs[i].Backends)
	}
	return &c
}
