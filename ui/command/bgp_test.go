package command

import (
	"net/netip"
	"time"

	"hairpin/engine"
	"hairpin/engine/spec"
)

// routed is a node that tells two routers of its VIPs, one of which is gone.
func routed() *engine.State {
	s := balanced()
	host := func(a string) netip.Prefix { return netip.PrefixFrom(netip.MustParseAddr(a), 32) }
	s.BGP = &engine.BGP{AS: 65001, Restart: 2 * time.Minute, DrainWait: 10 * time.Second,
		Sessions: []engine.BGPSession{
			{Neighbor: netip.MustParseAddr("10.1.0.1"), AS: 65000, State: "established", Since: noon.Add(-time.Hour), Keeps: true, Announced: 1},
			{Neighbor: netip.MustParseAddr("10.1.0.9"), AS: 65000, State: "active", Why: "nobody answers at port 179, as is when it wants a password: the spec has none"},
		},
		Routes: []engine.Announcement{
			{Prefix: host("10.99.0.1"), VIPs: []string{"web", "tls"}, State: "announced", Since: noon.Add(-time.Hour),
				Path: spec.Path{Communities: []spec.Community{65000<<16 | 100}, MED: new(uint32(5))}},
			{Prefix: host("10.99.0.2"), VIPs: []string{"dns"}, State: "withdrawn", Why: "dns has 0 live backends of the 1 that it needs", Since: noon.Add(-time.Minute)},
		}}
	return s
}
