package bench

import (
	"net/netip"
	"testing"

	"hairpin/engine/packet"
)

const (
	decapSpec = `
version: 1
nics: {bench0: {xdp: [decap]}}
agent: {vips: [10.99.0.1]}
`
	snatSpec = `
version: 1
nics: {bench0: {xdp: [decap], tcx_egress: [snat]}}
agent: {mode: snat, vips: [10.99.0.1], local: [10.1.1.11]}
`
)

// wrapped4 is a packet as a balancer sends it to its backend.
func wrapped4(l packet.Layer) []byte {
	return packet.Build(packet.Eth{}, packet.IPv4{Src: netip.MustParseAddr("10.1.0.2"), Dst: netip.MustParseAddr("10.1.1.11")},
		packet.UDP{Dst: packet.GUEPort}, packet.Inner(packet.Build(packet.IPv4{}, l, packet.Fill(48))))
}

// newAgent is a backend.
func newAgent(t *testing.T, bpffs, name, spec string) *node {
	n := newNode(t, bpffs, name)
	n.apply(t, parseSpec(t, spec))
	return n
}

// agentPaths are what an agent does to packets that come for its VIP. They are compared with a wrapper that puts all headers
// back.
func agentPaths(t *testing.T, bpffs string) (rows []*path, around *path) {
	plain, knows, floods := newAgent(t, bpffs, "decap", decapSpec), newAgent(t, bpffs, "knows", snatSpec), newAgent(t, bpffs, "snatflood", snatSpec)
	one := flows{frame: wrapped4(packet.TCP{Flags: "A"}), first: 20 << 24, count: 1}
	many, syns := flows{one.frame, one.first, 16384}, flows{wrapped4(packet.TCP{Flags: "S"}), one.first, eachNew}
	begun := newWrapper(t, knows.root(t), flows{syns.frame, one.first, many.count}, twoTails)
	if _, err := begun.run(int(many.count) / twoTails); err != nil {
		t.Fatal(err)
	}
	around = &path{name: "wrapper alone, around GUE", node: &node{}, flows: one}
	rows = []*path{
		{name: "agent: decap", node: plain, flows: one},
		{name: "agent: decap and translate, 1 known flow", node: knows, flows: one},
		{name: "agent: decap and translate, 16,384 known flows", node: knows, flows: many},
		{name: "agent: decap and translate, new SYN each", node: floods, flows: syns},
	}
	for _, p := range rows {
		p.base, p.reason = around, "decapsulated"
	}
	return rows, around
}
