package packet

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestMalformed(t *testing.T) {
	tcp := Build(Eth{}, IPv4{}, TCP{Flags: "S"})
	tcp6 := Build(Eth{}, IPv6{}, TCP{Flags: "S"})
	udp := func(h UDP) []byte { return Build(Eth{}, IPv4{}, h, Fill(4)) }
	nested := Build(TCP{})
	for range 9 {
		nested = Build(IPv4{Protocol: ProtoIPv4}, Payload(nested))
	}
	for _, row := range []struct {
		sentence string
		frame    []byte
		want     string
	}{
		{"nothing", nil, "ethernet header: 0 of 14 bytes"},
		{"a short ethernet header", Truncate(tcp, 13), "ethernet header: 13 of 14 bytes"},
		{"a short tag", Truncate(Build(Eth{}, VLAN{}), 17), "vlan header: 3 of 4 bytes"},
		{"no ip header", Truncate(tcp, 14), "ip header: 0 of 1 bytes"},
		{"a short ipv4 header", Truncate(tcp, 33), "ipv4 header: 19 of 20 bytes"},
		{"a short ipv6 header", Truncate(tcp6, 53), "ipv6 header: 39 of 40 bytes"},
		{"ihl below 5", Build(Eth{}, IPv4{IHL: 4}, TCP{}), "ipv4 header: ihl 4: below 5"},
		{"ihl beyond the end", Build(Eth{}, IPv4{IHL: 15}, Fill(10)), "ipv4 header: 30 of 60 bytes"},
		{"length below the header", Build(Eth{}, IPv4{Len: 19}, TCP{}), "ipv4 header: length 19: below the 20 bytes of the header"},
		{"length beyond the end", Build(Eth{}, IPv4{Len: 41}, TCP{}), "ipv4 header: length 41: only 40 bytes follow"},
		{"ipv6 length beyond the end", Build(Eth{}, IPv6{Len: 21}, TCP{}), "ipv6 header: length 61: only 60 bytes follow"},
		{"version against type", Build(Eth{}, IPv4{Version: 6}, TCP{}), "ethernet type 0x0800: ip version 6"},
		{"type against version", Build(Eth{Type: TypeIPv6}, IPv4{}, TCP{}), "ethernet type 0x86dd: ip version 4"},
		{"short tcp", Build(Eth{}, IPv4{Protocol: ProtoTCP}, Fill(19)), "tcp header: 19 of 20 bytes"},
		{"tcp offset below 5", Build(Eth{}, IPv4{}, TCP{Offset: 4}), "tcp header: data offset 4: below 5"},
		{"tcp offset beyond the end", Build(Eth{}, IPv4{}, TCP{Offset: 6}), "tcp header: 20 of 24 bytes"},
		{"short udp", Build(Eth{}, IPv4{Protocol: ProtoUDP}, Fill(7)), "udp header: 7 of 8 bytes"},
		{"udp length below 8", udp(UDP{Len: 7}), "udp header: length 7: not from 8 to 12"},
		{"udp length beyond the end", udp(UDP{Len: 13}), "udp header: length 13: not from 8 to 12"},
		{"short icmp", Build(Eth{}, IPv6{Next: ProtoICMPv6}, Fill(7)), "icmp header: 7 of 8 bytes"},
		{"short extension", Build(Eth{}, IPv6{Next: ProtoDestOpts}, Fill(7)), "destination options header: 7 of 8 bytes"},
		{"extension beyond the end", Build(Eth{}, IPv6{}, HopByHop{Len: 9}), "hop-by-hop header: 8 of 80 bytes"},
		{"short arp", Truncate(Build(Eth{}, ARP{}), 41), "arp header: 27 of 28 bytes"},
		{"arp for something else", Flip(Build(Eth{}, ARP{}), 15), "arp header: not ipv4 over ethernet"},
		{"short inside gue", Build(Eth{}, IPv4{}, UDP{}, Inner(Truncate(Build(IPv4{}), 15))), "inside gue: ipv4 header: 15 of 20 bytes"},
		{"empty ipip", Build(Eth{}, IPv4{Protocol: ProtoIPv4}), "inside ipip: ip header: 0 of 1 bytes"},
		{"garbage in ipip", Build(Eth{}, IPv4{Protocol: ProtoIPv4}, Payload{0x35}), "inside ipip: ip header: version 3"},
	} {
		_, err := Parse(row.frame)
		if err == nil || err.Error() != "parse packet: "+row.want {
			t.Errorf("%s: %v, want %s", row.sentence, err, row.want)
		}
	}
	if _, err := ParseIP(nested); err == nil {
		t.Error("nine packets inside each other were read")
	}
}

func TestParseFields(t *testing.T) {
	frame := Build(Eth{Src: MAC{1}, Dst: MAC{2}}, VLAN{ID: 9},
		IPv4{Src: lb, Dst: backend, ID: 77, DF: true, TOS: 8, Options: Fill(4)}, TCP{Seq: 1, Ack: 2, Flags: "A"}, Payload("xy"))
	got, err := Parse(Pad(frame, 80))
	if err != nil {
		t.Fatal(err)
	}
	want := Summary{
		SrcMAC: MAC{1}, DstMAC: MAC{2}, VLANs: []uint16{9}, EtherType: TypeIPv4,
		Version: 4, Src: lb, Dst: backend, TTL: 64, TOS: 8, ID: 77, DF: true, Length: 46, Protocol: ProtoTCP,
		NetworkAt: 18, TransportAt: 42, HasPorts: true, SrcPort: 40000, DstPort: 80, Seq: 1, Ack: 2, Flags: "A",
		Payload: []byte("xy"), Trailer: 16,
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Error(diff)
	}
	if frame := Build(IPv6{}, HopByHop{}, Fragment{ID: 6}, UDP{}); true {
		s, err := ParseIP(frame)
		if err != nil || !bytes.Equal(s.Extensions, []byte{ProtoHopByHop, ProtoFragment}) || s.ID != 6 || s.TransportAt != 56 || s.Fragmented() {
			t.Errorf("%+v, %v", s, err)
		}
	}
}

func TestPorts(t *testing.T) {
	frame := Build(Eth{}, IPv4{}, UDP{Dst: 7000}, IPv4{}, IPv4{}, UDP{}, Fill(3))
	if s, err := Parse(frame); err != nil || s.Inner != nil {
		t.Errorf("a tunnel on a port that is none: %v, %v", s, err)
	}
	s, err := Parse(frame, 6080, 7000)
	if err != nil || s.Inner == nil {
		t.Fatalf("%v, %v", s, err)
	}
	if inner := s.Innermost(); inner.DstPort != EchoPort || len(inner.Payload) != 3 {
		t.Errorf("innermost: %v", inner)
	}
}

func TestChecksum(t *testing.T) {
	// The example of RFC 1071, section 3: the words add up to 0xddf2.
	b := []byte{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7}
	if got := Checksum(0, b); got != ^uint16(0xddf2) {
		t.Errorf("got %#04x", got)
	}
	if Checksum(0, b[:7]) != Checksum(0, append(b[:7:7], 0)) {
		t.Error("an odd last byte does not count as a word")
	}
	long := bytes.Repeat([]byte{0xff}, 1<<20)
	if got := Checksum(0xffffffff, long); got != 0 {
		t.Errorf("a carry got lost: %#04x", got)
	}
}

// TestUDPChecksumNeverZero looks for a datagram whose sum would be 0 and wants 0xffff instead.
func TestUDPChecksumNeverZero(t *testing.T) {
	plain := Build(IPv4{}, UDP{}, Payload{0, 0})
	sum := binary.BigEndian.Uint16(plain[26:])
	frame := Build(IPv4{}, UDP{}, Payload{byte(sum >> 8), byte(sum)})
	if got := binary.BigEndian.Uint16(frame[26:]); got != 0xffff {
		t.Fatalf("checksum %#04x", got)
	}
	if s, err := ParseIP(frame); err != nil || s.Check() != nil {
		t.Errorf("%v, %v", err, s.Check())
	}
}

func TestMutations(t *testing.T) {
	b := []byte{1, 2, 3, 4}
	for _, row := range []struct {
		sentence  string
		got, want []byte
	}{
		{"truncate", Truncate(b, 2), []byte{1, 2}},
		{"flip", Flip(b, 1), []byte{1, 253, 3, 4}},
		{"set", Set(b, 2, 8, 9), []byte{1, 2, 8, 9}},
		{"set 16", Set16(b, 1, 0x0708), []byte{1, 7, 8, 4}},
		{"pad", Pad(b, 6), []byte{1, 2, 3, 4, 0, 0}},
		{"pad less", Pad(b, 2), []byte{1, 2, 3, 4}},
		{"the packet itself", b, []byte{1, 2, 3, 4}},
	} {
		if !bytes.Equal(row.got, row.want) {
			t.Errorf("%s: %v, want %v", row.sentence, row.got, row.want)
		}
	}
}

func TestDiff(t *testing.T) {
	a := Build(Eth{}, IPv4{}, TCP{Flags: "S"})
	if diff := Diff(a, a); diff != "" {
		t.Error(diff)
	}
	want := "54 bytes, want 54; first difference at byte 22\n" +
		"got  tcp 198.51.100.7:40000 > 10.99.0.1:80 S ttl 64\n" +
		"want tcp 198.51.100.7:40000 > 10.99.0.1:80 S ttl 63\n"
	if diff := Diff(a, Build(Eth{}, IPv4{TTL: 63}, TCP{Flags: "S"})); len(diff) < len(want) || diff[:len(want)] != want {
		t.Error(diff)
	}
	if diff := Diff(a, nil); diff == "" {
		t.Error("a packet equals nothing")
	}
}

// FuzzParse proves that no bytes make the reader panic, that what it tells lies within the frame, and that bytes behind
// the end of the IP packet change nothing.
func FuzzParse(f *testing.F) {
	for _, row := range rows {
		f.Add(Build(row.layers...), uint16(GUEPort))
	}
	f.Fuzz(func(t *testing.T, frame []byte, port uint16) {
		for _, parse := range []func([]byte, ...uint16) (Summary, error){Parse, ParseIP} {
			s, err := parse(frame, port)
			text := s.String()
			for in := &s; in != nil; in = in.Inner {
				if in.TransportAt > len(frame) || in.NetworkAt > in.TransportAt || len(in.Payload) > len(frame) || in.Trailer < 0 {
					t.Errorf("outside of the frame: %+v", in)
				}
			}
			if err != nil || s.Version == 0 {
				continue
			}
			bare, err := parse(Truncate(frame, len(frame)-s.Trailer), port)
			if err != nil || bare.String() != text || bare.Trailer != 0 {
				t.Errorf("without its trailer: %v, %v, with it: %s", bare, err, text)
			}
		}
	})
}
