package datapath

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"hairpin/engine/packet"
)

const decapSpec = `
version: 1
nics: {eth0: {xdp: [decap]}, eth1: {tcx_ingress: [decap]}}
agent: {vips: [10.99.0.1, "fd00:99::1"], encap_port: 6080}
`

// The outer headers from the node to a backend.
var (
	outer4 = ip4{Src: source4, Dst: addr("10.1.1.11")}
	outer6 = ip6{Src: source6, Dst: addr("fd00:1:1::11")}
)

// unwrapped goes up to the kernel without its outer headers.
var unwrapped = fate{reason: "decapsulated", vip: "agent", out: func(t testing.TB, n *node, in []byte) ([]byte, netip.Addr) {
	s, err := packet.Parse(in)
	if err != nil || s.Inner == nil {
		t.Fatalf("a row that expects an inner packet has none: %v: %v", s, err)
	}
	out := slices.Clone(in[:14])
	binary.BigEndian.PutUint16(out[12:], map[uint8]uint16{4: packet.TypeIPv4, 6: packet.TypeIPv6}[s.Inner.Version])
	return append(out, in[s.Inner.NetworkAt:]...), netip.Addr{}
}}

// bare is what was inside, in its frame.
func bare(layers ...packet.Layer) fate {
	return fate{reason: "decapsulated", vip: "agent", out: func(testing.TB, *node, []byte) ([]byte, netip.Addr) {
		return frame(layers...), netip.Addr{}
	}}
}

// variant0 is a packet behind a GUE header of variant 0, with so many words of private data.
func variant0(outer packet.Layer, first, protocol, flags byte, layers ...packet.Layer) []byte {
	head := append([]byte{first, protocol, 0, flags}, make([]byte, first&0x1f*4)...)
	return frame(outer, udp{Dst: packet.GUEPort}, packet.Payload(append(head, build(layers...)...)))
}

var decapRows = []row{
	{"gue, v4 in v4", frame(outer4, udp{}, ip4{}, syn), unwrapped},
	{"gue, v6 in v4", frame(outer4, udp{}, ip6{}, syn), unwrapped},
	{"gue, v4 in v6", frame(outer6, udp{}, ip4{}, syn), unwrapped},
	{"gue, v6 in v6", frame(outer6, udp{}, ip6{}, syn), unwrapped},
	{"ipip, v4 in v4", frame(outer4, ip4{}, syn), unwrapped},
	{"ipip, v6 in v4", frame(outer4, ip6{}, syn), unwrapped},
	{"ipip, v4 in v6", frame(outer6, ip4{}, syn), unwrapped},
	{"ipip, v6 in v6", frame(outer6, ip6{}, syn), unwrapped},
	{"gue, udp inside", frame(outer4, udp{}, ip4{}, udp{}, fill(100)), unwrapped},
	{"gue without an outer checksum", frame(outer4, udp{Checksum: packet.Zero}, ip4{}, syn), unwrapped},
	{"gue behind ipv4 options", frame(ip4{Options: make([]byte, 40)}, udp{}, ip6{}, syn), unwrapped},
	{"ipip behind ipv4 options", frame(ip4{Options: make([]byte, 4)}, ip4{}, syn), unwrapped},
	{"ipv4 options inside", frame(outer4, udp{}, ip4{Options: []byte{7, 3, 4}}, syn), unwrapped},
	{"extension headers inside", frame(outer4, udp{}, ip6{}, packet.HopByHop{}, syn), unwrapped},
	{"a fragment inside", frame(outer4, udp{}, ip4{MF: true}, udp{}, fill(64)), unwrapped},
	{"icmp inside", frame(outer4, udp{}, ip4{}, packet.ICMPv4{}, fill(8)), unwrapped},
	{"a ttl of 1 inside", frame(outer4, udp{}, ip4{TTL: 1}, syn), unwrapped},
	{"padded", packet.Pad(frame(outer4, ip4{}, udp{}), 64), unwrapped},
	{"data behind the inner packet", frame(outer4, udp{}, inner(append(build(ip4{}, udp{}), 1, 2, 3))), unwrapped},
	{"gue behind extension headers", frame(ip6{}, packet.DestOpts{}, udp{}, ip4{}, syn), unwrapped},
	{"gue behind as many extension headers as may be", frame(ip6{}, packet.DestOpts{Options: make([]byte, 70)}, udp{}, ip6{}, syn), unwrapped},
	{"ipip behind extension headers", frame(ip6{}, packet.HopByHop{}, ip4{}, syn), unwrapped},
	{"a large one", frame(outer6, udp{}, ip4{}, tcp{Flags: "A"}, fill(1400)), unwrapped},

	{"for a vip of others", frame(outer4, udp{}, ip4{Dst: addr("10.99.0.2")}, syn), dropped("foreign_vip", "")},
	{"for a vip of others, v6", frame(outer6, udp{}, ip6{Dst: addr("fd00:99::2")}, syn), dropped("foreign_vip", "")},
	{"for a vip of others, ipip", frame(outer6, ip4{Dst: addr("192.0.2.1")}, syn), dropped("foreign_vip", "")},
	{"wrapped twice", frame(outer4, udp{}, ip4{Dst: addr("10.1.1.11")}, udp{}, ip4{}, syn), dropped("foreign_vip", "")},

	{"nothing inside gue", frame(outer4, udp{Dst: packet.GUEPort}), dropped("inner_malformed", "")},
	{"gue variant 0", variant0(outer4, 0, 4, 0, ip4{}, syn), bare(ip4{}, syn)},
	{"gue variant 0, v6 inside", variant0(outer4, 0, 41, 0, ip6{}, syn), bare(ip6{}, syn)},
	{"gue variant 0 over v6", variant0(outer6, 0, 4, 0, ip4{}, syn), bare(ip4{}, syn)},
	{"gue variant 0 over v6, v6 inside", variant0(outer6, 0, 41, 0, ip6{}, syn), bare(ip6{}, syn)},
	{"gue variant 0 with private data", variant0(outer4, 3, 4, 0, ip4{}, syn), bare(ip4{}, syn)},
	{"gue variant 0 with as much private data as fits", variant0(ip4{Options: make([]byte, 40)}, 31, 4, 0, ip4{}, syn), bare(ip4{}, syn)},
	{"gue variant 0, a control message", variant0(outer4, 0x20, 4, 0, ip4{}, syn), dropped("inner_malformed", "")},
	{"gue variant 0 with flags", variant0(outer4, 0, 4, 1, ip4{}, syn), dropped("inner_malformed", "")},
	{"gue variant 0, another protocol", variant0(outer4, 0, 47, 0, ip4{}, syn), dropped("inner_malformed", "")},
	{"gue variant 0 that names the other version", variant0(outer4, 0, 41, 0, ip4{}, syn), dropped("inner_malformed", "")},
	{"gue variant 0 with a length beyond the packet", frame(outer4, udp{Dst: packet.GUEPort}, packet.Payload([]byte{31, 4, 0, 0, 1, 2})), dropped("inner_malformed", "")},
	{"gue variant 0 and no more", frame(outer4, udp{Dst: packet.GUEPort}, packet.Payload([]byte{0, 4, 0, 0})), dropped("inner_malformed", "")},
	{"gue variant 2", variant0(outer4, 0x80, 4, 0, ip4{}, syn), dropped("inner_malformed", "")},

	{"congestion outside reaches ect(0)", frame(ip4{Src: source4, Dst: addr("10.1.1.11"), TOS: 3}, udp{}, ip4{TOS: 2}, syn), bare(ip4{TOS: 3}, syn)},
	{"congestion outside reaches ect(1)", frame(ip4{TOS: 0xb8 | 3}, udp{}, ip4{TOS: 0x41}, syn), bare(ip4{TOS: 0x43}, syn)},
	{"congestion outside reaches v6", frame(ip4{TOS: 3}, udp{}, ip6{Class: 0xb9, Label: 0xabcde}, syn), bare(ip6{Class: 0xbb, Label: 0xabcde}, syn)},
	{"congestion outside of v6 reaches v4", frame(ip6{Class: 3}, udp{}, ip4{TOS: 1, ID: 77}, syn), bare(ip4{TOS: 3, ID: 77}, syn)},
	{"congestion outside of v6 reaches v6", frame(ip6{Class: 3}, ip6{Class: 2}, syn), bare(ip6{Class: 3}, syn)},
	{"ect(1) outside reaches ect(0)", frame(ip4{TOS: 1}, udp{}, ip4{TOS: 2}, syn), bare(ip4{TOS: 1}, syn)},
	{"ect(1) outside does not reach who is not capable", frame(ip4{TOS: 1}, udp{}, ip4{}, syn), bare(ip4{}, syn)},
	{"ect(0) outside does not reach ect(1)", frame(ip4{TOS: 2}, udp{}, ip4{TOS: 1}, syn), bare(ip4{TOS: 1}, syn)},
	{"congestion inside stays", frame(ip4{TOS: 2}, udp{}, ip4{TOS: 3}, syn), bare(ip4{TOS: 3}, syn)},
	{"the class outside stays outside", frame(ip4{TOS: 0xb8}, udp{}, ip4{TOS: 0x20}, syn), bare(ip4{TOS: 0x20}, syn)},
	{"congestion that its sender cannot hear of", frame(ip4{TOS: 3}, udp{}, ip4{}, syn), dropped("congested", "")},
	{"congestion that its sender cannot hear of, v6", frame(ip6{Class: 3}, ip6{Class: 0xb8}, syn), dropped("congested", "")},

	{"ip version 5 inside", frame(outer4, udp{}, ip4{Version: 5}, syn), dropped("inner_malformed", "")},
	{"less than an ipv4 header inside", frame(outer4, udp{}, inner(build(ip4{})[:19])), dropped("inner_malformed", "")},
	{"less than an ipv4 header inside, padded", packet.Pad(frame(outer4, udp{}, inner(build(ip4{})[:19])), 80), dropped("inner_malformed", "")},
	{"less than an ipv6 header inside", frame(outer6, udp{}, inner(build(ip6{})[:39])), dropped("inner_malformed", "")},
	{"less than an ipv6 header inside, padded", packet.Pad(frame(outer4, inner(build(ip6{})[:39])), 80), dropped("inner_malformed", "")},
	{"ihl 4 inside", frame(outer4, udp{}, ip4{IHL: 4}, syn), dropped("inner_malformed", "")},
	{"an ihl beyond the packet inside", frame(outer4, udp{}, ip4{IHL: 11}, syn), dropped("inner_malformed", "")},
	{"a total length beyond the outer packet", frame(outer4, udp{}, ip4{Len: 41}, syn), dropped("inner_malformed", "")},
	{"a total length that only the padding holds", packet.Pad(frame(outer4, udp{}, ip4{Len: 41}, syn), 100), dropped("inner_malformed", "")},
	{"a payload length beyond the outer packet", frame(outer6, udp{}, ip6{Len: 21}, syn), dropped("inner_malformed", "")},
	{"v6 inside that is announced as v4", frame(ip4{Protocol: packet.ProtoIPv4}, ip6{}, syn), dropped("inner_malformed", "")},
	{"v4 inside that is announced as v6", frame(ip6{Next: packet.ProtoIPv6}, ip4{}, syn), dropped("inner_malformed", "")},

	{"plain tcp to the vip", frame(ip4{}, syn), passed("not_encapsulated")},
	{"plain udp", frame(outer4, udp{Dst: 53}, fill(20)), passed("not_encapsulated")},
	{"gue to a port of others", frame(outer4, udp{Dst: 6081}, ip4{}, syn), passed("not_encapsulated")},
	{"gue from the port", frame(outer4, udp{Src: packet.GUEPort, Dst: 53}, fill(40)), passed("not_encapsulated")},
	{"tcp to the port of gue", frame(outer4, tcp{Dst: packet.GUEPort}, fill(40)), passed("not_encapsulated")},
	{"gre", frame(ip4{Protocol: 47}, fill(40)), passed("not_encapsulated")},
	{"first fragment of gue", frame(ip4{MF: true}, udp{}, ip4{}, syn), passed("not_encapsulated")},
	{"last fragment of ipip", frame(ip4{Offset: 9, Protocol: packet.ProtoIPv4}, fill(40)), passed("not_encapsulated")},
	{"a fragment of gue over v6", frame(ip6{}, packet.Fragment{MF: true}, udp{}, ip4{}, syn), passed("not_encapsulated")},
	{"gue behind extension headers that lead on", frame(ip6{}, packet.Routing{Left: 1, Route: []netip.Addr{packet.VIP6}}, udp{}, ip4{}, syn), passed("not_encapsulated")},
	{"gue behind a vlan tag", frame(vlan{}, outer4, udp{}, ip4{}, syn), passed("not_encapsulated")},
	{"icmp", frame(outer4, packet.ICMPv4{}), passed("not_encapsulated")},
	{"protocol 0", frame(ip4{Protocol: packet.Zero}, fill(20)), passed("not_encapsulated")},
	{"arp", frame(packet.ARP{}), passed("not_ip")},
	{"a whole outer header and too little", packet.Truncate(frame(outer4, udp{}, ip4{}, syn), 80), passed("truncated")},
	{"an outer udp length beyond the packet", frame(outer4, udp{Len: 70}, ip4{}, syn), passed("malformed")},
	{"an outer ihl of 3", frame(ip4{IHL: 3}, ip4{}, syn), passed("malformed")},
}

func TestDecap(t *testing.T) { testDecap(t, "eth0", XDP) }

func TestDecapTC(t *testing.T) { testDecap(t, "eth1", TCXIngress) }

func testDecap(t *testing.T, nic string, hook Hook) {
	t.Parallel()
	n := newNode(t, decapSpec)
	chain := n.chain(t, nic, hook)
	for _, r := range decapRows {
		t.Run(r.sentence, func(t *testing.T) { n.check(t, chain, r, 0) })
	}
}

// TestDecapPort: an agent takes GUE from the port of its own spec.
func TestDecapPort(t *testing.T) {
	t.Parallel()
	n := newNode(t, `
version: 1
nics: {eth0: {xdp: [decap]}}
agent: {vips: [10.99.0.1], encap_port: 7000}
`)
	chain := n.chain(t, "eth0", XDP)
	custom := fate{reason: "decapsulated", vip: "agent", out: func(_ testing.TB, _ *node, in []byte) ([]byte, netip.Addr) {
		return append(slices.Clone(in[:14]), in[42:]...), netip.Addr{}
	}}
	n.check(t, chain, row{in: frame(outer4, udp{Dst: 7000}, ip4{}, syn), want: custom}, 0)
	n.check(t, chain, row{in: frame(outer4, udp{}, ip4{}, syn), want: passed("not_encapsulated")}, 0)
	n.check(t, chain, row{in: frame(outer4, udp{Dst: 7000}, ip6{}, syn), want: dropped("foreign_vip", "")}, 0)
}

// TestDecapTCWithoutRow: the root at tc counts like the one at XDP.
func TestDecapTCWithoutRow(t *testing.T) {
	t.Parallel()
	n := newNode(t, decapSpec)
	chain, live := n.chain(t, "eth1", TCXIngress), n.Control().Active
	if err := n.maps["rows_tc"].Delete(rowOf(int(live), chain) + 1); err != nil {
		t.Fatal(err)
	}
	n.check(t, chain, row{in: frame(outer4, udp{}, ip4{}, syn), want: passed("empty_slot")}, 0)
	if err := n.maps["rows_tc"].Delete(rowOf(int(live), chain)); err != nil {
		t.Fatal(err)
	}
	n.check(t, chain, row{in: frame(outer4, udp{}, ip4{}, syn), want: passed("no_generation")}, 0)
}
