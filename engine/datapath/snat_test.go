package datapath

import (
	"net/netip"
	"slices"
	"testing"

	"hairpin/engine/packet"
	"hairpin/engine/reason"
)

const snatSpec = `
version: 1
nics: {eth0: {xdp: [decap], tcx_egress: [snat]}, eth1: {tcx_ingress: [decap]}}
agent: {mode: snat, vips: [10.99.0.1, 10.99.0.2, "fd00:99::1", "fd00:99::2"], local: [10.1.1.11, "fd00:1:1::11"]}
`

// The ends of flows: the client is the one that packet's layers have, the server's addresses are these.
var (
	local4, local6   = addr("10.1.1.11"), addr("fd00:1:1::11")
	client4, client6 = packet.Client4, packet.Client6
	vip4at, vip6at   = packet.VIP4, packet.VIP6
	second4          = addr("10.99.0.2")
)

// wrapped is a packet as the balancer sends it, and inside is the same one by itself.
func wrapped(layers ...packet.Layer) []byte {
	return frame(append([]packet.Layer{outer4, udp{Dst: packet.GUEPort}}, inner(build(layers...)))...)
}

// toward is what the server gets, and away what it sends: by itself in its frame.
func toward(layers ...packet.Layer) []byte { return frame(layers...) }

// away leaves for the router.
func away(layers ...packet.Layer) []byte {
	return build(append([]packet.Layer{eth{Src: packet.NodeMAC, Dst: packet.RouterMAC}}, layers...)...)
}

// changed leaves as another frame than it came.
func changed(reason, vip string, out []byte) fate {
	return fate{reason: reason, vip: vip, out: func(testing.TB, *node, []byte) ([]byte, netip.Addr) { return out, netip.Addr{} }}
}

func served(out []byte) fate     { return changed("decapsulated", "agent", out) }
func orphaned(out []byte) fate   { return changed("no_socket", "agent", out) }
func translated(out []byte) fate { return changed("translated", "", out) }

// refused is dropped when it is unwrapped already.
func refused(reason string) fate {
	return fate{reason: reason, vip: "agent", out: func(_ testing.TB, _ *node, in []byte) ([]byte, netip.Addr) {
		eth := slices.Clone(in[:14])
		if in[42]>>4 == 6 {
			eth[12], eth[13] = 0x86, 0xdd
		}
		return append(eth, in[42:]...), netip.Addr{}
	}}
}

// The begin of a flow of each kind, as the balancer sends it, and its answer.
var (
	begin4    = wrapped(ip4{}, syn)
	begin6    = wrapped(ip6{}, syn)
	beginUDP4 = wrapped(ip4{}, udp{})
	beginUDP6 = wrapped(ip6{}, udp{})
)

// srv4 and srv6 are the headers of what a server sends to the client.
var (
	srv4    = ip4{Src: local4, Dst: client4}
	srv6    = ip6{Src: local6, Dst: client6}
	vipFor4 = ip4{Src: vip4at, Dst: client4}
	vipFor6 = ip6{Src: vip6at, Dst: client6}
	at4     = ip4{Dst: local4}
	at6     = ip6{Dst: local6}
)

func answer(flags string) tcp { return tcp{Src: 80, Dst: 40000, Flags: flags, Seq: 7, Ack: 1} }

var reply = udp{Src: 7, Dst: 40000}

// snatRow is a row after packets that made what it meets.
type snatRow struct {
	before [][]byte
	row
}

// inward are packets on their way to the server.
var inward = []snatRow{
	{nil, row{"tcp v4", begin4, served(toward(at4, syn))}},
	{nil, row{"tcp v6", begin6, served(toward(at6, syn))}},
	{nil, row{"tcp v4 with options and an odd payload", wrapped(ip4{Options: []byte{7, 3, 4}}, tcp{Flags: "S", Options: []byte{2, 4, 5, 180}}, fill(33)),
		served(toward(ip4{Dst: local4, Options: []byte{7, 3, 4}}, tcp{Flags: "S", Options: []byte{2, 4, 5, 180}}, fill(33)))}},
	{nil, row{"udp v4", wrapped(ip4{}, udp{}, fill(5)), served(toward(at4, udp{}, fill(5)))}},
	{nil, row{"udp v6", wrapped(ip6{}, udp{}, fill(5)), served(toward(at6, udp{}, fill(5)))}},
	{nil, row{"udp v4 without a checksum", wrapped(ip4{}, udp{Checksum: packet.Zero}, fill(9)), served(toward(at4, udp{Checksum: packet.Zero}, fill(9)))}},
	{nil, row{"the second vip", wrapped(ip4{Dst: second4}, syn), served(toward(at4, syn))}},
	{nil, row{"v4 in v6", frame(outer6, udp{Dst: packet.GUEPort}, inner(build(ip4{}, syn))), served(toward(at4, syn))}},
	{nil, row{"v6 in v6, ipip", frame(outer6, ip6{}, syn), served(toward(at6, syn))}},
	{nil, row{"v4 in v4, ipip", frame(outer4, ip4{}, syn), served(toward(at4, syn))}},
	{nil, row{"gue variant 0", frame(outer4, udp{Dst: packet.GUEPort}, packet.Payload(append([]byte{0, 4, 0, 0}, build(ip4{}, syn)...))), served(toward(at4, syn))}},
	{[][]byte{begin4}, row{"the same syn again", begin4, served(toward(at4, syn))}},
	{[][]byte{begin4}, row{"an ack of a flow that is known", wrapped(ip4{}, tcp{Flags: "A", Seq: 1, Ack: 8}), served(toward(at4, tcp{Flags: "A", Seq: 1, Ack: 8}))}},
	{[][]byte{begin6}, row{"data of a flow that is known, v6", wrapped(ip6{}, tcp{Flags: "PA"}, fill(700)), served(toward(at6, tcp{Flags: "PA"}, fill(700)))}},
	{[][]byte{begin4}, row{"the end of a flow", wrapped(ip4{}, tcp{Flags: "FA"}), served(toward(at4, tcp{Flags: "FA"}))}},
	{nil, row{"an ack that no socket waits for", wrapped(ip4{}, tcp{Flags: "A"}), orphaned(toward(at4, tcp{Flags: "A"}))}},
	{nil, row{"data that no socket waits for, v6", wrapped(ip6{}, tcp{Flags: "PA"}, fill(9)), orphaned(toward(at6, tcp{Flags: "PA"}, fill(9)))}},
	{nil, row{"a reset that no socket waits for", wrapped(ip4{}, tcp{Flags: "R"}), served(toward(at4, tcp{Flags: "R"}))}},
	{nil, row{"a ttl of 1", wrapped(ip4{TTL: 1}, syn), served(toward(ip4{Dst: local4, TTL: 1}, syn))}},
	{nil, row{"a large one", wrapped(ip4{}, udp{}, fill(1400)), served(toward(at4, udp{}, fill(1400)))}},

	{nil, row{"first fragment", wrapped(ip4{MF: true}, udp{Len: 1008}, fill(80)), served(toward(ip4{Dst: local4, MF: true}, udp{Len: 1008, Checksum: udpSum(local4, 1008, 80)}, fill(80)))}},
	{nil, row{"last fragment", wrapped(ip4{Offset: 101, Protocol: packet.ProtoUDP}, fill(10)), served(toward(ip4{Dst: local4, Offset: 101, Protocol: packet.ProtoUDP}, fill(10)))}},
	{nil, row{"last fragment over v6", wrapped(ip6{}, packet.Fragment{Offset: 9, Next: packet.ProtoUDP}, fill(8)),
		served(toward(at6, packet.Fragment{Offset: 9, Next: packet.ProtoUDP}, fill(8)))}},

	{nil, row{"echo request", wrapped(ip4{}, icmp4{Rest: 7 << 16}, fill(56)), served(toward(at4, icmp4{Rest: 7 << 16}, fill(56)))}},
	{nil, row{"echo request over v6", wrapped(ip6{}, icmp6{Rest: 7 << 16}, fill(56)), served(toward(at6, icmp6{Rest: 7 << 16}, fill(56)))}},
	{[][]byte{begin4}, row{"fragmentation needed, 8 bytes quoted", wrapped(ip4{Src: hop4}, icmp4{Type: 3, Code: 4, Rest: 1400}, packet.Quote(build(vipFor4, answer("A"), fill(99)), 28)),
		served(toward(ip4{Src: hop4, Dst: local4}, icmp4{Type: 3, Code: 4, Rest: 1400}, quoteOf(build(vipFor4, answer("A"), fill(99)), build(srv4, answer("A"), fill(99)), 28)))}},
	{[][]byte{begin4}, row{"fragmentation needed, a whole header quoted", wrapped(ip4{Src: hop4}, icmp4{Type: 3, Code: 4, Rest: 1400}, packet.Quote(build(vipFor4, answer("A"), fill(99)), 68)),
		served(toward(ip4{Src: hop4, Dst: local4}, icmp4{Type: 3, Code: 4, Rest: 1400}, packet.Quote(build(srv4, answer("A"), fill(99)), 68)))}},
	{[][]byte{begin6}, row{"packet too big", wrapped(ip6{Src: hop6}, icmp6{Type: 2, Rest: 1280}, packet.Quote(build(vipFor6, answer("A"), fill(99)), 90)),
		served(toward(ip6{Src: hop6, Dst: local6}, icmp6{Type: 2, Rest: 1280}, packet.Quote(build(srv6, answer("A"), fill(99)), 90)))}},
	{[][]byte{begin6}, row{"packet too big, 8 bytes quoted", wrapped(ip6{Src: hop6}, icmp6{Type: 2, Rest: 1280}, packet.Quote(build(vipFor6, answer("A"), fill(99)), 48)),
		served(toward(ip6{Src: hop6, Dst: local6}, icmp6{Type: 2, Rest: 1280}, quoteOf(build(vipFor6, answer("A"), fill(99)), build(srv6, answer("A"), fill(99)), 48)))}},
	{[][]byte{beginUDP4}, row{"port unreachable, of udp", wrapped(ip4{}, icmp4{Type: 3, Code: 3}, packet.Quote(build(vipFor4, reply, fill(9)), 28)),
		served(toward(at4, icmp4{Type: 3, Code: 3}, packet.Quote(build(srv4, reply, fill(9)), 28)))}},
	{[][]byte{beginUDP4}, row{"port unreachable, of udp without a checksum", wrapped(ip4{}, icmp4{Type: 3, Code: 3}, packet.Quote(build(vipFor4, udp{Src: 7, Dst: 40000, Checksum: packet.Zero}), 28)),
		served(toward(at4, icmp4{Type: 3, Code: 3}, packet.Quote(build(srv4, udp{Src: 7, Dst: 40000, Checksum: packet.Zero}), 28)))}},
	{[][]byte{beginUDP6}, row{"time exceeded, of udp over v6", wrapped(ip6{Src: hop6}, icmp6{Type: 3}, packet.Quote(build(vipFor6, reply, fill(9)), 57)),
		served(toward(ip6{Src: hop6, Dst: local6}, icmp6{Type: 3}, packet.Quote(build(srv6, reply, fill(9)), 57)))}},
	{nil, row{"an error of a flow that is not known", wrapped(ip4{}, icmp4{Type: 3, Code: 3}, packet.Quote(build(vipFor4, reply), 28)),
		served(toward(at4, icmp4{Type: 3, Code: 3}, packet.Quote(build(srv4, reply), 28)))}},

	{nil, row{"an error that quotes another's packet", wrapped(ip4{}, icmp4{Type: 3, Code: 4}, packet.Quote(build(ip4{Src: second4, Dst: client4}, answer("A")), 28)), refused("untranslatable")}},
	{nil, row{"an error that quotes a later fragment", wrapped(ip4{}, icmp4{Type: 3, Code: 4}, packet.Quote(build(ip4{Src: vip4at, Dst: client4, Offset: 5, Protocol: packet.ProtoUDP}, fill(20)), 28)), refused("untranslatable")}},
	{nil, row{"an error that quotes too little", wrapped(ip4{}, icmp4{Type: 3, Code: 4}, packet.Quote(build(vipFor4, answer("A")), 27)), refused("untranslatable")}},
	{nil, row{"an error that quotes ihl 4", wrapped(ip4{}, icmp4{Type: 3, Code: 4}, packet.Quote(build(ip4{Src: vip4at, Dst: client4, IHL: 4}, answer("A")), 40)), refused("untranslatable")}},
	{nil, row{"an error of a protocol of others", wrapped(ip4{}, icmp4{Type: 3, Code: 4}, packet.Quote(build(ip4{Src: vip4at, Dst: client4, Protocol: 47}, fill(40)), 40)), refused("untranslatable")}},
	{nil, row{"echo reply", wrapped(ip4{}, icmp4{Type: packet.Zero}, fill(8)), refused("untranslatable")}},
	{nil, row{"neighbour solicitation", wrapped(ip6{TTL: 255}, icmp6{Type: 135}, fill(16)), refused("untranslatable")}},
	{nil, row{"gre", wrapped(ip4{Protocol: 47}, fill(20)), refused("untranslatable")}},
	{nil, row{"hop-by-hop options", wrapped(ip6{}, packet.HopByHop{}, syn), served(toward(at6, packet.HopByHop{}, syn))}},
	{nil, row{"destination options and the first fragment", wrapped(ip6{}, packet.DestOpts{}, packet.Fragment{MF: true}, udp{Len: 1008, Checksum: 0x1234}, fill(80)),
		served(toward(at6, packet.DestOpts{}, packet.Fragment{MF: true}, udp{Len: 1008, Checksum: sumFor6(0x1234)}, fill(80)))}},
	{nil, row{"a mobility header", wrapped(ip6{Next: 135}, fill(8)), refused("untranslatable")}},
	{nil, row{"a tcp header cut short", wrapped(ip4{Protocol: packet.ProtoTCP}, fill(19)), refused("inner_malformed")}},

	{[][]byte{begin4}, row{"the flow of another vip", wrapped(ip4{Dst: second4}, syn), refused("flow_taken")}},
	{[][]byte{beginUDP6}, row{"the flow of another vip, udp over v6", wrapped(ip6{Dst: addr("fd00:99::2")}, udp{}), refused("flow_taken")}},
	{[][]byte{wrapped(ip4{Dst: second4}, syn)}, row{"an error of the flow of another vip", wrapped(ip4{}, icmp4{Type: 3, Code: 4}, packet.Quote(build(vipFor4, answer("A")), 40)), refused("flow_taken")}},
	{[][]byte{begin4}, row{"a direct connection with the same ends", frame(at4, syn), dropped("flow_taken", "")}},
	{[][]byte{beginUDP6}, row{"a direct datagram with the same ends", frame(at6, udp{}), dropped("flow_taken", "")}},
	{[][]byte{begin4}, row{"a direct connection from another port", frame(at4, tcp{Src: 40001, Flags: "S"}), passed("not_encapsulated")}},
	{nil, row{"a direct connection", frame(at4, syn), passed("not_encapsulated")}},
	{nil, row{"not encapsulated, to the vip", frame(ip4{}, syn), passed("not_encapsulated")}},
	{nil, row{"for a vip of others", wrapped(ip4{Dst: addr("10.99.0.3")}, syn), dropped("foreign_vip", "")}},
}

var hop4, hop6 = addr("192.0.2.1"), addr("2001:db8:f::1")

// outward are packets of the server's.
var outward4 = []snatRow{
	{[][]byte{begin4}, row{"syn and ack", away(srv4, answer("SA")), translated(away(vipFor4, answer("SA")))}},
	{[][]byte{begin6}, row{"syn and ack over v6", away(srv6, answer("SA")), translated(away(vipFor6, answer("SA")))}},
	{[][]byte{begin4}, row{"data", away(srv4, answer("PA"), fill(1001)), translated(away(vipFor4, answer("PA"), fill(1001)))}},
	{[][]byte{begin6}, row{"data over v6", away(srv6, answer("PA"), fill(1001)), translated(away(vipFor6, answer("PA"), fill(1001)))}},
	{[][]byte{begin4}, row{"a reset", away(srv4, answer("R")), translated(away(vipFor4, answer("R")))}},
	{[][]byte{wrapped(ip4{}, tcp{Flags: "A"})}, row{"a reset for an orphan", away(srv4, answer("R")), translated(away(vipFor4, answer("R")))}},
	{[][]byte{beginUDP4}, row{"udp", away(srv4, reply, fill(3)), translated(away(vipFor4, reply, fill(3)))}},
	{[][]byte{beginUDP6}, row{"udp over v6", away(srv6, reply, fill(3)), translated(away(vipFor6, reply, fill(3)))}},
	{[][]byte{beginUDP4}, row{"udp without a checksum", away(srv4, udp{Src: 7, Dst: 40000, Checksum: packet.Zero}), translated(away(vipFor4, udp{Src: 7, Dst: 40000, Checksum: packet.Zero}))}},
	{[][]byte{wrapped(ip4{Dst: second4}, syn)}, row{"from the second vip", away(srv4, answer("SA")), translated(away(ip4{Src: second4, Dst: client4}, answer("SA")))}},
	{[][]byte{begin4}, row{"ipv4 options", away(ip4{Src: local4, Dst: client4, Options: make([]byte, 40)}, answer("A")), translated(away(ip4{Src: vip4at, Dst: client4, Options: make([]byte, 40)}, answer("A")))}},
	{[][]byte{wrapped(ip4{}, icmp4{Rest: 7 << 16})}, row{"echo reply", away(srv4, icmp4{Type: packet.Zero, Rest: 7<<16 | 1}, fill(9)), translated(away(vipFor4, icmp4{Type: packet.Zero, Rest: 7<<16 | 1}, fill(9)))}},
	{[][]byte{wrapped(ip6{}, icmp6{Rest: 7 << 16})}, row{"echo reply over v6", away(srv6, icmp6{Type: 129, Rest: 7 << 16}, fill(9)), translated(away(vipFor6, icmp6{Type: 129, Rest: 7 << 16}, fill(9)))}},
	{[][]byte{beginUDP4}, row{"port unreachable", away(srv4, icmp4{Type: 3, Code: 3}, packet.Quote(build(at4, udp{}, fill(9)), 37)),
		translated(away(vipFor4, icmp4{Type: 3, Code: 3}, packet.Quote(build(ip4{}, udp{}, fill(9)), 37)))}},
	{[][]byte{beginUDP6}, row{"port unreachable over v6", away(srv6, icmp6{Type: 1, Code: 4}, packet.Quote(build(at6, udp{}, fill(9)), 57)),
		translated(away(vipFor6, icmp6{Type: 1, Code: 4}, packet.Quote(build(ip6{}, udp{}, fill(9)), 57)))}},
	{[][]byte{begin4}, row{"an error of another router's about it", away(ip4{Src: hop4, Dst: client4}, icmp4{Type: 3, Code: 4}, packet.Quote(build(at4, tcp{Flags: "A"}), 40)),
		translated(away(ip4{Src: hop4, Dst: client4}, icmp4{Type: 3, Code: 4}, packet.Quote(build(ip4{}, tcp{Flags: "A"}), 40)))}},
	{[][]byte{begin6}, row{"an error of another router's about it, over v6", away(ip6{Src: hop6, Dst: client6}, icmp6{Type: 2, Rest: 1280}, packet.Quote(build(at6, tcp{Flags: "A"}), 48)),
		translated(away(ip6{Src: hop6, Dst: client6}, icmp6{Type: 2, Rest: 1280}, quoteOf(build(at6, tcp{Flags: "A"}), build(ip6{}, tcp{Flags: "A"}), 48)))}},

	{nil, row{"of no flow", away(srv4, answer("SA")), passed("untranslated")}},
	{[][]byte{begin4}, row{"from another port", away(srv4, tcp{Src: 81, Dst: 40000, Flags: "A"}), passed("untranslated")}},
	{[][]byte{begin4}, row{"to another port", away(srv4, tcp{Src: 80, Dst: 40001, Flags: "A"}), passed("untranslated")}},
	{[][]byte{begin4}, row{"from another address", away(ip4{Src: addr("10.1.1.12"), Dst: client4}, answer("A")), passed("untranslated")}},
	{[][]byte{begin4}, row{"to another client", away(ip4{Src: local4, Dst: hop4}, answer("A")), passed("untranslated")}},
	{[][]byte{begin4}, row{"udp from the port of tcp", away(srv4, udp{Src: 80, Dst: 40000}), passed("untranslated")}},
	{[][]byte{begin4}, row{"from the vip itself", away(vipFor4, answer("A")), passed("untranslated")}},
	{nil, row{"gre", away(ip4{Src: local4, Dst: client4, Protocol: 47}, fill(20)), passed("untranslated")}},
	{nil, row{"an echo request of its own", away(srv4, icmp4{Rest: 9 << 16}), passed("untranslated")}},
	{nil, row{"an error about a packet of no flow", away(srv4, icmp4{Type: 3, Code: 3}, packet.Quote(build(at4, udp{}), 28)), passed("untranslated")}},
	{nil, row{"a later fragment", away(ip4{Src: local4, Dst: client4, Offset: 100, Protocol: packet.ProtoUDP}, fill(20)), passed("first_unseen")}},
	{nil, row{"arp", away(packet.ARP{}), passed("not_ip")}},
}

// quoteOf is what is left of a quoted packet whose address alone was put right: of the transport's sum, nothing was quoted.
func quoteOf(was, now []byte, n int) packet.Payload {
	head := 40
	if now[0]>>4 == 4 {
		head = int(now[0]&0xf) * 4
	}
	return packet.Payload(append(slices.Clone(now[:head]), was[head:n]...))
}

// udpSum is the checksum that a datagram of length bytes to the VIP, of which only so many are there, has when it goes to
// another address.
func udpSum(to netip.Addr, length uint16, content int) packet.Field {
	of := func(a netip.Addr) uint16 {
		raw := build(ip4{Dst: a, MF: true}, udp{Len: packet.Is(length)}, fill(content))
		return uint16(raw[26])<<8 | uint16(raw[27])
	}
	return sumFrom(vip4at, to, of(vip4at)) // what the packet has, and then what the addresses differ by
}

// sumFor6 is what a checksum to the VIP becomes when the packet goes to the local address.
func sumFor6(sum uint16) packet.Field { return sumFrom(vip6at, local6, sum) }

// sumFrom is what a checksum over one address becomes when another stands in its place.
func sumFrom(was, now netip.Addr, sum uint16) packet.Field {
	c, from, to := uint32(^sum), was.AsSlice(), now.AsSlice()
	for i := 0; i < len(from); i += 2 {
		c += uint32(^(uint16(from[i])<<8 | uint16(from[i+1]))) & 0xffff
		c += uint32(to[i])<<8 | uint32(to[i+1])
	}
	for c>>16 != 0 {
		c = c&0xffff + c>>16
	}
	return packet.Is(^uint16(c))
}

func (n *node) forget() { clear(n.natFlows.all) }

// checkAfter checks a row after what came before it, and that a dry run says and does the same.
func (n *node) checkAfter(t *testing.T, in, chain int, r snatRow) {
	t.Helper()
	n.forget()
	for _, b := range r.before {
		n.run(t, in, b, 0)
	}
	dry, err := n.Dry(int(n.Control().Active), chain, r.row.in)
	if err != nil {
		t.Fatal(err)
	}
	n.check(t, chain, r.row, 0)
	if why, _ := reason.ByID(int(dry.Note.Reason)); why.Name != r.want.reason {
		t.Errorf("a dry run ends by %s", why.Name)
	}
	if r.want.out == nil {
		return
	}
	want, _ := r.want.out(t, n, r.row.in)
	if diff := packet.Diff(dry.Frame, want); diff != "" {
		t.Errorf("a dry run: %s", diff)
	}
}

func TestSNAT(t *testing.T) {
	t.Parallel()
	n := newNode(t, snatSpec)
	xdp, tc, out := n.chain(t, "eth0", XDP), n.chain(t, "eth1", TCXIngress), n.chain(t, "eth0", TCXEgress)
	for _, r := range inward {
		t.Run("xdp, "+r.sentence, func(t *testing.T) { n.checkAfter(t, xdp, xdp, r) })
		t.Run("tc, "+r.sentence, func(t *testing.T) { n.checkAfter(t, tc, tc, r) })
	}
	for _, r := range outward4 {
		t.Run("out, "+r.sentence, func(t *testing.T) { n.checkAfter(t, xdp, out, r) })
	}
}
