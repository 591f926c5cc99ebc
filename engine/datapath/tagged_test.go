package datapath

import (
	"net/netip"
	"slices"
	"testing"

	"hairpin/engine/packet"
)

// taggedSpec has backends behind VLANs of this NIC and of another.
const taggedSpec = `
version: 1
nics: {eth0: {xdp: [balancer]}, eth1: {xdp: [balancer]}}
vips:
  - {name: web,     addresses: [10.99.0.1, "fd00:99::1"], port: 80, protocol: tcp, ring: 251, backends: [{address: 10.1.10.11}]}
  - {name: six,     addresses: [10.99.0.2, "fd00:99::2"], port: 80, protocol: tcp, ring: 251, backends: [{address: "fd00:1:10::11"}]}
  - {name: tun,     addresses: [10.99.0.3, "fd00:99::3"], port: 80, protocol: tcp, ring: 251, encap: ipip, backends: [{address: 10.1.10.12}]}
  - {name: tun6,    addresses: [10.99.0.4, "fd00:99::4"], port: 80, protocol: tcp, ring: 251, encap: ipip, backends: [{address: "fd00:1:10::12"}]}
  - {name: other,   addresses: [10.99.0.5], port: 80, protocol: tcp, ring: 251, backends: [{address: 10.1.11.11}]}
  - {name: service, addresses: [10.99.0.6], port: 80, protocol: tcp, ring: 251, backends: [{address: 10.1.10.13}]}
`

// The tags of the two VLANs by which backends are reached.
var wayTags = map[string][]byte{"eth0.100": {0x81, 0x00, 0x00, 100}, "eth1.4094": {0x88, 0xa8, 0x0f, 0xfe}}

// vlanReach is the way to a backend: by VLAN 100 of eth0, or by a service VLAN of eth1.
func vlanReach(backend netip.Addr) NextHop {
	hop := reach(backend)
	hop.NIC, hop.Under, hop.TPID, hop.VLAN, hop.Ifindex, hop.MTU = "eth0.100", "eth0", 0x8100, 100, 42, 1500
	if netip.MustParsePrefix("10.1.11.0/24").Contains(backend) {
		hop.NIC, hop.Under, hop.TPID, hop.VLAN = "eth1.4094", "eth1", 0x88a8, 4094
	}
	return hop
}

func taggedNode(t *testing.T) *node {
	t.Helper()
	n := newNode(t, taggedSpec)
	for _, b := range n.Backends() {
		if !n.SetNextHop(b.ID, vlanReach(b.Address)) {
			t.Fatalf("the way to %s is none", b.Address)
		}
	}
	return n
}

// by is the same fate with the tag of a way out instead of those that the packet came with.
func (f fate) by(way string) fate {
	out := f.out
	f.out = func(t testing.TB, n *node, in []byte) ([]byte, netip.Addr) {
		s, err := packet.Parse(in)
		if err != nil {
			t.Fatal(err)
		}
		bare := slices.Delete(slices.Clone(in), 12, s.NetworkAt-2)
		sent, backend := out(t, n, bare)
		return slices.Insert(slices.Clone(sent), 12, wayTags[way]...), backend
	}
	return f
}

// TestTagged: a frame gets the tag of the VLAN by which its backend is reached, whatever it came with.
func TestTagged(t *testing.T) {
	t.Parallel()
	n := taggedNode(t)
	chain := n.chain(t, "eth0", XDP)
	const way = "eth0.100"
	for _, r := range []row{
		{"no tag, v4, gue", frame(ip4{}, syn), sent("web", gue).by(way)},
		{"no tag, v6, gue", frame(ip6{}, syn), sent("web", gue).by(way)},
		{"no tag, backend v6, gue", frame(to4("2"), syn), sent("six", gue).by(way)},
		{"no tag, ipip", frame(to4("3"), syn), sent("tun", ipip).by(way)},
		{"no tag, v6 in v4", frame(to6("3"), syn), sent("tun", ipip).by(way)},
		{"no tag, v4 in v6", frame(to4("4"), syn), sent("tun6", ipip).by(way)},
		{"no tag, v6 in v6", frame(to6("4"), syn), sent("tun6", ipip).by(way)},
		{"the same tag", frame(vlan{ID: 100}, ip4{}, syn), sent("web", gue).by(way)},
		{"another tag", frame(vlan{ID: 7}, ip4{}, syn), sent("web", gue).by(way)},
		{"another tag, backend v6", frame(vlan{ID: 7}, to6("4"), syn), sent("tun6", ipip).by(way)},
		{"two tags", frame(vlan{TPID: packet.TypeQinQ, ID: 5}, vlan{ID: 6}, ip4{}, syn), sent("web", gue).by(way)},
		{"two tags, v6", frame(vlan{TPID: packet.TypeQinQ, ID: 5}, vlan{ID: 6}, to6("2"), syn), sent("six", gue).by(way)},
		{"options", frame(ip4{Options: []byte{7, 3, 4}}, syn), sent("web", gue).by(way)},
		{"with data behind it", packet.Pad(frame(ip4{}, syn), 80), sent("web", gue).by(way)},
		{"as large as fits", frame(ip4{}, tcp{Flags: "A"}, fill(1500-28-40)), sent("web", gue).by(way)},
		{"a byte too large", frame(ip4{}, tcp{Flags: "A"}, fill(1500-28-39)), dropped("too_big", "web")},
		{"by another NIC", frame(to4("5"), syn), redirected(sent("other", gue)).by("eth1.4094")},
		{"a tag, by another NIC", frame(vlan{ID: 9}, to4("5"), syn), redirected(sent("other", gue)).by("eth1.4094")},
	} {
		t.Run(r.sentence, func(t *testing.T) { n.check(t, chain, r, 0) })
	}
	n.check(t, n.chain(t, "eth1", XDP), row{in: frame(vlan{ID: 3}, ip4{}, syn), want: redirected(sent("web", gue)).by(way)}, 0)
	n.check(t, n.chain(t, "eth1", XDP), row{in: frame(to4("5"), syn), want: sent("other", gue).by("eth1.4094")}, 0)
}

// TestTaggedNoHeadroom: a tag needs room of its own.
func TestTaggedNoHeadroom(t *testing.T) {
	t.Parallel()
	n := taggedNode(t)
	n.check(t, n.chain(t, "eth0", XDP), row{in: frame(ip4{}, syn), want: dropped("no_headroom", "web")}, 200)
}

// TestTaggedWays: which chain sends to a VLAN's backend, and by which NIC the kernel does.
func TestTaggedWays(t *testing.T) {
	t.Parallel()
	n := taggedNode(t)
	id, chain := n.id(t, "web", "10.1.10.11"), n.chain(t, "eth0", XDP)
	if b := n.backends.all[id].shown(int(id)); b.Chain != chain || !b.Reachable || n.sentBy(id) != 42 {
		t.Errorf("%+v, sent by %d", b, n.sentBy(id))
	}
	way := vlanReach(addr("10.1.10.11"))
	if n.SetNextHop(id, way) {
		t.Error("the same way is news")
	}
	way.VLAN = 101
	if !n.SetNextHop(id, way) || n.backends.all[id].Tag != [4]byte{0x81, 0, 0, 101} {
		t.Errorf("another VLAN: tag %x", n.backends.all[id].Tag)
	}
	way.Asked, way.Unknown = true, "it has not answered yet"
	if n.SetNextHop(id, way) || n.backends.all[id].Flags&BackendReachable == 0 {
		t.Error("a neighbour that is asked again is taken for one that is away")
	}
	if !n.SetNextHop(id, reach(addr("10.1.10.11"))) || n.backends.all[id].Tag != [4]byte{} || int(n.sentBy(id)) != nicByName(t, "eth0").Attrs().Index {
		t.Errorf("without a VLAN: tag %x, sent by %d", n.backends.all[id].Tag, n.sentBy(id))
	}
	n.check(t, chain, row{in: frame(ip4{}, syn), want: sent("web", gue)}, 0)
	way = vlanReach(addr("10.1.10.11"))
	way.Under = "eth7"
	if !n.SetNextHop(id, way) || n.backends.all[id].Flags&BackendReachable != 0 {
		t.Error("reachable by a NIC that has no chain")
	}
}
