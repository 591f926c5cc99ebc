package packet

import (
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

var (
	lb       = netip.MustParseAddr("10.1.0.2")
	backend  = netip.MustParseAddr("10.1.1.11")
	lb6      = netip.MustParseAddr("fd00:1::2")
	backend6 = netip.MustParseAddr("fd00:1:1::11")
)

// rows are packets of every kind and what the summary says of them. A row without a complaint has right checksums only,
// by the word of a second reader too.
var rows = []struct {
	sentence string
	layers   []Layer
	want     string
	check    string // the wrong checksums
}{
	{"tcp syn", []Layer{Eth{}, IPv4{TTL: 63}, TCP{Flags: "S"}},
		"tcp 198.51.100.7:40000 > 10.99.0.1:80 S ttl 63", ""},
	{"tcp syn ack with options", []Layer{Eth{}, IPv4{}, TCP{Flags: "AS", Options: []byte{2, 4, 5, 180}, Seq: 7, Ack: 8}},
		"tcp 198.51.100.7:40000 > 10.99.0.1:80 SA ttl 64", ""},
	{"tcp with an odd payload", []Layer{Eth{}, IPv4{DF: true}, TCP{Flags: "PA"}, Payload("hello")},
		"tcp 198.51.100.7:40000 > 10.99.0.1:80 PA len 5 ttl 64", ""},
	{"tcp over ipv6", []Layer{Eth{}, IPv6{}, TCP{Flags: "FA"}, Payload("bye")},
		"tcp [2001:db8::7]:40000 > [fd00:99::1]:80 FA len 3 ttl 64", ""},
	{"udp", []Layer{Eth{}, IPv4{}, UDP{}, Fill(33)},
		"udp 198.51.100.7:40000 > 10.99.0.1:7 len 33 ttl 64", ""},
	{"udp over ipv6", []Layer{Eth{}, IPv6{}, UDP{Dst: 53}, Fill(12)},
		"udp [2001:db8::7]:40000 > [fd00:99::1]:53 len 12 ttl 64", ""},
	{"udp without a checksum", []Layer{Eth{}, IPv4{}, UDP{Checksum: Zero}, Fill(4)},
		"udp 198.51.100.7:40000 > 10.99.0.1:7 len 4 ttl 64", ""},
	{"ports of zero", []Layer{Eth{}, IPv4{}, UDP{Src: Zero, Dst: Is(0)}},
		"udp 198.51.100.7:0 > 10.99.0.1:0 ttl 64", ""},
	{"one tag", []Layer{Eth{}, VLAN{ID: 7}, IPv4{}, TCP{Flags: "A"}},
		"vlan 7 tcp 198.51.100.7:40000 > 10.99.0.1:80 A ttl 64", ""},
	{"two tags", []Layer{Eth{}, VLAN{ID: 7, TPID: TypeQinQ, Priority: 3}, VLAN{}, IPv6{}, UDP{}},
		"vlan 7 vlan 100 udp [2001:db8::7]:40000 > [fd00:99::1]:7 ttl 64", ""},
	{"ipv4 options", []Layer{Eth{}, IPv4{Options: []byte{7, 3, 4}}, TCP{Flags: "S"}},
		"tcp 198.51.100.7:40000 > 10.99.0.1:80 S ttl 64", ""},
	{"gue 4 in 4", []Layer{Eth{}, IPv4{Src: lb, Dst: backend}, UDP{Src: 51234}, IPv4{TTL: 63}, TCP{Flags: "S"}},
		"gue 10.1.0.2:51234 > 10.1.1.11:6080 [tcp 198.51.100.7:40000 > 10.99.0.1:80 S ttl 63]", ""},
	{"gue 6 in 4", []Layer{Eth{}, IPv4{Src: lb, Dst: backend}, UDP{}, IPv6{}, TCP{Flags: "S"}},
		"gue 10.1.0.2:40000 > 10.1.1.11:6080 [tcp [2001:db8::7]:40000 > [fd00:99::1]:80 S ttl 64]", ""},
	{"gue 4 in 6", []Layer{Eth{}, IPv6{Src: lb6, Dst: backend6}, UDP{}, IPv4{}, UDP{}, Fill(3)},
		"gue [fd00:1::2]:40000 > [fd00:1:1::11]:6080 [udp 198.51.100.7:40000 > 10.99.0.1:7 len 3 ttl 64]", ""},
	{"gue 6 in 6, inner packet as bytes", []Layer{Eth{}, IPv6{Src: lb6, Dst: backend6}, UDP{}, Inner(Build(IPv6{}, TCP{Flags: "R"}))},
		"gue [fd00:1::2]:40000 > [fd00:1:1::11]:6080 [tcp [2001:db8::7]:40000 > [fd00:99::1]:80 R ttl 64]", ""},
	{"gue variant 0 with a word of its own", []Layer{Eth{}, IPv4{Src: lb, Dst: backend}, UDP{Dst: GUEPort}, Payload(append([]byte{1, 4, 0, 0, 9, 9, 9, 9}, Build(IPv4{}, TCP{Flags: "R"})...))},
		"gue 10.1.0.2:40000 > 10.1.1.11:6080 [tcp 198.51.100.7:40000 > 10.99.0.1:80 R ttl 64]", ""},
	{"gue variant 0 without a packet is plain udp", []Layer{Eth{}, IPv4{}, UDP{Dst: GUEPort}, Payload{0, 4, 0, 0}},
		"udp 198.51.100.7:40000 > 10.99.0.1:6080 len 4 ttl 64", ""},
	{"4 in 4", []Layer{Eth{}, IPv4{Src: lb, Dst: backend}, IPv4{}, TCP{Flags: "S"}},
		"ipip 10.1.0.2 > 10.1.1.11 [tcp 198.51.100.7:40000 > 10.99.0.1:80 S ttl 64]", ""},
	{"6 in 4", []Layer{Eth{}, IPv4{Src: lb, Dst: backend}, IPv6{}, TCP{Flags: "S"}},
		"ipip 10.1.0.2 > 10.1.1.11 [tcp [2001:db8::7]:40000 > [fd00:99::1]:80 S ttl 64]", ""},
	{"4 in 6", []Layer{Eth{}, IPv6{Src: lb6, Dst: backend6}, IPv4{}, TCP{Flags: "S"}},
		"ipip fd00:1::2 > fd00:1:1::11 [tcp 198.51.100.7:40000 > 10.99.0.1:80 S ttl 64]", ""},
	{"6 in 6", []Layer{Eth{}, IPv6{Src: lb6, Dst: backend6}, Inner(Build(IPv6{}, UDP{}))},
		"ipip fd00:1::2 > fd00:1:1::11 [udp [2001:db8::7]:40000 > [fd00:99::1]:7 ttl 64]", ""},
	{"first fragment", []Layer{Eth{}, IPv4{MF: true, ID: 9}, UDP{Len: 3008}, Fill(1472)},
		"udp 198.51.100.7:40000 > 10.99.0.1:7 frag 0+ len 1472 ttl 64", ""},
	{"last fragment", []Layer{Eth{}, IPv4{Offset: 185, ID: 9, Protocol: ProtoUDP}, Fill(20)},
		"udp 198.51.100.7 > 10.99.0.1 frag 1480 len 20 ttl 64", ""},
	{"middle fragment of ipv6", []Layer{Eth{}, IPv6{}, Fragment{Offset: 2, MF: true, ID: 5, Next: ProtoTCP}, Fill(16)},
		"tcp 2001:db8::7 > fd00:99::1 frag 16+ len 16 ttl 64", ""},
	{"first fragment of ipv6", []Layer{Eth{}, IPv6{}, Fragment{MF: true}, UDP{}, Fill(8)},
		"udp [2001:db8::7]:40000 > [fd00:99::1]:7 frag 0+ len 8 ttl 64", ""},
	{"all extensions", []Layer{Eth{}, IPv6{}, HopByHop{Options: []byte{5, 2, 0, 0}}, DestOpts{}, Routing{Type: 4, Route: []netip.Addr{VIP6}}, Fragment{}, DestOpts{Options: make([]byte, 9)}, TCP{Flags: "S"}},
		"tcp [2001:db8::7]:40000 > [fd00:99::1]:80 S ttl 64", ""},
	{"extensions and no more", []Layer{Eth{}, IPv6{}, HopByHop{}},
		"ipv6 proto 59 2001:db8::7 > fd00:99::1 ttl 64", ""},
	{"echo request", []Layer{Eth{}, IPv4{}, ICMPv4{Rest: 1<<16 | 2}, Fill(56)},
		"icmp 198.51.100.7 > 10.99.0.1 8/0 len 56 ttl 64", ""},
	{"echo request over ipv6", []Layer{Eth{}, IPv6{}, ICMPv6{}, Fill(1)},
		"icmp6 2001:db8::7 > fd00:99::1 128/0 len 1 ttl 64", ""},
	{"fragmentation needed, 8 bytes quoted", []Layer{Eth{}, IPv4{}, ICMPv4{Type: 3, Code: 4, Rest: 1400}, Quote(Build(IPv4{Src: VIP4, Dst: Client4}, TCP{Src: 80, Dst: 40000, Flags: "A"}, Fill(99)), 28)},
		"icmp 198.51.100.7 > 10.99.0.1 3/4 mtu 1400 ttl 64 [tcp 10.99.0.1:80 > 198.51.100.7:40000 len 4 ttl 64]", ""},
	{"packet too big, all quoted", []Layer{Eth{}, IPv6{}, ICMPv6{Type: 2, Rest: 1280}, Quote(Build(IPv6{Src: VIP6, Dst: Client6}, TCP{Src: 80, Dst: 40000, Flags: "PA"}, Fill(10)), 1200)},
		"icmp6 2001:db8::7 > fd00:99::1 2/0 mtu 1280 ttl 64 [tcp [fd00:99::1]:80 > [2001:db8::7]:40000 PA len 10 ttl 64]", ""},
	{"an error that quotes nothing", []Layer{Eth{}, IPv4{}, ICMPv4{Type: 11}},
		"icmp 198.51.100.7 > 10.99.0.1 11/0 ttl 64", ""},
	{"arp", []Layer{Eth{Dst: MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}, ARP{}},
		"arp who has 10.99.0.1 tell 198.51.100.7", ""},
	{"arp reply", []Layer{Eth{}, ARP{Op: 2, DstMAC: NodeMAC}},
		"arp op 2 198.51.100.7 > 10.99.0.1", ""},
	{"mpls", []Layer{Eth{}, MPLS{Label: 16}, IPv4{}, UDP{}},
		"type 0x8847 len 32", ""},
	{"garbage", []Layer{Eth{}, Fill(50)},
		"type 0x88b5 len 50", ""},
	{"sctp", []Layer{Eth{}, IPv4{Protocol: 132}, Fill(12)},
		"ipv4 proto 132 198.51.100.7 > 10.99.0.1 len 12 ttl 64", ""},

	{"wrong ip checksum", []Layer{Eth{}, IPv4{Checksum: Wrong}, UDP{}},
		"udp 198.51.100.7:40000 > 10.99.0.1:7 ttl 64 (ipv4 checksum 0x4632 is wrong)", "ipv4 checksum 0x4632 is wrong"},
	{"wrong tcp checksum", []Layer{Eth{}, IPv6{}, TCP{Flags: "S", Checksum: 0x1234}},
		"tcp [2001:db8::7]:40000 > [fd00:99::1]:80 S ttl 64 (tcp checksum 0x1234 is wrong)", "tcp checksum 0x1234 is wrong"},
	{"no udp checksum over ipv6", []Layer{Eth{}, IPv6{}, UDP{Checksum: Zero}},
		"udp [2001:db8::7]:40000 > [fd00:99::1]:7 ttl 64 (udp checksum 0x0000 is wrong)", "udp checksum 0x0000 is wrong"},
	{"wrong icmp checksum", []Layer{Eth{}, IPv4{}, ICMPv4{Checksum: Zero}},
		"icmp 198.51.100.7 > 10.99.0.1 8/0 ttl 64 (icmp checksum 0x0000 is wrong)", "icmp checksum 0x0000 is wrong"},
	{"wrong checksums inside and outside", []Layer{Eth{}, IPv4{Src: lb, Dst: backend}, UDP{Checksum: 1}, IPv4{}, TCP{Checksum: 2}},
		"gue 10.1.0.2:40000 > 10.1.1.11:6080 (udp checksum 0x0001 is wrong) [tcp 198.51.100.7:40000 > 10.99.0.1:80 ttl 64 (tcp checksum 0x0002 is wrong)]",
		"udp checksum 0x0001 is wrong\ntcp checksum 0x0002 is wrong"},
}

func TestRows(t *testing.T) {
	for _, row := range rows {
		t.Run(row.sentence, func(t *testing.T) {
			frame := Build(row.layers...)
			s, err := Parse(frame)
			if err != nil {
				t.Fatal(err)
			}
			if got := s.String(); got != row.want {
				t.Errorf("got  %s\nwant %s", got, row.want)
			}
			check := ""
			if err := s.Check(); err != nil {
				check = err.Error()
			}
			if check != row.check {
				t.Errorf("check says %q, want %q", check, row.check)
			}
			if diff := Diff(frame, Build(row.layers...)); diff != "" {
				t.Errorf("built twice: %s", diff)
			}
			if wrong := referee(t, frame); wrong != (row.check != "") {
				t.Errorf("the second reader finds wrong checksums: %v", wrong)
			}
			padded, err := Parse(Pad(frame, len(frame)+9))
			if s.Version != 0 && (err != nil || padded.String() != row.want || padded.Trailer != 9) {
				t.Errorf("padded: %v, trailer %d, %v", padded, padded.Trailer, err)
			}
		})
	}
}

// referee lets gopacket read the frame and tells whether it finds a wrong checksum. It does not look into fragments and
// GUE, and knows nothing of missing UDP checksums over IPv6.
func referee(t *testing.T, frame []byte) bool {
	t.Helper()
	p := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.Default)
	wrong := false
	var network gopacket.NetworkLayer
	for i, l := range p.Layers() {
		if n, ok := l.(gopacket.NetworkLayer); ok {
			network = n
		}
		if l, ok := l.(interface {
			SetNetworkLayerForChecksum(gopacket.NetworkLayer) error
		}); ok {
			if err := l.SetNetworkLayerForChecksum(network); err != nil {
				t.Errorf("layer %d: %v", i, err)
			}
		}
		switch l := l.(type) {
		case *layers.IPv4:
			if got := Checksum(0, l.LayerContents()); got != 0 {
				wrong = true
			}
			if int(l.Length) != len(l.Contents)+len(l.Payload) || int(l.IHL)*4 != len(l.Contents) {
				t.Errorf("layer %d: ipv4 length %d, ihl %d", i, l.Length, l.IHL)
			}
		case *layers.IPv6:
			if int(l.Length) != len(l.Payload)+hopByHop(l) {
				t.Errorf("layer %d: ipv6 length %d of %d", i, l.Length, len(l.Payload))
			}
		case *layers.UDP:
			if l.DstPort == GUEPort && l.Payload[0]>>6 == 1 {
				inner := append(append([]byte{}, frame[:12]...), 8, 0)
				if l.Payload[0]>>4 == 6 {
					inner[12], inner[13] = 0x86, 0xdd
				}
				wrong = referee(t, append(inner, l.Payload...)) || wrong
			}
			wrong = wrong || l.Checksum == 0 && p.Layer(layers.LayerTypeIPv6) != nil && p.Layer(layers.LayerTypeIPv4) == nil
		}
	}
	err, mismatches := p.VerifyChecksums()
	if err != nil {
		t.Errorf("second reader: %v", err)
	}
	return wrong || len(mismatches) > 0
}

// hopByHop is the size of a hop-by-hop header, which gopacket counts to the IPv6 header.
func hopByHop(l *layers.IPv6) int {
	if l.HopByHop == nil {
		return 0
	}
	return len(l.HopByHop.Contents)
}

// TestBytes spells two packets out.
func TestBytes(t *testing.T) {
	for _, row := range []struct {
		sentence string
		frame    []byte
		want     string
	}{
		{"tcp syn", Build(Eth{}, IPv4{ID: 0x1234, DF: true, TOS: 0x10}, TCP{Seq: 1, Flags: "S", Options: []byte{2, 4, 5, 0xb4}}),
			"020000000001 0200000000fe 0800" +
				"45 10 002c 1234 4000 40 06 f3e9 c6336407 0a630001" +
				"9c40 0050 00000001 00000000 60 02 ffff c6f6 0000 020405b4"},
		{"everything overridden", Build(Eth{Src: MAC{1}, Dst: MAC{2}, Type: 0x0806}, VLAN{ID: 5, Priority: 7, Type: 0xffff},
			IPv4{Version: 5, IHL: 4, Len: Zero, Protocol: Zero, Checksum: 0xabcd, TTL: Zero, Reserved: true, MF: true, Offset: 1},
			TCP{Offset: 15, Checksum: Zero, Window: Zero, Urgent: 3, Flags: "FSRPAUEC"}),
			"020000000000 010000000000 0806 e005 ffff" +
				"54 00 0000 0000 a001 00 00 abcd c6336407 0a630001" +
				"9c40 0050 00000000 00000000 f0 ff 0000 0000 0003"},
	} {
		want, err := hex.DecodeString(strings.ReplaceAll(row.want, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		if diff := Diff(row.frame, want); diff != "" {
			t.Errorf("%s: %s", row.sentence, diff)
		}
	}
}

func TestUnknownFlagPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("flag x was accepted")
		}
	}()
	Build(TCP{Flags: "Sx"})
}

// TestRoutingCountsWithTheEnd wants checksums by the last segment while segments are left.
func TestRoutingCountsWithTheEnd(t *testing.T) {
	for _, kind := range []uint8{0, 4} {
		frame := Build(Eth{}, IPv6{Dst: lb6}, Routing{Type: kind, Left: 1, Route: []netip.Addr{lb6, VIP6}}, TCP{Flags: "S"})
		s, err := Parse(frame)
		if err != nil || s.Check() != nil {
			t.Fatalf("type %d: %v, %v", kind, err, s.Check())
		}
		direct := Build(IPv6{}, TCP{Flags: "S"})
		if diff := Diff(frame[s.TransportAt:], direct[40:]); diff != "" {
			t.Errorf("type %d: not the header that arrives: %s", kind, diff)
		}
	}
}
