package fake

import (
	"net/netip"
	"time"

	"hairpin/engine"
	"hairpin/engine/spec"
)

// Announcing is Busy with two routers, one of which does not answer, and one address that nobody serves.
func Announcing() *engine.State {
	s := Busy()
	s.BGP = &engine.BGP{AS: 65001, Restart: 2 * time.Minute, DrainWait: 10 * time.Second,
		Sessions: []engine.BGPSession{
			{Neighbor: netip.MustParseAddr("10.1.0.1"), AS: 65000, State: "established", Since: s.Time.Add(-3 * time.Hour), Keeps: true, BFD: "up", Announced: 2},
			{Neighbor: netip.MustParseAddr("fd00:1::1"), AS: 65000, State: "active", Since: s.Time.Add(-40 * time.Second), Why: "hold timer expired"},
		},
		Routes: []engine.Announcement{
			{Prefix: netip.MustParsePrefix("10.99.0.1/32"), VIPs: []string{"web", "tls"}, State: "announced", Since: s.Time.Add(-3 * time.Hour),
				Path: spec.Path{Communities: []spec.Community{65000<<16 | 100}, MED: new(uint32(5))}},
			{Prefix: netip.MustParsePrefix("10.99.0.2/32"), VIPs: []string{"dns"}, State: "withdrawn", Why: "dns has 0 live backends of the 1 that it needs", Since: s.Time.Add(-time.Minute)},
			{Prefix: netip.MustParsePrefix("10.98.0.0/24"), VIPs: []string{"bulk"}, State: "announced", Since: s.Time.Add(-3 * time.Hour)},
			{Prefix: netip.MustParsePrefix("10.99.0.3/32"), VIPs: []string{"own"}, State: "off", Why: "the spec says announce: false"},
		}}
	return s
}

// Leaving is Announcing while the node is drained.
func Leaving() *engine.State {
	s := Announcing()
	s.Drained = &engine.Drained{Who: "alex", Why: "new kernel", Since: s.Time.Add(-4 * time.Second), From: 2700}
	for i := range s.BGP.Routes {
		if a := &s.BGP.Routes[i]; a.Told() {
			a.State, a.Since, a.LocalPreference = "shutting down", s.Drained.Since, new(uint32)
			a.Communities = append(a.Communities, 65535<<16)
		}
	}
	return s
}
