package datapath

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"

	"hairpin/engine/packet"
)

// balancerSpec has a VIP for every way of serving and of failing to.
const balancerSpec = `
version: 1
nics: {eth0: {xdp: [balancer]}, eth1: {xdp: [balancer]}}
vips:
  - {name: web,       addresses: [10.99.0.1, "fd00:99::1"], port: 80, protocol: tcp, backends: [{address: 10.1.1.11}, {address: 10.1.1.12}, {address: 10.1.1.13, weight: 300}]}
  - {name: echo,      addresses: [10.99.0.1, "fd00:99::1"], port: 7, protocol: udp, ring: 251, flow: none, backends: [{address: 10.1.1.11}, {address: 10.1.1.12}]}
  - {name: six,       addresses: [10.99.0.2, "fd00:99::2"], port: 80, protocol: tcp, ring: 251, backends: [{address: "fd00:1:1::11"}, {address: "fd00:1:1::12"}]}
  - {name: six-udp,   addresses: [10.99.0.2, "fd00:99::2"], port: 7, protocol: udp, ring: 251, backends: [{address: "fd00:1:1::11"}, {address: "fd00:1:1::12"}]}
  - {name: tun,       addresses: [10.99.0.3, "fd00:99::3"], port: 80, protocol: tcp, ring: 251, encap: ipip, backends: [{address: 10.1.1.21}, {address: 10.1.1.22}]}
  - {name: tun-udp,   addresses: [10.99.0.3, "fd00:99::3"], port: 7, protocol: udp, ring: 251, encap: ipip, backends: [{address: 10.1.1.21}, {address: 10.1.1.22}]}
  - {name: tun6,      addresses: [10.99.0.4, "fd00:99::4"], port: 80, protocol: tcp, ring: 251, encap: ipip, backends: [{address: "fd00:1:1::21"}, {address: "fd00:1:1::22"}]}
  - {name: tun6-udp,  addresses: [10.99.0.4, "fd00:99::4"], port: 7, protocol: udp, ring: 251, encap: ipip, backends: [{address: "fd00:1:1::21"}, {address: "fd00:1:1::22"}]}
  - {name: custom,    addresses: [10.99.0.5], port: 80, protocol: tcp, ring: 251, encap_port: 7000, backends: [{address: 10.1.1.31}]}
  - {name: all,       addresses: [10.99.0.6, "fd00:99::6"], port: 0, protocol: tcp, ring: 251, backends: [{address: 10.1.1.41}]}
  - {name: one,       addresses: [10.99.0.6, "fd00:99::6"], port: 443, protocol: tcp, ring: 251, backends: [{address: 10.1.1.42}]}
  - {name: mixed,     addresses: [10.99.0.7, "fd00:99::7"], port: 80, protocol: tcp, ring: 1021, backends: [{address: 10.1.1.51}, {address: "fd00:1:1::51"}, {address: 10.1.1.52, state: drain}]}
  - {name: empty,     addresses: [10.99.0.10], port: 80, protocol: tcp, ring: 251, backends: []}
  - {name: resting,   addresses: [10.99.0.11], port: 80, protocol: tcp, ring: 251, backends: [{address: 10.1.1.61, weight: 0}, {address: 10.1.1.62, state: down}]}
  - {name: narrow,    addresses: [10.99.0.12, "fd00:99::c"], port: 80, protocol: tcp, ring: 251, backends: [{address: 10.1.7.11}]}
  - {name: narrowtun, addresses: [10.99.0.15], port: 80, protocol: tcp, ring: 251, encap: ipip, backends: [{address: 10.1.7.12}]}
  - {name: tunnel,    addresses: [10.99.0.16, "fd00:99::16"], port: 6080, protocol: udp, ring: 251, backends: [{address: 10.1.1.71}]}
  - {name: strait,    addresses: ["fd00:99::10"], port: 80, protocol: tcp, ring: 251, backends: [{address: 10.1.6.11}]}
  - {name: lost,      addresses: [10.99.0.13], port: 80, protocol: tcp, ring: 251, backends: [{address: 10.1.8.11}]}
  - {name: elsewhere, addresses: [10.99.0.14], port: 80, protocol: tcp, ring: 251, backends: [{address: 10.1.9.11}]}
`

var syn = tcp{Flags: "S"}

func to4(last string) ip4 { return ip4{Dst: addr("10.99.0." + last)} }
func to6(last string) ip6 { return ip6{Dst: addr("fd00:99::" + last)} }

// balanced are packets that reach a backend.
var balanced = []row{
	{"tcp v4, backend v4, gue", frame(ip4{}, syn), sent("web", gue)},
	{"tcp v6, backend v4, gue", frame(ip6{}, syn), sent("web", gue)},
	{"udp v4, backend v4, gue", frame(ip4{}, udp{}, fill(5)), sent("echo", gue)},
	{"udp v6, backend v4, gue", frame(ip6{}, udp{}, fill(5)), sent("echo", gue)},
	{"tcp v4, backend v6, gue", frame(to4("2"), syn), sent("six", gue)},
	{"tcp v6, backend v6, gue", frame(to6("2"), syn), sent("six", gue)},
	{"udp v4, backend v6, gue", frame(to4("2"), udp{}, fill(6)), sent("six-udp", gue)},
	{"udp v6, backend v6, gue", frame(to6("2"), udp{}, fill(7)), sent("six-udp", gue)},
	{"tcp v4, backend v4, ipip", frame(to4("3"), syn), sent("tun", ipip)},
	{"tcp v6, backend v4, ipip", frame(to6("3"), syn), sent("tun", ipip)},
	{"udp v4, backend v4, ipip", frame(to4("3"), udp{}, fill(33)), sent("tun-udp", ipip)},
	{"udp v6, backend v4, ipip", frame(to6("3"), udp{}, fill(33)), sent("tun-udp", ipip)},
	{"tcp v4, backend v6, ipip", frame(to4("4"), syn), sent("tun6", ipip)},
	{"tcp v6, backend v6, ipip", frame(to6("4"), syn), sent("tun6", ipip)},
	{"udp v4, backend v6, ipip", frame(to4("4"), udp{}), sent("tun6-udp", ipip)},
	{"udp v6, backend v6, ipip", frame(to6("4"), udp{}), sent("tun6-udp", ipip)},
	{"gue to a port of its own", frame(to4("5"), syn), sent("custom", wrapping{port: 7000})},
	{"backends of both families, one flow", frame(to4("7"), tcp{Src: 40001, Flags: "S"}), sent("mixed", gue)},
	{"backends of both families, another", frame(to4("7"), tcp{Src: 40003, Flags: "S"}), sent("mixed", gue)},
	{"backends of both families, over v6", frame(to6("7"), tcp{Src: 40005, Flags: "S"}), sent("mixed", gue)},

	{"an ack", frame(ip4{}, tcp{Flags: "A", Seq: 1, Ack: 2}), sent("web", gue)},
	{"data", frame(ip4{DF: true, ID: 7}, tcp{Flags: "PA"}, fill(1000)), sent("web", gue)},
	{"an odd length", frame(ip4{}, tcp{Flags: "PA"}, fill(33)), sent("web", gue)},
	{"an odd length over v6", frame(ip6{}, tcp{Flags: "PA"}, fill(1)), sent("web", gue)},
	{"a reset", frame(ip6{}, tcp{Flags: "R"}), sent("web", gue)},
	{"tcp options", frame(ip4{}, tcp{Flags: "S", Options: []byte{2, 4, 5, 180, 4, 2, 8, 10}}), sent("web", gue)},
	{"ipv4 options", frame(ip4{Options: []byte{7, 7, 4, 0, 0, 0, 0}}, syn), sent("web", gue)},
	{"as many ipv4 options as fit", frame(ip4{Options: make([]byte, 40)}, syn), sent("web", gue)},
	{"ipv4 options, udp, ipip", frame(ip4{Dst: addr("10.99.0.3"), Options: []byte{1, 1, 1, 1}}, udp{}, fill(3)), sent("tun-udp", ipip)},
	{"padded by the sender's nic", packet.Pad(frame(ip4{}, udp{}, fill(1)), 60), sent("echo", gue)},
	{"padded with other than zeros", append(frame(ip6{}, udp{}, fill(2)), 0xde, 0xad, 0xbe, 0xef), sent("echo", gue)},
	{"data behind the udp datagram, within the ip packet", append(frame(ip4{Len: 38}, udp{}, fill(4)), 1, 2, 3, 4, 5, 6), sent("echo", wrapping{port: packet.GUEPort, noSum: true})},
	{"udp without a checksum", frame(ip4{}, udp{Checksum: packet.Zero}, fill(9)), sent("echo", wrapping{port: packet.GUEPort, noSum: true})},
	{"udp without a checksum, backend v6", frame(to4("2"), udp{Checksum: packet.Zero}), sent("six-udp", wrapping{port: packet.GUEPort, noSum: true})},
	{"udp without a checksum, ipip", frame(to4("3"), udp{Checksum: packet.Zero}), sent("tun-udp", ipip)},

	{"ttl 2 is enough", frame(ip4{TTL: 2}, syn), sent("web", gue)},
	{"hop limit 2 is enough", frame(ip6{TTL: 2}, syn), sent("web", gue)},
	{"ttl 255", frame(ip4{TTL: 255}, syn), sent("web", gue)},
	{"a header checksum that carries over", frame(ip4{ID: idFor(0xff80)}, syn), sent("web", gue)},
	{"a header checksum that becomes zero", frame(ip4{ID: idFor(0xfeff)}, syn), sent("web", gue)},
	{"dscp and ect of v4 go to the outer v4 header", frame(ip4{TOS: 0xb9}, syn), sent("web", gue)},
	{"congestion experienced goes to the outer v6 header", frame(ip4{Dst: addr("10.99.0.2"), TOS: 3}, syn), sent("six", gue)},
	{"the class of v6 goes to the outer v4 header, the label does not", frame(ip6{Class: 0xb8, Label: 0xabcde}, syn), sent("web", gue)},
	{"the class of v6 goes to the outer v6 header", frame(ip6{Dst: addr("fd00:99::4"), Class: 0xff, Label: 0x12345}, syn), sent("tun6", ipip)},

	{"a vip of every port", frame(to4("6"), tcp{Dst: 8080, Flags: "S"}), sent("all", gue)},
	{"a vip of every port over v6", frame(to6("6"), tcp{Dst: 65535, Flags: "S"}), sent("all", gue)},
	{"a port of its own beside every port", frame(to4("6"), tcp{Dst: 443, Flags: "S"}), sent("one", gue)},
	{"a port of its own beside every port, over v6", frame(to6("6"), tcp{Dst: 443, Flags: "S"}), sent("one", gue)},
	{"to port 0 of a vip of every port", frame(to4("6"), tcp{Dst: packet.Zero, Flags: "S"}), sent("all", gue)},
	{"from port 0", frame(ip4{}, tcp{Src: packet.Zero, Flags: "S"}), sent("web", gue)},

	{"exactly the mtu", frame(to4("12"), tcp{Flags: "A"}, fill(1500-28-40)), sent("narrow", gue)},
	{"exactly the mtu over v6", frame(to6("c"), tcp{Flags: "A"}, fill(1500-28-60)), sent("narrow", gue)},
	{"exactly the mtu with ipip", frame(to4("15"), tcp{Flags: "A"}, fill(1500-20-40)), sent("narrowtun", ipip)},
}

// undelivered are packets for a VIP that reach no backend.
var undelivered = []row{
	{"one byte above the mtu", frame(to4("12"), tcp{Flags: "A"}, fill(1501-28-40)), dropped("too_big", "narrow")},
	{"one byte above the mtu with ipip", frame(to4("15"), tcp{Flags: "A"}, fill(1501-20-40)), dropped("too_big", "narrowtun")},
	{"no backends", frame(to4("10"), syn), dropped("no_backend", "empty")},
	{"no backend takes new flows", frame(to4("11"), syn), dropped("no_backend", "resting")},
	{"nor packets of old ones when there were none", frame(to4("11"), tcp{Flags: "A"}), dropped("no_backend", "resting")},
	{"the next hop does not answer", frame(to4("13"), syn), dropped("no_next_hop", "lost")},
	{"the backend is behind another nic", frame(to4("14"), syn), redirected(sent("elsewhere", gue))},
	{"ttl 1", frame(ip4{TTL: 1}, syn), dropped("ttl_exceeded", "web")},
	{"ttl 0", frame(ip4{TTL: packet.Zero}, syn), dropped("ttl_exceeded", "web")},
	{"hop limit 1", frame(ip6{TTL: 1}, udp{}), dropped("ttl_exceeded", "echo")},
	{"hop limit 0", frame(ip6{TTL: packet.Zero}, udp{}), dropped("ttl_exceeded", "echo")},
}

var elsewhere4, elsewhere6 = ip4{Dst: addr("192.0.2.1")}, ip6{Dst: addr("2001:db8:1::1")}

// others are packets that are not for a VIP.
var others = []row{
	{"an address that is no vip", frame(elsewhere4, syn), passed("no_vip")},
	{"an address that is no vip, v6", frame(elsewhere6, syn), passed("no_vip")},
	{"ssh to the vip's address", frame(ip4{}, tcp{Dst: 22, Flags: "S"}), passed("no_vip")},
	{"udp to a tcp vip", frame(ip4{}, udp{Dst: 80}), passed("no_vip")},
	{"tcp to a udp vip", frame(ip6{}, tcp{Dst: 7}), passed("no_vip")},
	{"udp to a vip of every tcp port", frame(to4("6"), udp{Dst: 443}), passed("no_vip")},
	{"to port 0 of a vip with a port", frame(ip4{}, tcp{Dst: packet.Zero}), passed("no_vip")},
	{"gre to a vip", frame(ip4{Protocol: 47}, fill(20)), passed("no_vip")},
	{"esp to a vip over v6", frame(ip6{Next: 50}, fill(40)), passed("no_vip")},
	{"protocol 0 to a vip", frame(ip4{Protocol: packet.Zero}, fill(20)), passed("no_vip")},
	{"icmp's number over v6", frame(ip6{Next: packet.ProtoICMP}, fill(20)), passed("no_vip")},
	{"no next header", frame(ip6{}), passed("no_vip")},
	{"a ttl of 1 to no vip", frame(ip4{Dst: addr("192.0.2.1"), TTL: 1}, udp{}), passed("no_vip")},
	{"echo request to no vip", frame(elsewhere4, packet.ICMPv4{}), passed("no_vip")},
	{"neighbour solicitation", frame(ip6{Dst: addr("ff02::1:ff00:1"), TTL: 255}, packet.ICMPv6{Type: 135}, fill(16)), passed("no_vip")},
	{"a fragment to no vip", frame(ip4{Dst: addr("192.0.2.1"), MF: true}, udp{}, fill(8)), passed("no_vip")},
	{"a fragment to no vip over v6", frame(elsewhere6, packet.Fragment{MF: true}, udp{}), passed("no_vip")},
	{"extension headers to no vip", frame(elsewhere6, packet.HopByHop{}, syn), passed("no_vip")},
	{"a vlan tag to no vip", frame(vlan{}, elsewhere4, syn), passed("no_vip")},
	{"broadcast", frame(ip4{Dst: addr("255.255.255.255")}, udp{Src: 68, Dst: 67}, fill(240)), passed("no_vip")},
	{"arp for a vip", frame(packet.ARP{}), passed("not_ip")},
	{"arp behind a vlan tag", frame(vlan{}, packet.ARP{}), passed("not_ip")},
	{"mpls", frame(packet.MPLS{}, ip4{}, syn), passed("not_ip")},
	{"an ethertype that nobody knows", frame(fill(46)), passed("not_ip")},
	{"three vlan tags", frame(vlan{}, vlan{}, vlan{}, ip4{}, syn), passed("not_ip")},
	{"an ethernet header and no more", frame(), passed("not_ip")},
}

// broken are packets that contradict themselves or end too early.
var broken = []row{
	{"ip version 5", frame(ip4{Version: 5}, syn), passed("malformed")},
	{"ip version 6 as ipv4", frame(ip4{Version: 6}, syn), passed("malformed")},
	{"ip version 4 as ipv6", frame(ip6{Version: 4}, syn), passed("malformed")},
	{"ihl 4", frame(ip4{IHL: 4}, syn), passed("malformed")},
	{"ihl 0", frame(ip4{IHL: packet.Zero}, syn), passed("malformed")},
	{"an ihl beyond the packet", frame(ip4{IHL: 15}, syn), passed("malformed")},
	{"a total length below the header", frame(ip4{Len: 19}, syn), passed("malformed")},
	{"a total length of 0", frame(ip4{Len: packet.Zero}, syn), passed("malformed")},
	{"a total length beyond the frame", frame(ip4{Len: 41}, syn), passed("truncated")},
	{"the largest total length", frame(ip4{Len: 65535}, syn), passed("truncated")},
	{"a payload length beyond the frame", frame(ip6{Len: 21}, syn), passed("truncated")},
	{"a payload length without room for tcp", frame(ip6{Len: 19}, syn), passed("malformed")},
	{"a jumbogram", frame(ip6{Len: packet.Zero}, syn), passed("malformed")},
	{"a total length without room for tcp", frame(ip4{Len: 39}, syn), passed("malformed")},
	{"no room for tcp at the end of the frame", frame(ip4{Protocol: packet.ProtoTCP}, fill(19)), passed("malformed")},
	{"a total length without room for udp", frame(ip4{Len: 27}, udp{}), passed("malformed")},
	{"no room for udp at the end of the frame", frame(ip6{Next: packet.ProtoUDP}, fill(7)), passed("malformed")},
	{"a tcp data offset of 4", frame(ip4{}, tcp{Offset: 4}), passed("malformed")},
	{"a tcp data offset of 0", frame(ip6{}, tcp{Offset: packet.Zero}), passed("malformed")},
	{"a tcp data offset beyond the segment", frame(ip4{}, tcp{Offset: 6}), passed("malformed")},
	{"a tcp data offset beyond the segment, within the padding", packet.Pad(frame(ip4{}, tcp{Offset: 6}), 60), passed("malformed")},
	{"a udp length of 7", frame(ip4{}, udp{Len: 7}, fill(10)), passed("malformed")},
	{"a udp length of 0", frame(ip6{}, udp{Len: packet.Zero}, fill(10)), passed("malformed")},
	{"a udp length beyond the packet", frame(ip4{}, udp{Len: 19}, fill(10)), passed("malformed")},
	{"a udp length beyond the packet, within the padding", packet.Pad(frame(ip4{}, udp{Len: 19}, fill(10)), 60), passed("malformed")},
	{"malformed, but for no vip", frame(ip4{Dst: addr("192.0.2.1"), IHL: 4}, syn), passed("malformed")},
	{"ends before the ipv4 header", packet.Truncate(frame(ip4{}, syn), 14), passed("truncated")},
	{"ends within the ipv4 header", packet.Truncate(frame(ip4{}, syn), 33), passed("truncated")},
	{"ends behind the ipv4 header", packet.Truncate(frame(ip4{}, syn), 34), passed("truncated")},
	{"ends within the tcp header", packet.Truncate(frame(ip4{}, syn), 53), passed("truncated")},
	{"ends before the ipv6 header", packet.Truncate(frame(ip6{}, udp{}), 14), passed("truncated")},
	{"ends within the ipv6 header", packet.Truncate(frame(ip6{}, udp{}), 53), passed("truncated")},
	{"ends behind the ipv6 header", packet.Truncate(frame(ip6{}, udp{}), 54), passed("truncated")},
	{"ends within the udp header", packet.Truncate(frame(ip6{}, udp{}), 61), passed("truncated")},
	{"ends within a vlan tag", packet.Truncate(frame(vlan{}, ip4{}, syn), 17), passed("truncated")},
	{"ends behind a vlan tag", packet.Truncate(frame(vlan{}, ip4{}, syn), 18), passed("truncated")},
	{"ends within the second vlan tag", packet.Truncate(frame(vlan{TPID: packet.TypeQinQ}, vlan{}, ip4{}, syn), 20), passed("truncated")},
}

func balancerRows() []row {
	var all []row
	for _, list := range [][]row{balanced, undelivered, others, broken, tagged, quotes, strangeICMP, echoes, tooBig, extended, fragmented, looped} {
		all = append(all, list...)
	}
	return all
}

func TestBalancer(t *testing.T) {
	t.Parallel()
	n := newNode(t, balancerSpec)
	chain, seen := n.chain(t, "eth0", XDP), map[string]bool{}
	for _, r := range balancerRows() {
		if seen[r.sentence] {
			t.Errorf("two rows say %q", r.sentence)
		}
		seen[r.sentence] = true
		t.Run(r.sentence, func(t *testing.T) { n.check(t, chain, r, 0) })
	}
}

// TestCuts cuts packets short at every byte: none is taken for a whole one.
func TestCuts(t *testing.T) {
	t.Parallel()
	n := newNode(t, balancerSpec)
	chain := n.chain(t, "eth0", XDP)
	for _, whole := range [][]byte{
		frame(ip4{Options: []byte{1, 1, 1, 1}}, tcp{Flags: "S", Options: []byte{2, 4, 5, 180}}, fill(3)),
		frame(vlan{TPID: packet.TypeQinQ}, vlan{}, ip6{}, udp{}, fill(3)),
	} {
		for length := 14; length < len(whole); length++ {
			n.check(t, chain, row{in: packet.Truncate(whole, length), want: passed("truncated")}, 0)
			if t.Failed() {
				t.Fatalf("the first %d of %d bytes", length, len(whole))
			}
		}
	}
}

// TestNoGeneration sends packets before anything is applied, and into a row whose stages are missing.
func TestNoGeneration(t *testing.T) {
	t.Parallel()
	n := newNode(t, balancerSpec)
	chain, live := n.chain(t, "eth0", XDP), n.Control().Active
	web := frame(ip4{}, syn)
	if err := n.maps["rows_xdp"].Delete(rowOf(int(live), chain) + 1); err != nil {
		t.Fatal(err)
	}
	n.check(t, chain, row{in: web, want: passed("empty_slot")}, 0)
	n.check(t, chain, row{in: frame(packet.ARP{}), want: passed("not_ip")}, 0)
	if err := n.maps["rows_xdp"].Delete(rowOf(int(live), chain)); err != nil {
		t.Fatal(err)
	}
	n.check(t, chain, row{in: web, want: passed("no_generation")}, 0)
	n.check(t, n.chain(t, "eth1", XDP), row{in: frame(packet.ARP{}), want: passed("not_ip")}, 0)
	if err := n.Activate(int(live), 0, 0); err != nil {
		t.Fatal(err)
	}
	n.check(t, n.chain(t, "eth1", XDP), row{in: web, want: passed("no_generation")}, 0)
}

// TestNoHeadroom takes the room in front of the packet by metadata.
func TestNoHeadroom(t *testing.T) {
	t.Parallel()
	n := newNode(t, balancerSpec)
	chain := n.chain(t, "eth0", XDP)
	for vip, in := range map[string][]byte{
		"web": frame(ip4{}, syn), "six": frame(to4("2"), syn), "tun": frame(to6("3"), syn), "tun6-udp": frame(to6("4"), udp{}),
	} {
		n.check(t, chain, row{in: in, want: dropped("no_headroom", vip)}, 200)
	}
}

// TestOuterChecksumIsNeverZero: 0 would say that there is none (RFC 768), and over IPv6 that is an error (RFC 8200).
func TestOuterChecksumIsNeverZero(t *testing.T) {
	t.Parallel()
	n := newNode(t, balancerSpec)
	for i := range 1 << 20 {
		in := frame(ip4{Src: netip.AddrFrom4([4]byte{198, byte(i >> 16), byte(i >> 8), byte(i)}), Dst: addr("10.99.0.5")}, syn)
		if out := outward(t, in, addr("10.1.1.31"), wrapping{port: 7000}); out[40] == 0xff && out[41] == 0xff {
			n.check(t, n.chain(t, "eth0", XDP), row{in: in, want: sent("custom", wrapping{port: 7000})}, 0)
			return
		}
	}
	t.Error("no source gives a checksum of zero")
}

// TestOtherNIC: the same VIP comes in by both NICs, and its backend is behind one that cannot send for the other.
func TestOtherNIC(t *testing.T) {
	t.Parallel()
	n := newNode(t, balancerSpec)
	n.runsGeneric()
	n.check(t, n.chain(t, "eth1", XDP), row{in: frame(to4("14"), syn), want: sent("elsewhere", gue)}, 0)
	n.check(t, n.chain(t, "eth1", XDP), row{in: frame(ip4{}, syn), want: dropped("other_nic", "web")}, 0)
}

// TestRedirect: where the other NIC runs XDP in its driver, the packet leaves by it.
func TestRedirect(t *testing.T) {
	t.Parallel()
	n := newNode(t, balancerSpec)
	from, to := n.chain(t, "eth1", XDP), n.chain(t, "eth0", XDP)
	for _, r := range []row{
		{"tcp v4, backend v4, gue", frame(ip4{}, syn), redirected(sent("web", gue))},
		{"tcp v6, backend v4, gue", frame(ip6{}, syn), redirected(sent("web", gue))},
		{"udp v4, backend v6, gue", frame(to4("2"), udp{}, fill(6)), redirected(sent("six-udp", gue))},
		{"tcp v6, backend v6, ipip", frame(to6("4"), syn), redirected(sent("tun6", ipip))},
		{"tcp v4, backend v4, ipip", frame(to4("3"), syn), redirected(sent("tun", ipip))},
		{"behind extension headers", frame(ip6{}, packet.HopByHop{}, syn), redirected(sent("web", unsum))},
		{"an icmp error", frame(router4, needed, packet.Quote(data4, 28)), redirected(follows("web", unsum, web4))},
		{"first fragment", frame(ip4{MF: true}, udp{Len: 1008}, fill(8)), redirected(sent("echo", unsum))},
		{"exactly the mtu", frame(to4("12"), tcp{Flags: "A"}, fill(1500-28-40)), redirected(sent("narrow", gue))},
		{"one byte above the mtu", frame(to4("12"), tcp{Flags: "A"}, fill(1501-28-40)), dropped("too_big", "narrow")},
		{"a vlan tag, which means nothing there", frame(vlan{}, ip4{}, syn), dropped("vlan", "web")},
		{"a ping", frame(ip4{}, icmp4{}), answered("echo_answered", "", reply4, icmp4{Type: packet.Zero, Checksum: 0xffff})},
		{"the next hop does not answer", frame(to4("13"), syn), dropped("no_next_hop", "lost")},
		{"the backend is behind this nic", frame(to4("14"), syn), sent("elsewhere", gue)},
	} {
		t.Run(r.sentence, func(t *testing.T) { n.check(t, from, r, 0) })
	}
	n.check(t, to, row{in: frame(to4("14"), syn), want: redirected(sent("elsewhere", gue))}, 0)
}

// runsGeneric says that no driver runs XDP, so that no NIC sends for others.
func (n *node) runsGeneric() {
	for i := range n.chains.all {
		n.chains.all[i].Mode = Generic
	}
	for _, b := range n.Backends() {
		n.SetNextHop(b.ID, reach(b.Address))
	}
}

// idFor is the ID with which the default IPv4 header in front of a SYN has that checksum.
func idFor(checksum uint16) uint16 {
	for id := range uint16(0xffff) {
		if binary.BigEndian.Uint16(frame(ip4{ID: id}, syn)[24:]) == checksum {
			return id
		}
	}
	panic("no ID gives the checksum")
}

// TestRowsAreMany keeps the table from shrinking, and its sentences from becoming names.
func TestRowsAreMany(t *testing.T) {
	if got := len(balancerRows()); got < 200 {
		t.Errorf("%d rows, at least 200 are wanted", got)
	}
	for _, r := range balancerRows() {
		if strings.ToLower(r.sentence) != r.sentence {
			t.Errorf("%q has capitals", r.sentence)
		}
	}
}
