package datapath

import (
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"hairpin/engine/packet"
)

// maker makes packets as a node meets them, and as it should not.
type maker struct{ *rand.Rand }

func oneOf[T any](m maker, list ...T) T { return list[m.IntN(len(list))] }

func (m maker) address(six bool) (src, dst netip.Addr) {
	if six {
		src = netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0x0b, oneOf[byte](m, 0xad, 0xae, 0xae, 0xae), 7: byte(m.IntN(4)), 15: byte(m.IntN(64))})
		return src, oneOf(m, addr("fd00:99::1"), addr("fd00:99::1"), addr("fd00:99::1"), addr("fd00:98::7"))
	}
	src = oneOf(m, netip.AddrFrom4([4]byte{198, 51, 100, byte(m.IntN(64))}), netip.AddrFrom4([4]byte{198, 18, byte(m.Uint32()), byte(m.Uint32())}),
		netip.AddrFrom4([4]byte{198, 18, byte(m.Uint32()), byte(m.Uint32())}), netip.AddrFrom4([4]byte{203, 0, 113, 9}),
		netip.AddrFrom4([4]byte{192, 0, 2, byte(m.IntN(256))}))
	return src, oneOf(m, addr("10.99.0.1"), addr("10.99.0.1"), addr("10.99.0.1"), addr("10.9.0.7"))
}

// transport is the layers behind IP.
func (m maker) transport(six bool) []packet.Layer {
	port := packet.Is(uint16(40000 + m.IntN(64)))
	data := fill(oneOf(m, 0, 4, 18, 100, 1470, 1560))
	switch m.IntN(12) {
	case 0, 1, 2:
		return []packet.Layer{udp{Src: port, Dst: oneOf[packet.Field](m, 7, 53, 53, 99), Checksum: oneOf(m, 0, 0, packet.Zero, packet.Wrong)}, data}
	case 3:
		if six {
			return []packet.Layer{packet.ICMPv6{Type: oneOf[packet.Field](m, 128, 1, 2)}, data}
		}
		return []packet.Layer{packet.ICMPv4{Type: oneOf[packet.Field](m, 8, 3)}, data}
	case 4:
		if six {
			return []packet.Layer{oneOf[packet.Layer](m, packet.Fragment{MF: true}, packet.DestOpts{}, packet.HopByHop{}), tcp{Src: port, Flags: "A"}, data}
		}
	}
	flags := oneOf(m, "S", "S", "S", "A", "A", "PA", "FA", "R", "SA", "FPU", "")
	return []packet.Layer{tcp{Src: port, Dst: oneOf[packet.Field](m, 80, 80, 80, 81), Flags: flags, Seq: m.Uint32N(3) << 16}, data}
}

// whole is a frame in which everything is right, but for some of its checksums.
func (m maker) whole() []byte {
	six := m.IntN(3) == 0
	src, dst := m.address(six)
	layers := []packet.Layer{eth{}}
	if m.IntN(20) == 0 {
		layers = append(layers, vlan{ID: 7})
	}
	ttl := oneOf[packet.Field](m, 64, 64, 64, 64, 64, 2, 1, packet.Zero)
	if six {
		layers = append(layers, ip6{Src: src, Dst: dst, TTL: ttl, Class: byte(m.Uint32())})
	} else {
		ip := ip4{Src: src, Dst: dst, TTL: ttl, TOS: byte(m.Uint32()), ID: uint16(m.Uint32()), DF: m.IntN(2) == 0}
		if m.IntN(20) == 0 {
			ip.MF, ip.Offset = m.IntN(2) == 0, uint16(m.IntN(3))
		}
		if m.IntN(20) == 0 {
			ip.Options = []byte{7, 7, 4, 0, 0, 0, 0}
		}
		layers = append(layers, ip)
	}
	return build(append(layers, m.transport(six)...)...)
}

// tunnel is a whole frame in GUE or IPIP.
func (m maker) tunnel() []byte {
	inside, dst := m.whole(), addr("10.1.1.11")
	inner := packet.Inner(inside[14:])
	if m.IntN(2) == 0 {
		return frame(ip4{Src: addr("10.1.0.2"), Dst: dst}, inner)
	}
	return frame(ip4{Src: addr("10.1.0.2"), Dst: dst}, udp{Src: 50000, Dst: oneOf[packet.Field](m, packet.GUEPort, packet.GUEPort, 99)}, inner)
}

// frame is one packet, in one of six cases with something about it that is wrong.
func (m maker) frame(tunnel bool) []byte {
	in := m.whole()
	if tunnel && m.IntN(4) > 0 {
		in = m.tunnel()
	}
	switch m.IntN(18) {
	case 0:
		return packet.Truncate(in, max(14, m.IntN(len(in))))
	case 1:
		return packet.Flip(in, 12+m.IntN(min(len(in)-12, 50)))
	case 2:
		return packet.Pad(in, len(in)+m.IntN(60))
	}
	return in
}

// meets compares what a dry run said of a frame with what then happened to it.
func (n *node) meets(t *testing.T, chain int, in []byte) (why string, same bool) {
	t.Helper()
	dry, err := n.Dry(int(n.Control().Active), chain, in)
	if err != nil {
		t.Fatal(err)
	}
	id := int(dry.Note.Backend)
	sent := n.sentTo(id)
	exit, verdict, out := n.exit(t, chain, in)
	why = reasonName(int(dry.Note.Reason))
	switch {
	case exit.Name != why && limitsMoved(why, exit.Name):
		return exit.Name, false
	case exit.Name != why:
		t.Errorf("%s: reason %s dry, %s live", describe(in), why, exit.Name)
	case dry.Verdict != verdict:
		t.Errorf("%s: verdict %d dry, %d live, reason %s", describe(in), dry.Verdict, verdict, why)
	case why == "forwarded" && n.sentTo(id) != sent+1:
		t.Errorf("%s: backend id %d dry, another live", describe(in), id)
	default:
		if diff := packet.Diff(dry.Frame, out); diff != "" {
			t.Errorf("%s: %s", describe(in), diff)
		}
	}
	return why, true
}

// limitsMoved tells whether time alone may have made the difference between what a dry run met and what a live one did.
func limitsMoved(dry, live string) bool {
	limited := func(why string) bool { return strings.Contains(why, "limited") }
	switch {
	case limited(dry) && !limited(live), dry == "too_big" && live == "too_big_told":
		return true // a place came free in between
	case dry == "source_rate_limited" && live == "conn_limited":
		return true // the same, and the stage behind it has none
	case dry == "echo_answered" && live == "echo_limited", dry == "too_big_told" && live == "too_big":
		return true // one may see a window end a tick of the clock before the other
	}
	return false
}

func describe(in []byte) string {
	s, err := packet.Parse(in)
	if err != nil {
		return err.Error()
	}
	return s.String()
}

// sentTo is how many packets went to a backend.
func (n *node) sentTo(id int) (sum uint64) {
	for i := range n.counters.all {
		sum += n.counters.all[i].Backend[id].Packets
	}
	return sum
}

// reality compares that many random packets, and demands that some left with each of these reasons.
func (n *node) reality(t *testing.T, count int, tunnel bool, each func(i int), wanted ...string) {
	t.Helper()
	onCPU(0) // each has room for answers of its own
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	m := maker{rand.New(rand.NewPCG(seed, 1))}
	chain, reasons, freed := n.chain(t, "eth0", XDP), map[string]int{}, 0
	for i := range count {
		each(i)
		why, same := n.meets(t, chain, m.frame(tunnel))
		if reasons[why]++; !same {
			freed++
		}
		if t.Failed() {
			t.Fatalf("packet %d of %d", i, count)
		}
	}
	t.Logf("%d packets: %v; %d met a limit that had come free meanwhile", count, reasons, freed)
	if freed > 2+count/200 {
		t.Errorf("%d of %d packets met a limit that had come free since they were tried", freed, count)
	}
	for _, want := range wanted {
		if reasons[want] == 0 {
			t.Errorf("no packet left with reason %s: %v", want, reasons)
		}
	}
}

// TestDryIsReality sends random packets dry and then live through a whole chain while its rings change: verdict, reason,
// backend and bytes are the same each time.
func TestDryIsReality(t *testing.T) {
	t.Parallel()
	n := newNode(t, strings.NewReplacer("conns: {kind: connlimit, limits: [{max: 100000", "conns: {kind: connlimit, action: reset, limits: [{max: 30",
		"rate: 3,", "rate: 1,",
		"tcx_ingress: [late]}", "tcx_ingress: [late]}\n  eth1: {xdp: [balancer]}").Replace(tracedSpec))
	count := soak(1000)
	n.reality(t, count, false, func(i int) {
		switch i {
		case count / 4:
			n.add(t, "web", "10.1.1.5")
		case count / 2:
			n.add(t, "game", "10.1.1.5")
			n.remove(t, "web", "10.1.1.2")
		}
	}, "forwarded", "no_vip", "truncated", "firewall_source", "firewall_rule", "source_rate_limited", "conn_limited", "icmp", "bad_fragment",
		"echo_answered", "ttl_exceeded", "no_next_hop", "redirected", "too_big", "too_big_told")
}

// TestDryAgentIsReality does the same with an agent.
func TestDryAgentIsReality(t *testing.T) {
	t.Parallel()
	n := newNode(t, decapSpec)
	n.reality(t, soak(1200), true, func(int) {}, "decapsulated", "not_encapsulated", "foreign_vip", "inner_malformed", "truncated")
}

// TestDryChangesNothing runs random packets dry through a chain with state of every kind, and finds every map as it was, byte
// for byte.
func TestDryChangesNothing(t *testing.T) {
	t.Parallel()
	n := newNode(t, tracedSpec)
	n.add(t, "web", "10.1.1.5")
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	m := maker{rand.New(rand.NewPCG(seed, 1))}
	chain := n.chain(t, "eth0", XDP)
	for range 300 {
		n.run(t, chain, m.frame(false), 0)
	}
	n.rested(t)
	before := n.everything(t)
	for range soak(500) {
		in := m.frame(m.IntN(4) == 0)
		if _, err := n.Dry(int(n.Control().Active), chain, in); err != nil {
			t.Fatalf("%s: %v", describe(in), err)
		}
	}
	unchanged(t, before, n.everything(t))
}
