package datapath

import (
	"testing"

	"hairpin/engine/packet"
)

// fragmented are fragments that can be judged by themselves.
var fragmented = []row{
	{"first fragment", frame(ip4{MF: true, ID: 1}, udp{Len: 1008}, fill(800)), sent("echo", unsum)},
	{"first fragment over v6", frame(ip6{}, frag{MF: true, ID: 1}, udp{Len: 1008}, fill(800)), sent("echo", unsum)},
	{"first fragment of tcp", frame(ip4{MF: true, ID: 2}, tcp{Flags: "A"}, fill(36)), sent("web", unsum)},
	{"first fragment of tcp over v6", frame(ip6{}, frag{MF: true}, tcp{Flags: "A"}, fill(4)), sent("web", unsum)},
	{"first fragment, backend v6, ipip", frame(ip4{Dst: addr("10.99.0.4"), MF: true}, udp{Len: 1008}, fill(8)), sent("tun6-udp", ipip)},
	{"first fragment with no more than the ports", frame(ip4{MF: true}, udp{Len: 1008}), sent("echo", unsum)},
	{"first fragment behind ipv4 options", frame(ip4{MF: true, Options: make([]byte, 40)}, udp{Len: 1008}, fill(8)), sent("echo", unsum)},
	{"first fragment behind options", frame(ip6{}, hop{}, frag{MF: true}, udp{Len: 1008}, fill(8)), sent("echo", unsum)},
	{"options within the first fragment", frame(ip6{}, frag{MF: true}, opts{}, udp{Len: 1008}, fill(8)), sent("echo", unsum)},
	{"first fragment behind a vlan tag", frame(vlan{}, ip4{MF: true}, udp{Len: 1008}, fill(8)), sent("echo", unsum)},
	{"first fragment with ttl 1", frame(ip4{MF: true, TTL: 1}, udp{Len: 1008}, fill(8)), dropped("ttl_exceeded", "echo")},
	{"first fragment for no service", frame(ip4{MF: true, ID: 4}, udp{Dst: 53, Len: 1008}, fill(8)), passed("no_vip")},

	{"a later fragment without the first", frame(ip4{MF: true, ID: 77, Offset: 100, Protocol: packet.ProtoUDP}, fill(800)), dropped("fragment", "web")},
	{"the last fragment without the first", frame(ip4{ID: 78, Offset: 101, Protocol: packet.ProtoUDP}, fill(10)), dropped("fragment", "web")},
	{"a later fragment without the first, v6", frame(ip6{}, frag{MF: true, ID: 77, Offset: 9, Next: packet.ProtoUDP}, fill(8)), dropped("fragment", "web")},
	{"a fragment of a ping", frame(ip4{MF: true}, icmp4{}, fill(8)), dropped("fragment", "web")},
	{"a fragment of a ping, v6", frame(ip6{}, frag{MF: true}, icmp6{}, fill(8)), dropped("fragment", "web")},
	{"a fragment of gre", frame(ip4{MF: true, Protocol: 47}, fill(8)), dropped("fragment", "web")},
	{"a fragment behind options that are too many", frame(ip6{}, opts{Options: make([]byte, 70)}, frag{MF: true}, udp{}), dropped("extension_header", "web")},

	{"a syn in pieces", frame(ip4{MF: true}, syn, fill(4)), dropped("bad_fragment", "web")},
	{"a syn in pieces, v6", frame(ip6{}, frag{MF: true}, syn, fill(4)), dropped("bad_fragment", "web")},
	{"a first fragment too short for a tcp header", frame(ip4{MF: true, Protocol: packet.ProtoTCP}, fill(16)), dropped("bad_fragment", "web")},
	{"a first fragment too short for tcp options", frame(ip4{MF: true}, tcp{Offset: 8}, fill(4)), dropped("bad_fragment", "web")},
	{"a first fragment too short for ports", frame(ip4{MF: true, Protocol: packet.ProtoUDP}, fill(1)), dropped("bad_fragment", "web")},
	{"a first fragment too short for udp, v6", frame(ip6{}, frag{MF: true, Next: packet.ProtoUDP}), dropped("bad_fragment", "web")},
	{"a later fragment over the tcp header", frame(ip4{Offset: 1, Protocol: packet.ProtoTCP}, fill(16)), dropped("bad_fragment", "web")},
	{"a later fragment over the end of the tcp header", frame(ip4{Offset: 2, Protocol: packet.ProtoTCP}, fill(16)), dropped("bad_fragment", "web")},
	{"a later fragment over the tcp header, v6", frame(ip6{}, frag{Offset: 1, Next: packet.ProtoTCP}, fill(16)), dropped("bad_fragment", "web")},
	{"a fragment beyond the largest packet", frame(ip4{Offset: 8191, Protocol: packet.ProtoUDP}, fill(8)), dropped("bad_fragment", "web")},
	{"a fragment beyond the largest packet, v6", frame(ip6{}, frag{Offset: 8190, Next: packet.ProtoUDP}, fill(16)), dropped("bad_fragment", "web")},
	{"a fragment of an odd length, with more to come", frame(ip4{MF: true, Offset: 9, Protocol: packet.ProtoUDP}, fill(9)), dropped("bad_fragment", "web")},
	{"a fragment of an odd length, with more to come, v6", frame(ip6{}, frag{MF: true, Offset: 9, Next: packet.ProtoUDP}, fill(15)), dropped("bad_fragment", "web")},
	{"a fragment of nothing", frame(ip4{MF: true, Offset: 9, Protocol: packet.ProtoUDP}), dropped("bad_fragment", "web")},
	{"a first fragment of nothing", frame(ip4{MF: true, Protocol: packet.ProtoTCP}), dropped("bad_fragment", "web")},
}

// TestFragments sends the fragments of packets in turn: those that come behind the first one go with it, the others nowhere.
func TestFragments(t *testing.T) {
	t.Parallel()
	n := newNode(t, balancerSpec)
	chain := n.chain(t, "eth0", XDP)
	first4 := func(id uint16, port packet.Field) []byte {
		return frame(ip4{MF: true, ID: id}, udp{Src: port, Len: 1008}, fill(800))
	}
	later4 := func(id uint16) []byte { return frame(ip4{Offset: 101, ID: id, Protocol: packet.ProtoUDP}, fill(200)) }
	first6 := func(id uint32, port packet.Field) []byte {
		return frame(ip6{}, frag{MF: true, ID: id}, udp{Src: port, Len: 1008}, fill(800))
	}
	later6 := func(id uint32) []byte {
		return frame(ip6{}, frag{Offset: 101, ID: id, Next: packet.ProtoUDP}, fill(200))
	}
	for i, port := range []packet.Field{40001, 40002, 40003, 40004, 40005, 40006} {
		id := uint16(500 + i)
		n.check(t, chain, row{in: later4(id), want: dropped("fragment", "web")}, 0)
		n.check(t, chain, row{in: first4(id, port), want: sent("echo", unsum)}, 0)
		n.check(t, chain, row{in: first6(uint32(id)<<16, port), want: sent("echo", unsum)}, 0)
	}
	for i, port := range []packet.Field{40001, 40002, 40003, 40004, 40005, 40006} { // all at a time, and again
		id := uint16(500 + i)
		n.check(t, chain, row{in: later4(id), want: follows("echo", unsum, first4(id, port))}, 0)
		n.check(t, chain, row{in: later6(uint32(id) << 16), want: follows("echo", unsum, first6(0, port))}, 0)
		n.check(t, chain, row{in: later4(id), want: follows("echo", unsum, first4(id, port))}, 0)
		n.check(t, chain, row{in: later6(uint32(id)), want: dropped("fragment", "web")}, 0)
	}
	tcpFirst := frame(ip4{MF: true, ID: 500}, tcp{Flags: "PA"}, fill(100))
	for _, r := range []row{
		{"another protocol of the same number", frame(ip4{Offset: 15, ID: 500, Protocol: packet.ProtoTCP}, fill(8)), dropped("fragment", "web")},
		{"its first fragment", tcpFirst, sent("web", unsum)},
		{"the same behind it", frame(ip4{Offset: 15, ID: 500, Protocol: packet.ProtoTCP}, fill(8)), follows("web", unsum, tcpFirst)},
		{"from another source", frame(ip4{Src: addr("198.51.100.8"), Offset: 15, ID: 500, Protocol: packet.ProtoTCP}, fill(8)), dropped("fragment", "web")},
		{"to another address", frame(ip4{Dst: addr("10.99.0.3"), Offset: 15, ID: 500, Protocol: packet.ProtoTCP}, fill(8)), dropped("fragment", "tun")},
		{"behind a vlan tag", frame(vlan{}, ip4{Offset: 15, ID: 500, Protocol: packet.ProtoTCP}, fill(8)), follows("web", unsum, tcpFirst)},
		{"too big, which is nobody's to know", frame(ip4{Offset: 20, ID: 500, Protocol: packet.ProtoTCP, DF: true}, fill(1600)), dropped("too_big", "web")},
		{"first of no service", frame(ip4{MF: true, ID: 600}, udp{Dst: 53, Len: 1008}, fill(8)), passed("no_vip")},
		{"later of no service", frame(ip4{Offset: 2, ID: 600, Protocol: packet.ProtoUDP}, fill(8)), passed("no_vip")},
		{"behind hop-by-hop options", frame(ip6{}, hop{}, frag{Offset: 101, ID: 500 << 16, Next: packet.ProtoUDP}, fill(8)), follows("echo", unsum, first6(0, 40001))},
		{"a first fragment again, by other ports", first4(501, 40100), sent("echo", unsum)},
		{"the newer one counts", later4(501), follows("echo", unsum, first4(501, 40100))},
	} {
		t.Run(r.sentence, func(t *testing.T) { n.check(t, chain, r, 0) })
	}
	n.ageFragments(t)
	n.check(t, chain, row{in: later4(500), want: dropped("fragment", "web")}, 0)
	n.check(t, chain, row{in: later6(500 << 16), want: dropped("fragment", "web")}, 0)
}

// ageFragments makes half a minute pass for what is known of fragments.
func (n *node) ageFragments(t *testing.T) {
	t.Helper()
	const ageShift, ageMask, ticks = 32, 0xff, 30
	for i := range n.maps["fragments"].MaxEntries() {
		var s set
		if err := n.maps["fragments"].Lookup(i, &s); err != nil {
			t.Fatal(err)
		}
		if s == (set{}) {
			continue
		}
		for w, e := range s {
			if e != 0 {
				s[w] = e&^(ageMask<<ageShift) | (e>>ageShift-ticks)&ageMask<<ageShift
			}
		}
		if err := n.maps["fragments"].Put(i, s); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFragmentFlood: what is kept of first fragments is bounded, and a packet that came a moment ago is still known behind
// a flood of others.
func TestFragmentFlood(t *testing.T) {
	t.Parallel()
	n := newNode(t, balancerSpec)
	chain := n.chain(t, "eth0", XDP)
	for i := range 2000 {
		n.run(t, chain, frame(ip4{Src: addr("203.0.113.9"), MF: true, ID: uint16(i)}, udp{Len: 1008}, fill(8)), 0)
	}
	first := frame(ip4{MF: true, ID: 9}, udp{Len: 1008}, fill(8))
	n.check(t, chain, row{in: first, want: sent("echo", unsum)}, 0)
	for i := range 2000 {
		n.run(t, chain, frame(ip4{Src: addr("203.0.113.10"), MF: true, ID: uint16(i)}, udp{Len: 1008}, fill(8)), 0)
	}
	n.check(t, chain, row{in: frame(ip4{Offset: 2, ID: 9, Protocol: packet.ProtoUDP}, fill(8)), want: follows("echo", unsum, first)}, 0)
}
