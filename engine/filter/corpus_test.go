package filter

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"hairpin/engine/packet"
)

// Few values, so that random expressions are true of some packets: those of the corpus, and their neighbours.
var (
	somePorts = []uint16{0, 1, 22, 79, 80, 81, 255, 256, 443, 1023, 1024, 8080, 32767, 32768, 65534, 65535}
	some4     = []string{"198.51.100.7", "198.51.100.8", "198.51.101.7", "10.99.0.1", "10.98.255.255", "203.0.113.255", "0.0.0.1", "255.255.255.255"}
	some6     = []string{"2001:db8::7", "2001:db8::8", "2001:db8:1::7", "fd00:99::1", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "::1", "::ffff:198.51.100.7"}
	someFlags = []string{"", "S", "SA", "A", "PA", "FA", "R", "RA", "SEC", "FPU", "FSRPAUEC", "E"}
	someTTL   = []int{0, 1, 2, 63, 64, 128, 255}
)

func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

// corpus is a few hundred frames that a stage may see.
func corpus(t *testing.T) [][]byte {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2)) // always the same packets: what varies are the expressions
	var frames [][]byte
	add := func(layers ...packet.Layer) {
		frames = append(frames, packet.Pad(packet.Build(layers...), 60))
	}
	for i := range 300 {
		var head packet.Layer
		src, dst, ttl := pick(r, some4), pick(r, some4), packet.Is(uint16(pick(r, someTTL)))
		v6 := i%2 == 1
		head = packet.IPv4{Src: netip.MustParseAddr(src), Dst: netip.MustParseAddr(dst), TTL: ttl, Options: make([]byte, r.IntN(3)*4)}
		if v6 {
			head = packet.IPv6{Src: netip.MustParseAddr(pick(r, some6)), Dst: netip.MustParseAddr(pick(r, some6)), TTL: ttl}
		}
		layers := []packet.Layer{packet.Eth{}, head}
		if i%10 == 9 {
			layers = []packet.Layer{packet.Eth{}, packet.VLAN{ID: packet.Is(uint16(r.IntN(3))), Priority: uint8(r.IntN(8))}, head}
		}
		from, to := packet.Is(pick(r, somePorts)), packet.Is(pick(r, somePorts))
		switch r.IntN(7) {
		case 0, 1, 2:
			layers = append(layers, packet.TCP{Src: from, Dst: to, Flags: pick(r, someFlags)})
		case 3, 4:
			layers = append(layers, packet.UDP{Src: from, Dst: to})
		case 5:
			if v6 {
				layers = append(layers, packet.ICMPv6{})
			} else {
				layers = append(layers, packet.ICMPv4{})
			}
		}
		add(append(layers, packet.Fill(pick(r, []int{0, 0, 1, 40, 1000, 1400})))...)
	}
	for _, head := range []packet.IPv4{{MF: true}, {Offset: 1}, {Offset: 100, MF: true}, {DF: true}} {
		add(packet.Eth{}, head, packet.TCP{Flags: "S"}, packet.Fill(64))
		add(packet.Eth{}, head, packet.UDP{Src: packet.Zero, Dst: packet.Zero, Checksum: packet.Zero}, packet.Fill(64))
	}
	add(packet.Eth{}, packet.IPv6{}, packet.Fragment{MF: true}, packet.TCP{Flags: "S"}, packet.Fill(8))
	add(packet.Eth{}, packet.IPv6{}, packet.Fragment{Offset: 2}, packet.Fill(8))
	add(packet.Eth{}, packet.IPv6{}, packet.HopByHop{}, packet.TCP{Flags: "S"})
	add(packet.Eth{}, packet.IPv6{}, packet.DestOpts{}, packet.UDP{})
	add(packet.Eth{}, packet.IPv6{}, packet.DestOpts{}, packet.Fragment{MF: true}, packet.UDP{}, packet.Fill(8))
	add(packet.Eth{}, packet.IPv4{}, packet.ICMPv6{})
	add(packet.Eth{}, packet.IPv6{}, packet.ICMPv4{})
	for proto := range 256 { // what has a header of its own would be malformed
		if proto != packet.ProtoTCP && proto != packet.ProtoUDP && proto%9 == 0 {
			add(packet.Eth{}, packet.IPv4{Protocol: packet.Is(uint16(proto))}, packet.Fill(16))
		}
	}
	add(packet.Eth{}, packet.VLAN{TPID: packet.TypeQinQ, ID: 7}, packet.VLAN{ID: 8}, packet.IPv4{}, packet.TCP{Flags: "S"})
	add(packet.Eth{}, packet.Fill(80))
	if len(frames) < 300 {
		t.Fatalf("the corpus has only %d frames", len(frames))
	}
	return frames
}

// sample is a frame with what the Go side read of it and what the data path did.
type sample struct {
	frame   []byte
	fields  Fields
	summary packet.Summary
	scratch []byte
}

func (s sample) String() string { return fmt.Sprintf("%v (%d bytes)", s.summary, len(s.frame)) }

// samples are the frames of the corpus, parsed on both sides. Every third is for a VIP.
func samples(t *testing.T) ([]sample, Layout) {
	t.Helper()
	p := newParse(t)
	p.layout.VIPs = map[string]uint16{"web": 1, "dns": 300}
	var list []sample
	for i, frame := range corpus(t) {
		s := sample{frame: frame}
		var err error
		_, s.scratch = p.run(t, frame)
		if s.fields, err = FieldsOf(frame); err != nil {
			t.Fatalf("frame %d: %v", i, err)
		}
		s.summary, _ = packet.Parse(frame)
		if i%3 == 0 {
			s.fields.VIP = []string{"web", "dns"}[i%2]
			s.scratch[p.layout.hasVIP.offset] = 1
			num := p.layout.VIPs[s.fields.VIP]
			s.scratch[p.layout.vip.offset], s.scratch[p.layout.vip.offset+1] = byte(num), byte(num>>8)
		}
		list = append(list, s)
	}
	return list, p.layout
}
