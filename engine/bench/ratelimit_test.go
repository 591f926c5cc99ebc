package bench

import (
	"testing"

	"hairpin/engine/packet"
	"hairpin/engine/spec"
)

// newRated is a quiet node with a rate limit in front of the balancer, under which all packets stay.
func newRated(t *testing.T, bpffs, name string, limits ...spec.Rate) *node {
	n := newNode(t, bpffs, name)
	s := parseSpec(t, quietSpec)
	s.Stages = []spec.Named{{Name: "limits", Kind: spec.RateLimit, Settings: &spec.Rates{Limits: limits}}}
	s.NICs[0].XDP = []spec.Position{{Name: "limits"}, {Name: string(spec.Balancer)}}
	n.apply(t, s)
	n.reach()
	return n
}

// Rates that nothing here reaches.
var (
	vipRate    = spec.Rate{Rate: 10_000_000, Per: spec.PerVIP}
	sourceRate = spec.Rate{Rate: spec.MaxSourceRate, Per: spec.PerSource, Prefix4: 32, Prefix6: 128}
)

// rateLimitPaths are the ways of connections through a rate limit, and what it adds to a chain without it. base is that
// chain for a SYN, which has to be measured as well.
func rateLimitPaths(t *testing.T, bpffs string, empty, short *path) (rows []*path, base *path) {
	one, both := newRated(t, bpffs, "rated", vipRate), newRated(t, bpffs, "both", vipRate, sourceRate)
	sources := newRated(t, bpffs, "sources", sourceRate)
	syn := short.flows.with(frame4(packet.TCP{Flags: "S"}), eachNew)
	known, syn6 := syn.with(syn.frame, 65536), syn.with(frame6(packet.TCP{Flags: "S"}), 65536)
	base = &path{name: "a chain, SYN", node: short.node, flows: syn, calls: threeTails}
	rows = []*path{
		{name: "ratelimit, balancer, SYN, VIP rate", rated: 1, node: one, flows: syn, base: empty},
		{name: "the same, VIP and source rate, 65,536 sources", rated: 2, node: both, flows: known, base: empty},
		{name: "the same, v6", rated: 2, node: both, flows: syn6, base: empty},
		{name: "the same, new source each", rated: 2, node: both, flows: syn, base: empty},
		{name: "the rate limit alone, SYN, VIP rate", budget: 1.5, rated: 1, node: one, flows: syn, base: base},
		{name: "the rate limit alone, SYN, source rate, 65,536 sources", rated: 1, node: sources, flows: known, base: base},
		{name: "the rate limit alone, SYN, source rate, 64 sources", rated: 1, node: sources, flows: syn.with(syn.frame, 64), base: base},
		{name: "the rate limit alone, SYN, new source each", rated: 1, node: sources, flows: syn, base: base},
		{name: "the rate limit alone, no SYN", budget: 0.3, node: one, flows: short.flows, base: short},
	}
	for _, p := range rows {
		p.calls = threeTails
	}
	return rows, base
}
