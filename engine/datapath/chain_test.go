package datapath

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"hairpin/engine/maglev"
	"hairpin/engine/packet"
	"hairpin/engine/reason"
	"hairpin/engine/spec"
)

// The headers of rows, by short names.
type (
	eth   = packet.Eth
	vlan  = packet.VLAN
	ip4   = packet.IPv4
	ip6   = packet.IPv6
	tcp   = packet.TCP
	udp   = packet.UDP
	inner = packet.Inner
)

var (
	fill  = packet.Fill
	build = packet.Build
	addr  = netip.MustParseAddr
)

// frame is these layers behind an Ethernet header from the router to the node.
func frame(layers ...packet.Layer) []byte { return build(append([]packet.Layer{eth{}}, layers...)...) }

// row is a packet and what becomes of it.
type row struct {
	sentence string
	in       []byte
	want     fate
}

// fate is what becomes of a packet: the reason it leaves with, the VIP that counts it, and the frame that leaves.
type fate struct {
	reason string
	vip    string // empty: none counts it
	out    func(t testing.TB, n *node, in []byte) (frame []byte, backend netip.Addr)
	also   string // kind of a counter of the VIP's that counts it too; empty = none
	at     int    // position of the stage that drops it; 0 = the first
	left   []byte // what is left of one that ends here or goes up; nil = all of it
}

// passed goes up to the kernel as it came.
func passed(reason string) fate { return fate{reason: reason} }

// dropped ends here; vip is the one it was for, empty when that is not known.
func dropped(reason, vip string) fate { return fate{reason: reason, vip: vip} }

// sent leaves for the backend of vip that the ring says, in the outer headers that wrap gives it.
func sent(vip string, wrap wrapping) fate {
	return fate{reason: "forwarded", vip: vip, out: func(t testing.TB, n *node, in []byte) ([]byte, netip.Addr) {
		backend := n.ringChoice(t, vip, in)
		return outward(t, in, backend, wrap), backend
	}}
}

// redirected is sent by another NIC.
func redirected(f fate) fate {
	f.reason = "redirected"
	return f
}

// follows leaves for the backend of vip that the ring gives another packet, in the outer headers of that one's flow.
func follows(vip string, wrap wrapping, other []byte) fate {
	return fate{reason: "forwarded", vip: vip, out: func(t testing.TB, n *node, in []byte) ([]byte, netip.Addr) {
		backend := n.ringChoice(t, vip, other)
		return outwardAs(t, in, other, backend, wrap), backend
	}}
}

// answered leaves as an answer of the node's own.
func answered(reason, vip string, layers ...packet.Layer) fate {
	return fate{reason: reason, vip: vip, out: func(_ testing.TB, _ *node, _ []byte) ([]byte, netip.Addr) {
		return build(append([]packet.Layer{eth{Src: packet.NodeMAC, Dst: packet.RouterMAC}}, layers...)...), netip.Addr{}
	}}
}

// wrapping is an encapsulation: GUE to a port, IPIP for 0; noSum leaves the outer UDP checksum out.
type wrapping struct {
	port  uint16
	noSum bool
}

var (
	gue   = wrapping{port: packet.GUEPort}
	unsum = wrapping{port: packet.GUEPort, noSum: true} // nothing inside that a checksum could be made of
	ipip  = wrapping{}
)

// flow reads addresses and ports of a frame, by the parser of engine/packet.
func flow(t testing.TB, in []byte) (s packet.Summary, src, dst netip.AddrPort) {
	t.Helper()
	s, err := packet.Parse(in)
	if err != nil || !s.HasPorts {
		t.Fatalf("a row that expects a backend has no flow: %v: %v", s, err)
	}
	return s, netip.AddrPortFrom(s.Src, s.SrcPort), netip.AddrPortFrom(s.Dst, s.DstPort)
}

// ringChoice is the backend that the ring of the spec alone gives a flow, computed without the kernel.
func (n *node) ringChoice(t testing.TB, vip string, in []byte) netip.Addr {
	t.Helper()
	v := n.spec.VIP(vip)
	if v == nil {
		t.Fatalf("no vip %s", vip)
	}
	_, src, dst := flow(t, in)
	slot := maglev.Slot(SlotHash(v.Hash, src, dst), int(v.Ring))
	if i := int(buildRing(t, v)[slot]); i > 0 {
		return v.Backends[i-1].Address
	}
	return netip.Addr{}
}

// buildRing is the ring of a VIP in which the i-th backend has the id i+1.
func buildRing(t testing.TB, v *spec.VIP) []uint16 {
	t.Helper()
	var entries []maglev.Entry
	for i, b := range v.Backends {
		if b.TakesNew() {
			entries = append(entries, maglev.Entry{ID: uint16(i + 1), Key: b.Address, Weight: b.Weight})
		}
	}
	ring := make([]uint16, v.Ring)
	if err := new(maglev.Builder).Build(ring, entries); err != nil {
		t.Fatal(err)
	}
	return ring
}

// outward is the frame in which the packet of in travels to a backend: one hop less, the class copied to the outer header,
// what follows the packet still behind it, VLAN tags as they came.
func outward(t testing.TB, in []byte, backend netip.Addr, wrap wrapping) []byte {
	t.Helper()
	return outwardAs(t, in, in, backend, wrap)
}

// outwardAs is the same for a packet that goes with the flow of another.
func outwardAs(t testing.TB, in, other []byte, backend netip.Addr, wrap wrapping) []byte {
	t.Helper()
	s, err := packet.Parse(in)
	if err != nil {
		t.Fatal(err)
	}
	_, src, dst := flow(t, other)
	ip := in[s.NetworkAt : s.NetworkAt+s.Length]
	layers := []packet.Layer{eth{Src: packet.NodeMAC, Dst: packet.RouterMAC}}
	if backend.Is4() {
		layers = append(layers, ip4{Src: source4, Dst: backend, TOS: s.TOS, DF: true})
	} else {
		layers = append(layers, ip6{Src: source6, Dst: backend, Class: s.TOS})
	}
	if wrap.port != 0 {
		hash := uint16(FlowHash(src, dst))
		header := udp{Src: packet.Is(hash&0xff<<8 | 0xc000 | hash>>8), Dst: packet.Is(wrap.port)}
		if wrap.noSum {
			header.Checksum = packet.Zero
		}
		layers = append(layers, header)
	}
	out := append(build(append(layers, inner(oneHopLess(ip)))...), in[s.NetworkAt+s.Length:]...)
	return slices.Insert(out, 12, in[12:s.NetworkAt-2]...)
}

// oneHopLess is the IP packet as a router would send it on.
func oneHopLess(ip []byte) []byte {
	ip = slices.Clone(ip)
	if ip[0]>>4 == 6 {
		ip[7]--
		return ip
	}
	ip[8]--
	binary.BigEndian.PutUint16(ip[10:], 0)
	binary.BigEndian.PutUint16(ip[10:], packet.Checksum(0, ip[:ip[0]&0xf*4]))
	return ip
}

// check sends the packet of a row into a chain and compares everything that it left behind.
func (n *node) check(t *testing.T, chain int, r row, meta int) {
	t.Helper()
	before := n.ledger(t)
	verdict, out := n.run(t, chain, r.in, meta)
	after := n.ledger(t)
	why, ok := reason.ByName(r.want.reason)
	if !ok {
		t.Fatalf("no reason is called %s", r.want.reason)
	}
	want := verdictOf(n.chains.all[chain].Hook, why.Verdict)
	switch {
	case why.Verdict == reason.Drop && why.Stage == reason.Balancer && r.want.out != nil:
		want = xdpTX // its sender is told
	case why.Name == "redirected":
		want = xdpRedirect
	}
	if verdict != want {
		t.Errorf("verdict %d, want %d", int32(verdict), int32(want))
	}
	frame := r.in
	if r.want.left != nil {
		frame = r.want.left
	}
	defer func() { checked.count(n, r, out) }()
	counted := []string{fmt.Sprintf("chain %d %s", chain, r.want.reason)}
	if r.want.out != nil {
		var backend netip.Addr
		if frame, backend = r.want.out(t, n, r.in); backend.IsValid() {
			counted = append(counted, fmt.Sprintf("backend %s %s", r.want.vip, backend))
		}
	}
	if why.Verdict == reason.Drop {
		counted = append(counted, dropLine(chain, max(1, r.want.at), r.want.vip, r.want.reason, false))
	}
	switch {
	case r.want.vip == "":
	case why.Verdict == reason.Drop:
		counted = append(counted, "vip_drop "+r.want.vip)
	default:
		counted = append(counted, "vip "+r.want.vip)
	}
	for i := range counted {
		counted[i] += fmt.Sprintf(" 1/%d", len(r.in))
	}
	if r.want.also != "" {
		counted = append(counted, fmt.Sprintf("%s %s 1/0", r.want.also, r.want.vip))
	}
	slices.Sort(counted)
	if diff := packet.Diff(out, frame); diff != "" {
		t.Errorf("frame out: %s", diff)
	}
	if got, want := after.since(before), strings.Join(counted, ", "); got != want {
		t.Errorf("counted %s\nwant    %s", got, want)
	}
	if got := after.exits() - before.exits(); got != 1 {
		t.Errorf("one packet came in and %d left", got)
	}
}

// dropLine is a row of the drop ledger; no vip stands for none.
func dropLine(chain, position int, vip, reason string, shadow bool) string {
	line := fmt.Sprintf("drop chain %d position %d vip %q %s", chain, position, vip, reason)
	if shadow {
		line += " in shadow"
	}
	return line
}

func (n *node) dropName(d Drop) string {
	vip := ""
	if d.VIP != 0 {
		vip = n.vipName(int(d.VIP))
	}
	return dropLine(d.Chain, d.Account, vip, reasonName(int(d.Reason)), d.Shadow)
}

func verdictOf(hook Hook, v reason.Verdict) uint32 {
	xdp := map[reason.Verdict]uint32{reason.Forward: xdpTX, reason.Pass: xdpPass, reason.Drop: xdpDrop}
	tc := map[reason.Verdict]uint32{reason.Pass: tcUnspec, reason.Drop: tcShot}
	if hook == XDP {
		return xdp[v]
	}
	return tc[v]
}
