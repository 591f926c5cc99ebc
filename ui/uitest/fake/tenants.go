package fake

import (
	"hairpin/engine"
	"hairpin/engine/spec"
)

// Owned is Busy with tenants: one whose limit of connections is used up, one that nothing counts, and one without VIPs.
func Owned() *engine.State {
	s := Busy()
	s.Spec = s.Spec.Clone()
	s.Spec.Tenants = []spec.Tenant{{Name: "shop", Operators: []string{"ann"}, Groups: []string{"web"}, MaxVIPs: 4, MaxBackends: 20},
		{Name: "press", Operators: []string{"bob"}}, {Name: "new"}}
	for i, name := range []string{"shop", "shop", "press"} {
		if i < len(s.VIPs) {
			s.VIPs[i].Tenant, s.Spec.VIP(s.VIPs[i].Name).Tenant = name, name
		}
	}
	s.Limits = append(s.Limits, engine.Limit{NIC: "eth0", Hook: "xdp", Stage: "open", Kind: "connlimit", Scope: "tenant", Tenant: "shop", Max: 20_000, Now: 20_000,
		Passed: engine.Counter{Packets: 91_000, PPS: 410}, Over: engine.Counter{Packets: 311, PPS: 12}, Counts: "flows"},
		engine.Limit{NIC: "eth0", Hook: "xdp", Stage: "syns", Kind: "ratelimit", Scope: "tenant", Tenant: "shop", Max: 900, Now: 410,
			Passed: engine.Counter{Packets: 92_000, PPS: 410}, Counts: "accepted"})
	return s
}

// Operated is Owned as the operator of one of its tenants is shown it: the other's VIPs, and what is the node's, are not there.
func Operated() *engine.State {
	s := Owned()
	s.Operator = []string{"shop"}
	s.Spec.Tenants, s.Spec.VIPs, s.VIPs = s.Spec.Tenants[:1], s.Spec.VIPs[:2], s.VIPs[:2]
	s.Spec.Stages, s.Limits, s.Drops, s.Reasons, s.Talkers = nil, s.Limits[len(s.Limits)-2:], nil, nil, nil
	return s
}
