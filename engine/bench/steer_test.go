package bench

import (
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"

	"hairpin/engine/packet"
)

const steerSpec = `
version: 1
stages:
  ways:
    kind: steer
    rules: [{name: some, to: [20.0.0.0/8], paths: two}]
    groups: [{name: two, paths: [{name: a, nic: lo, via: 10.1.0.1}, {name: b, nic: lo, via: 10.1.0.9}]}]
nics: {bench0: {xdp: [balancer], tcx_egress: [ways]}}
`

// steered measures what leaving by a path of a group costs at tc egress, root and parser included. A packet that was steered
// comes by a second time, where its path has the stage too, and goes on: in a test run, each second one does.
func steered(t *testing.T, bpffs string, rounds, repeat int) []figure {
	lo, err := netlink.LinkByName("lo") // a NIC that is up and has nothing to say
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		t.Fatal(err)
	}
	n := newAgent(t, bpffs, "steered", steerSpec)
	known := packet.Build(packet.Eth{}, packet.IPv4{Src: netip.MustParseAddr("10.1.1.11"), Dst: netip.AddrFrom4([4]byte{20})},
		packet.TCP{Src: packet.HTTPPort, Dst: 40000, Flags: "A"}, packet.Fill(48))
	other := packet.Build(packet.Eth{}, packet.IPv4{Src: netip.MustParseAddr("10.1.1.11"), Dst: netip.AddrFrom4([4]byte{21})},
		packet.TCP{Src: packet.HTTPPort, Dst: 40000, Flags: "A"}, packet.Fill(48))
	root, nothing := n.rootTC(t), emptyTC(t)
	defer pin(t)()
	var both, left []float64
	for range rounds {
		idle := perRun(t, nothing, known, repeat)
		both = append(both, 2*(perRun(t, root, known, repeat)-idle))
		left = append(left, perRun(t, root, other, repeat)-idle)
	}
	n.leftTC(t, map[string]int{"steered": rounds * repeat / 2, "chain_end": rounds * repeat * 3 / 2})
	return []figure{
		{"a packet steered to a path of a group at tc egress, and seen again there, less two empty programs", "ns", both, false, 0},
		{"a packet that no rule of a steer is true of, less an empty program", "ns", left, false, 0},
	}
}
