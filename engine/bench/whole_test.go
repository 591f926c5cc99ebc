package bench

import (
	"testing"

	"hairpin/engine/packet"
	"hairpin/engine/spec"
)

// newWhole is a quiet node with every limit in front of the balancer: a firewall with 10,000 prefixes, rates, and the
// sockets of each VIP. All packets stay under them.
func newWhole(t *testing.T, bpffs, name string, rates ...spec.Rate) *node {
	n := newWalled(t, bpffs, name)
	s := n.running.Clone()
	s.Stages = append(s.Stages, spec.Named{Name: "ratelimit", Kind: spec.RateLimit, Settings: &spec.Rates{Limits: rates}},
		spec.Named{Name: "connlimit", Kind: spec.ConnLimit, Settings: connections(spec.Sockets)})
	s.NICs[0].XDP = spec.Stands(spec.Firewall, spec.RateLimit, spec.ConnLimit, spec.Balancer)
	n.apply(t, s)
	n.reach()
	n.forgetHandshakes(t)
	return n
}

// wholePaths are the ways through the chain of a load balancer with everything in it.
func wholePaths(t *testing.T, bpffs string, empty *path) (rows []*path) {
	one, both := newWhole(t, bpffs, "whole", vipRate), newWhole(t, bpffs, "whole_sources", vipRate, sourceRate)
	ack, syn := frame4(packet.TCP{Flags: "A"}), frame4(packet.TCP{Flags: "S"})
	far := flows{syn, unlisted, 65536}
	rows = []*path{
		{name: "firewall, ratelimit, connlimit, balancer, 65,536 flows", budget: 5.7, node: one, flows: far.with(ack, 65536)},
		{name: "the same, listed /16s", budget: 5.7, node: one, flows: flows{ack, nearListed, 65536}},
		{name: "the same chain, SYN, VIP rate", budget: 7.2, rated: 1, admitted: 1, node: one, flows: far.with(syn, manyNew)},
		{name: "the same, VIP and source rate, 65,536 sources", budget: 13, rated: 2, admitted: 1, node: both, flows: far},
		{name: "the same, new source each", budget: 14, rated: 2, admitted: 1, node: both, flows: far.with(syn, manyNew)},
	}
	for _, p := range rows {
		p.calls, p.base = fiveTails, empty
	}
	return append(rows, seenPaths(t, bpffs, empty, one)...)
}
