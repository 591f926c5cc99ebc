package datapath

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"hairpin/engine/packet"
)

// handoverSpec has VIPs whose backends pass packets on, of both families.
const handoverSpec = `
version: 1
nics: {eth0: {xdp: [balancer]}}
vips:
  - {name: web, addresses: [10.99.0.1, "fd00:99::1"], port: 80, protocol: tcp, ring: 251, handover: true, backends: [{address: 10.1.1.1}, {address: 10.1.1.2}, {address: 10.1.1.3}]}
  - {name: six, addresses: [10.99.0.2, "fd00:99::2"], port: 80, protocol: tcp, ring: 251, handover: true, backends: [{address: "fd00:1:1::1"}, {address: "fd00:1:1::2"}]}
`

// naming is what a balancer puts in front of a packet, behind UDP, to name another backend: version is that of the packet's IP.
func naming(version byte, other netip.Addr, src, dst packet.MAC) []byte {
	words := byte(4 + len(other.AsSlice())/4)
	head := []byte{words, map[byte]byte{4: packet.ProtoIPv4, 6: packet.ProtoIPv6}[version], 0, 0, 'h', 'p', 0, 1}
	head = append(append(head, dst[:]...), src[:]...)
	return append(head, other.AsSlice()...)
}

// offering is a packet that leaves for a backend, and names another one.
func offering(vip string, home, other netip.Addr) fate {
	return fate{reason: "forwarded", vip: vip, also: "stray", out: func(t testing.TB, n *node, in []byte) ([]byte, netip.Addr) {
		s, src, dst := flow(t, in)
		hash := uint16(FlowHash(src, dst))
		payload := append(naming(s.Version, other, packet.NodeMAC, packet.RouterMAC), oneHopLess(in[s.NetworkAt:s.NetworkAt+s.Length])...)
		var outer packet.Layer = ip4{Src: source4, Dst: home, TOS: s.TOS, DF: true}
		if home.Is6() {
			outer = ip6{Src: source6, Dst: home, Class: s.TOS}
		}
		return away(outer, udp{Src: packet.Is(hash&0xff<<8 | 0xc000 | hash>>8), Dst: packet.GUEPort}, packet.Payload(payload)), home
	}}
}

// unoffered is the same packet without a name.
func unoffered(vip string, home netip.Addr) fate {
	return fate{reason: "forwarded", vip: vip, also: "stray", out: func(t testing.TB, n *node, in []byte) ([]byte, netip.Addr) {
		return outward(t, in, home, gue), home
	}}
}

// TestOffer: what goes to the backend before because nothing is known of it names the one of the ring; nothing else does.
func TestOffer(t *testing.T) {
	t.Parallel()
	n := newNode(t, handoverSpec)
	chain := n.chain(t, "eth0", XDP)
	for vip, added := range map[string]string{"web": "10.1.1.4", "six": "fd00:1:1::3"} {
		all := n.clients("web", 300)
		for _, c := range all {
			c.vip = vip
		}
		frameOf := func(c *client, flags string, more ...packet.Layer) []byte {
			var ip packet.Layer = ip4{Src: c.src.Addr(), Dst: n.spec.VIP(vip).Addresses[0], TOS: 0x20}
			if c.src.Addr().Is6() {
				ip = ip6{Src: c.src.Addr(), Dst: n.spec.VIP(vip).Addresses[1]}
			}
			return frame(append([]packet.Layer{ip, tcp{Src: packet.Is(c.src.Port()), Flags: flags}}, more...)...)
		}
		old := map[*client]netip.Addr{}
		for _, c := range all {
			old[c] = n.ringChoice(t, vip, frameOf(c, "A"))
		}
		n.add(t, vip, added)
		families := map[bool]int{}
		for _, c := range all {
			now := n.ringChoice(t, vip, frameOf(c, "A"))
			if now == old[c] {
				continue
			}
			full := 1510 // what fits the MTU of 1600 within the outer headers alone
			if families[c.src.Addr().Is4()]++; c.src.Addr().Is6() {
				full -= 20
			}
			n.check(t, chain, row{in: frameOf(c, "A", fill(9)), want: offering(vip, old[c], now)}, 0)
			n.check(t, chain, row{in: frameOf(c, "R"), want: offering(vip, old[c], now)}, 0)
			n.check(t, chain, row{in: frameOf(c, "A", fill(full)), want: unoffered(vip, old[c])}, 0) // it fits without
			n.check(t, chain, row{in: frame(append([]packet.Layer{vlan{}}, layersOf(frameOf(c, "A"))...)...), want: unoffered(vip, old[c])}, 0)
			n.check(t, chain, row{in: frameOf(c, "S"), want: sent(vip, gue)}, 0)
			n.check(t, chain, row{in: frameOf(c, "A"), want: sent(vip, gue)}, 0) // of a flow that is known now
		}
		if families[true] < 5 || families[false] < 5 {
			t.Errorf("%s: so many flows of each family were on moved slots: %v", vip, families)
		}
	}
}

// layersOf is what a frame has behind its Ethernet header.
func layersOf(f []byte) []packet.Layer { return []packet.Layer{inner(f[14:])} }

// handedOver leaves as another frame, by the NIC it came by.
func handedOver(outer packet.Layer, next packet.MAC, layers ...packet.Layer) fate {
	in := packet.Payload(oneHopLess(build(layers...)))
	return changed("handed_over", "", build(eth{Src: packet.NodeMAC, Dst: next}, outer, udp{Src: 50000, Dst: packet.GUEPort}, in))
}

// TestHandover: a packet without a socket goes on, once, to the backend that it names, when it comes from and goes to networks
// that the spec names; what has a socket, begins a connection, or names nobody is served here.
func TestHandover(t *testing.T) {
	const networks = `handover: [10.1.0.0/16, 10.2.0.0/24, "fd00:1::/32", "fd00::/64"]`
	for mode, text := range map[string]string{
		"dsr":  "version: 1\nnics: {eth0: {xdp: [decap]}}\nagent: {" + networks + ", vips: [10.99.0.1, \"fd00:99::1\"]}",
		"snat": strings.Replace(snatSpec, "mode: snat", networks+", mode: snat", 1),
	} {
		testHandover(t, mode, text)
	}
}

func testHandover(t *testing.T, mode, text string) {
	n := newNode(t, text)
	chain, in4 := n.chain(t, "eth0", XDP), ip4{}
	if mode == "snat" {
		in4 = at4
	}
	lb4, lb6 := addr("10.1.0.5"), addr("fd00:1::5")
	other4, other6 := addr("10.1.1.12"), addr("fd00:1:1::12")
	lbMAC, otherMAC := packet.MAC{2, 0, 0, 0, 0, 5}, packet.MAC{2, 0, 0, 0, 0, 12}
	own4, own6 := addr("10.1.1.11"), addr("fd00:1:1::11")
	ack, reset := tcp{Src: 40001, Flags: "A"}, tcp{Src: 40001, Flags: "R"}
	came := func(from packet.MAC, outer packet.Layer, head []byte, layers ...packet.Layer) []byte {
		return build(eth{Src: from, Dst: packet.NodeMAC}, outer, udp{Src: 50000, Dst: packet.GUEPort}, packet.Payload(append(head, build(layers...)...)))
	}
	from := func(lb, other netip.Addr, layers ...packet.Layer) []byte {
		return came(packet.RouterMAC, ip4{Src: lb, Dst: own4}, naming(4, other, lbMAC, otherMAC), layers...)
	}
	on4, on6 := ip4{Src: own4, Dst: other4, DF: true}, ip6{Src: own6, Dst: other6}
	wrongMark, later := naming(4, other4, lbMAC, otherMAC), naming(4, other4, lbMAC, otherMAC)
	wrongMark[4], later[7] = 'x', 2
	for _, r := range []row{
		{"through a router", from(lb4, other4, ip4{}, ack), handedOver(on4, packet.RouterMAC, ip4{}, ack)},
		{"on one link with the load balancer", came(lbMAC, ip4{Src: lb4, Dst: own4}, naming(4, other4, lbMAC, otherMAC), ip4{}, ack), handedOver(on4, otherMAC, ip4{}, ack)},
		{"v6 in v4", came(packet.RouterMAC, ip4{Src: lb4, Dst: own4}, naming(6, other4, lbMAC, otherMAC), ip6{}, ack), handedOver(on4, packet.RouterMAC, ip6{}, ack)},
		{"v4 in v6", came(packet.RouterMAC, ip6{Src: lb6, Dst: own6}, naming(4, other6, lbMAC, otherMAC), ip4{}, ack), handedOver(on6, packet.RouterMAC, ip4{}, ack)},
		{"v6 in v6", came(lbMAC, ip6{Src: lb6, Dst: own6}, naming(6, other6, lbMAC, otherMAC), ip6{}, ack), handedOver(on6, otherMAC, ip6{}, ack)},
		{"a reset", from(lb4, other4, ip4{}, reset), handedOver(on4, packet.RouterMAC, ip4{}, reset)},
		{"data, with a class", from(lb4, other4, ip4{TOS: 0xb8}, ack, fill(700)), handedOver(ip4{Src: own4, Dst: other4, DF: true, TOS: 0xb8}, packet.RouterMAC, ip4{TOS: 0xb8}, ack, fill(700))},
		{"a syn", from(lb4, other4, ip4{}, tcp{Src: 40009, Flags: "S"}), served(toward(in4, tcp{Src: 40009, Flags: "S"}))},
		{"of a connection", from(lb4, other4, ip4{}, tcp{Flags: "A"}), served(toward(in4, tcp{Flags: "A"}))},
		{"udp", from(lb4, other4, ip4{}, udp{}), served(toward(in4, udp{}))},
		{"from elsewhere", from(addr("192.0.2.1"), other4, ip4{}, ack), changed("not_handed_over", "agent", toward(in4, ack))},
		{"to elsewhere", from(lb4, addr("192.0.2.1"), ip4{}, ack), changed("not_handed_over", "agent", toward(in4, ack))},
		{"to nowhere", from(lb4, addr("0.0.0.0"), ip4{}, ack), changed("not_handed_over", "agent", toward(in4, ack))},
		{"just outside of a network", from(lb4, addr("10.2.1.0"), ip4{}, ack), changed("not_handed_over", "agent", toward(in4, ack))},
		{"that has come far", from(lb4, other4, ip4{TTL: 1}, ack), changed("not_handed_over", "agent", toward(ip4{Dst: in4.Dst, TTL: 1}, ack))},
		{"another's private data", came(packet.RouterMAC, ip4{Src: lb4, Dst: own4}, wrongMark, ip4{}, ack), unnamed(mode, toward(in4, ack))},
		{"of a later version", came(packet.RouterMAC, ip4{Src: lb4, Dst: own4}, later, ip4{}, ack), unnamed(mode, toward(in4, ack))},
		{"no name", frame(ip4{Src: lb4, Dst: own4}, udp{}, ip4{}, ack), unnamed(mode, toward(in4, ack))},
		{"for a vip of others", from(lb4, other4, ip4{Dst: addr("10.99.0.9")}, ack), dropped("foreign_vip", "")},
	} {
		n.forgetAll()
		if r.sentence == "of a connection" {
			listenAndConnect(t, in4.Dst)
		}
		if n.check(t, chain, r, 0); t.Failed() { // on this thread, whose network has the sockets
			t.Fatalf("%s: %s", mode, r.sentence)
		}
	}
	var sum AgentCount
	for _, h := range n.Hosted() {
		sum.Handed, sum.Orphans = plus(sum.Handed, h.Handed), plus(sum.Orphans, h.Orphans)
	}
	if sum.Handed.Packets != 7 || sum.Orphans.Packets < 5 {
		t.Errorf("%s: %+v", mode, sum)
	}
}

// unnamed is what becomes of a packet without a socket that names nobody: an agent that translates sees that it has none.
func unnamed(mode string, out []byte) fate {
	if mode == "snat" {
		return orphaned(out)
	}
	return served(out)
}

// forgetAll forgets flows where any are translated.
func (n *node) forgetAll() {
	if n.natFlows.all != nil {
		n.forget()
	}
}

// listenAndConnect has a socket that the client of packet's layers is connected to, until the test ends.
func listenAndConnect(t *testing.T, at netip.Addr) {
	t.Helper()
	if !at.IsValid() {
		at = vip4at
	}
	lo := nicByName(t, "lo")
	for _, a := range []netip.Addr{at, client4} {
		address, err := netlink.ParseAddr(a.String() + "/32")
		if err := errors.Join(err, netlink.AddrReplace(lo, address), netlink.LinkSetUp(lo)); err != nil {
			t.Fatal(err)
		}
	}
	server, err := net.Listen("tcp4", netip.AddrPortFrom(at, 80).String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: client4.AsSlice(), Port: 40000}}
	client, err := dialer.Dial("tcp4", server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
}
