package bench

import (
	"testing"

	"hairpin/bpf"
	"hairpin/engine/packet"
	"hairpin/engine/spec"
)

// newCounted is a quiet node with a limit of connections of each VIP in front of the balancer, under which all packets stay.
func newCounted(t *testing.T, bpffs, name string, source spec.CountSource) *node {
	n := newNode(t, bpffs, name)
	s := parseSpec(t, quietSpec)
	s.Stages = []spec.Named{{Name: "connlimit", Kind: spec.ConnLimit, Settings: connections(source)}}
	s.NICs[0].XDP = spec.Stands(spec.ConnLimit, spec.Balancer)
	n.apply(t, s)
	n.reach()
	return n
}

// connections are the settings of a limit that nothing here reaches.
func connections(source spec.CountSource) *spec.Connections {
	return &spec.Connections{Source: source, Idle: spec.DefaultIdle, Limits: []spec.Connection{{Max: 5_000_000, Per: spec.PerVIP}}}
}

// forgetHandshakes has none wait for its socket before each run: above some number they are not counted one by one.
func (n *node) forgetHandshakes(t *testing.T) {
	pending := n.words(t, bpf.LoadConnlimit, "seats", "pending", 16)
	n.refills = append(n.refills, func() error { return pending.set(0) })
}

// hurry lets more time pass before each run than a flow lives that nobody answers.
func (n *node) hurry(t *testing.T) {
	clock, now := n.words(t, bpf.LoadConnlimit, "connlimits", "clock", 1<<16), uint64(1<<20)
	n.refills = append(n.refills, func() error {
		now += 20
		return clock.set(now)
	})
}

// connLimitPaths are what a limit of connections adds to a chain without it. The chains compared with are bases, two of them
// new.
func connLimitPaths(t *testing.T, bpffs string, short, shortSYN *path) (rows, bases []*path) {
	sockets, flows := newCounted(t, bpffs, "sockets", spec.Sockets), newCounted(t, bpffs, "flows", spec.Flows)
	begun := newCounted(t, bpffs, "begun", spec.Flows)
	sockets.forgetHandshakes(t)
	begun.hurry(t)
	one, syn := short.flows, shortSYN.flows
	many, unknown := one.with(one.frame, 65536), syn.with(one.frame, eachNew)
	flows.meet(t, many.with(frame4(packet.TCP{Flags: "S"}), many.count))
	chainMany := &path{name: "a chain, 65,536 flows", node: short.node, flows: many, calls: threeTails}
	chainUnknown := &path{name: "a chain, unknown ACK each", node: short.node, flows: unknown, calls: threeTails}
	rows = []*path{
		{name: "the connection limit alone, sockets, SYN", budget: 2, admitted: 1, node: sockets, flows: syn, base: shortSYN},
		{name: "the same, no SYN", budget: 0.3, node: sockets, flows: one, base: short},
		{name: "the connection limit alone, flows, SYN, new flow each", budget: 2, admitted: 1, node: begun, flows: syn, base: shortSYN},
		{name: "the same, 1 known flow", budget: 0.3, node: flows, flows: one, base: short},
		{name: "the same, 65,536 known flows", budget: 0.3, node: flows, flows: many, base: chainMany},
		{name: "the same, unknown ACK each", budget: 0.3, node: flows, flows: unknown, base: chainUnknown},
	}
	for _, p := range rows {
		p.calls = threeTails
	}
	return rows, []*path{chainMany, chainUnknown}
}

// meet sends one packet of each flow.
func (n *node) meet(t *testing.T, f flows) {
	t.Helper()
	if _, err := newWrapper(t, n.root(t), f, threeTails-3).run(int(f.count) / (threeTails - 3)); err != nil {
		t.Fatal(err)
	}
}
