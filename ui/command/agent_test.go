package command

import (
	"net/netip"
	"time"

	"hairpin/engine"
	"hairpin/engine/spec"
)

// hosted is a backend that translates, for two addresses and one that it hosted before.
func hosted() *engine.State {
	s := balanced()
	parsed, err := spec.Parse("agent.yaml", []byte(`version: 1
nics: {eth0: {xdp: [decap], tcx_egress: [snat]}}
agent: {mode: snat, vips: [10.99.0.1, "fd00:99::1"], local: [10.1.1.11, "fd00:1:1::11"]}`))
	if err != nil {
		panic(err)
	}
	at := netip.MustParseAddr
	s.Spec, s.VIPs = parsed, nil
	s.Hosting = &engine.Hosting{Translates: true, Orphans: true, Flows: 1200, Room: 524288,
		Addresses: []engine.Hosted{
			{Address: at("10.99.0.1"), In: counter(9000, 100), Out: counter(8000, 90), Orphans: counter(7, 0), Full: counter(40, 20)},
			{Address: at("10.99.0.2"), Gone: true, In: counter(10, 0)},
			{Address: at("fd00:99::1")},
		},
		Strangers: []engine.Stranger{{Address: at("10.99.0.9"), Packets: 3, Last: noon.Add(-9 * time.Second)}}}
	return s
}
