package fake

import (
	"net/netip"
	"time"

	"hairpin/engine"
	"hairpin/engine/spec"
)

// Hosting is Busy on a backend that translates: for two addresses and a machine behind a tap, and one that it hosted before; packets come
// for one more.
func Hosting() *engine.State {
	s := Busy()
	at := netip.MustParseAddr
	s.Spec.Agent = &spec.Agent{Mode: spec.SNATMode, VIPs: []netip.Addr{at("10.99.0.1"), at("fd00:99::1")}, Local: []netip.Addr{at("10.1.1.11"), at("fd00:1:1::11")},
		Taps: []spec.Tap{{Name: "vm0", VIPs: []netip.Addr{at("10.99.0.3")}, Local: []netip.Addr{at("10.1.2.3")}}}}
	count := func(packets uint64, pps float64) engine.Counter { return engine.Counter{Packets: packets, PPS: pps} }
	s.Hosting = &engine.Hosting{Translates: true, Orphans: true, Flows: 1200, Room: 524288,
		Addresses: []engine.Hosted{
			{Address: at("10.99.0.1"), In: count(9_123_000, 12_100), Out: count(8_456_000, 11_900), Orphans: count(7, 0), Full: count(40, 20)},
			{Address: at("10.99.0.2"), Gone: true, In: count(10, 0)},
			{Address: at("10.99.0.3"), In: count(4100, 95), Out: count(3900, 91)},
			{Address: at("fd00:99::1")},
		},
		Strangers: []engine.Stranger{{Address: at("10.99.0.9"), Packets: 3, Last: s.Time.Add(-9 * time.Second)}}}
	s.Reports = []engine.ReportTarget{{To: netip.MustParseAddrPort("10.1.0.2:6090"), Sent: 51234, Last: s.Time.Add(-1 * time.Second)}}
	return s
}
