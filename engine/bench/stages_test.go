package bench

import (
	"net/netip"
	"testing"

	"hairpin/engine/packet"
	"hairpin/engine/spec"
)

// newStaged is a quiet node with one stage in front of the balancer.
func newStaged(t *testing.T, bpffs, name string, settings spec.Settings) *node {
	n := newNode(t, bpffs, name)
	s := parseSpec(t, quietSpec)
	s.Stages = []spec.Named{{Name: name, Kind: settings.Kind(), Settings: settings}}
	s.NICs[0].XDP = []spec.Position{{Name: name}, {Name: string(spec.Balancer)}}
	n.apply(t, s)
	n.reach()
	return n
}

// stagePaths are what a wall and a mirror add to a chain, for packets that they have nothing to do with and others.
func stagePaths(t *testing.T, bpffs string, short *path) []*path {
	ack := frame4(packet.TCP{Flags: "A"})
	one := flows{frame: ack, first: 20 << 24, count: 1}
	elsewhere := newStaged(t, bpffs, "elsewhere", &spec.Wall{Ports: []uint16{443}, Wait: spec.DefaultWait})
	guarded := newStaged(t, bpffs, "guarded", &spec.Wall{Ports: []uint16{80}, Wait: spec.DefaultWait})
	mirror := newStaged(t, bpffs, "sampled", &spec.Copies{To: netip.MustParseAddrPort("192.0.2.9:4789"), Encap: spec.CopyVXLAN, OneIn: spec.MaxOneIn, Snap: 128, Rate: 1})
	return []*path{
		{name: "a tlswall for another port", node: elsewhere, flows: one, calls: threeTails, base: short},
		{name: "a tlswall, established, 1 flow", node: guarded, flows: one, calls: threeTails, base: short},
		{name: "a mirror of one in 1,000,000", node: mirror, flows: one, calls: threeTails, base: short},
	}
}
