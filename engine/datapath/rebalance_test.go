package datapath

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"hairpin/engine/packet"
	"hairpin/engine/reason"
)

var rebalanceSpec = strings.Replace(balancerSpec, "eth0: {xdp: [balancer]}", "eth0: {xdp: [decap, balancer]}", 1) + `
agent: {vips: [10.99.0.99, "fd00:99::99"]}
`

// Another load balancer, and this one as others see it.
var (
	there4 = ip4{Src: addr("10.1.5.5"), Dst: source4}
	there6 = ip6{Src: addr("fd00:1:5::5"), Dst: source6}
)

// tunnels are the ways to this node for what is inside.
var tunnels = []struct {
	name string
	wrap func(inside []byte) []byte
}{
	{"gue over v4", func(p []byte) []byte { return frame(there4, udp{Dst: packet.GUEPort}, inner(p)) }},
	{"gue over v6", func(p []byte) []byte { return frame(there6, udp{Dst: packet.GUEPort}, inner(p)) }},
	{"gue variant 0 over v4", func(p []byte) []byte { return variant0(there4, 0, protocolOf(p), 0, inner(p)) }},
	{"gue variant 0 over v6", func(p []byte) []byte { return variant0(there6, 1, protocolOf(p), 0, inner(p)) }},
	{"ipip over v4", func(p []byte) []byte { return frame(there4, inner(p)) }},
	{"ipip over v6", func(p []byte) []byte { return frame(there6, inner(p)) }},
}

func protocolOf(ip []byte) byte {
	if ip[0]>>4 == 6 {
		return packet.ProtoIPv6
	}
	return packet.ProtoIPv4
}

// through is the row of the same packet in a tunnel to a node that balances what it brings.
func (r row) through(wrap func([]byte) []byte) row {
	bare := r.in
	r.in, r.want.left = wrap(bare[14:]), bare
	if r.want.at++; r.want.out != nil {
		out := r.want.out
		r.want.out = func(t testing.TB, n *node, _ []byte) ([]byte, netip.Addr) { return out(t, n, bare) }
	}
	return r
}

// TestRebalance: what tunnels bring for a VIP of the balancer behind decap fares as if it had come alone.
func TestRebalance(t *testing.T) {
	t.Parallel()
	n := newNode(t, rebalanceSpec)
	chain := n.chain(t, "eth0", XDP)
	for i, way := range tunnels {
		rows := slices.Concat(balanced, undelivered, quotes, extended)
		if i == 0 {
			rows = append(rows, slices.Concat(echoes, tooBig, fragmented)...) // answers are few, and fragments are remembered
		}
		for _, r := range rows {
			why, _ := reason.ByName(r.want.reason)
			if tagged := r.in[12] != 8 && r.in[12] != 0x86; tagged || why.Name == "no_vip" || why.Stage == reason.Parse {
				continue // it goes through no tunnel, or has no business here
			}
			r.want.at = 1
			t.Run(way.name+": "+r.sentence, func(t *testing.T) { n.check(t, chain, r.through(way.wrap), 0) })
		}
	}
}

// TestRebalancePasses: what comes by no tunnel fares as if decap did not stand there.
func TestRebalancePasses(t *testing.T) {
	t.Parallel()
	n := newNode(t, rebalanceSpec)
	chain := n.chain(t, "eth0", XDP)
	for _, r := range balancerRows() {
		r.want.at = 2
		t.Run(r.sentence, func(t *testing.T) { n.check(t, chain, r, 0) })
	}
}

var hosted4, hosted6 = ip4{Dst: addr("10.99.0.99")}, ip6{Dst: addr("fd00:99::99")}

// behindDecap is dropped by the balancer, without its outer headers.
func behindDecap(reason, vip string, left ...packet.Layer) fate {
	return fate{reason: reason, vip: vip, at: 2, left: frame(left...)}
}

// without is dropped by decap, without its outer headers.
func without(reason string, left ...packet.Layer) fate {
	return fate{reason: reason, left: frame(left...)}
}

func TestRebalanceEnds(t *testing.T) {
	t.Parallel()
	n := newNode(t, rebalanceSpec)
	chain := n.chain(t, "eth0", XDP)
	for _, r := range []row{
		{"for an address that is hosted here", frame(there4, udp{Dst: packet.GUEPort}, hosted4, syn), bare(hosted4, syn)},
		{"for an address that is hosted here, v6", frame(there4, udp{Dst: packet.GUEPort}, hosted6, syn), bare(hosted6, syn)},
		{"for an address that is hosted here, ipip", frame(there6, hosted4, udp{}), bare(hosted4, udp{})},
		{"plain, for an address that is hosted here", frame(hosted4, syn), passed("no_vip")},

		{"for no vip", frame(there4, udp{Dst: packet.GUEPort}, elsewhere4, syn), without("foreign_vip", elsewhere4, syn)},
		{"for no vip, v6", frame(there4, elsewhere6, syn), without("foreign_vip", elsewhere6, syn)},
		{"for no service of a vip", frame(there4, ip4{}, tcp{Dst: 22}), without("foreign_vip", ip4{}, tcp{Dst: 22})},
		{"an inner tcp header that does not fit", frame(there4, inner(build(ip4{Len: 30}, syn))), without("inner_malformed", inner(build(ip4{Len: 30}, syn)))},
		{"nothing inside", frame(there4, udp{Dst: packet.GUEPort}), dropped("inner_malformed", "")},
		{"congestion that its sender cannot hear of", frame(ip4{Src: there4.Src, Dst: source4, TOS: 3}, ip4{}, syn), dropped("congested", "")},
		{"congestion outside goes on", frame(ip4{Src: there4.Src, Dst: source4, TOS: 3}, ip4{TOS: 2}, syn),
			row{in: frame(ip4{TOS: 3}, syn), want: sent("web", gue)}.through(func([]byte) []byte { return nil }).want},

		{"what this node sent comes back", frame(ip4{Src: source4}, udp{Dst: packet.GUEPort}, ip4{}, syn), behindDecap("looped", "web", ip4{}, syn)},
		{"what this node sent comes back, ipip", frame(ip4{Src: source4}, to6("3"), syn), behindDecap("looped", "tun", to6("3"), syn)},
		{"what this node sent comes back, over v6", frame(ip6{Src: source6}, udp{Dst: packet.GUEPort}, to4("2"), syn), behindDecap("looped", "six", to4("2"), syn)},
		{"what this node sent by another family comes back", frame(ip6{Src: source6}, ip4{}, syn),
			row{in: frame(ip4{}, syn), want: sent("web", gue)}.through(func([]byte) []byte { return nil }).want},
		{"at the end of its ttl", frame(there4, ip4{TTL: 1}, syn), behindDecap("ttl_exceeded", "web", ip4{TTL: 1}, syn)},
		{"a tunnel in a tunnel, for a vip", frame(there4, there4, ip4{}, syn), without("foreign_vip", there4, ip4{}, syn)},
		{"a tunnel behind a vlan tag", frame(vlan{}, there4, udp{Dst: packet.GUEPort}, ip4{}, syn), passed("no_vip")},
		{"a fragment of a tunnel's packet", frame(ip4{Src: there4.Src, Dst: source4, MF: true}, udp{Dst: packet.GUEPort}, ip4{}, syn), passed("no_vip")},
		{"arp", frame(packet.ARP{}), passed("not_ip")},
	} {
		t.Run(r.sentence, func(t *testing.T) { n.check(t, chain, r, 0) })
	}
	var strangers []netip.Addr
	list, err := n.Strangers()
	for _, s := range list {
		strangers = append(strangers, s.Address)
	}
	if want := []netip.Addr{addr("10.99.0.1"), there4.Dst, elsewhere4.Dst, elsewhere6.Dst}; err != nil || !slices.Equal(sortedAddrs(strangers), sortedAddrs(want)) {
		t.Errorf("strangers %v, want %v, %v", strangers, want, err)
	}
}

// TestRebalanceDry: a what-if sees what is inside, whose it is, and where it goes.
func TestRebalanceDry(t *testing.T) {
	t.Parallel()
	n := newNode(t, rebalanceSpec)
	chain, bare := n.chain(t, "eth0", XDP), frame(ip4{}, syn)
	before := n.ledger(t)
	r, err := n.Dry(int(n.Control().Active), chain, tunnels[0].wrap(bare[14:]))
	if err != nil {
		t.Fatal(err)
	}
	backend := n.ringChoice(t, "web", bare)
	if diff := packet.Diff(r.Frame, outward(t, bare, backend, gue)); diff != "" {
		t.Errorf("frame out: %s", diff)
	}
	var decap []SightKind
	for _, s := range r.Sights {
		if s.Position == 1 {
			decap = append(decap, s.Kind)
		}
	}
	if !slices.Equal(decap, []SightKind{SawInner, SawVIP}) || r.Note.Backend != uint32(n.id(t, "web", backend.String())) || len(r.Spans) != 3 {
		t.Errorf("decap saw %v, %+v, %d spans", decap, r.Note, len(r.Spans))
	}
	if moved := n.ledger(t).since(before); moved != "" {
		t.Errorf("a dry packet counted %s", moved)
	}
}

func sortedAddrs(list []netip.Addr) []netip.Addr {
	return slices.SortedFunc(slices.Values(list), netip.Addr.Compare)
}
