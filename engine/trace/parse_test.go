package trace

import (
	"fmt"
	"strings"
	"testing"

	"hairpin/engine/packet"
)

// TestParse: what is typed becomes the packet that is meant, and what a packet is printed as becomes that packet again.
func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"tcp 198.51.100.7:40000 > 10.99.0.1:80":                                               "tcp 198.51.100.7:40000 > 10.99.0.1:80 S ttl 64",
		"TCP 198.51.100.7:40000>10.99.0.1:80 pa len 12 ttl 3":                                 "tcp 198.51.100.7:40000 > 10.99.0.1:80 PA len 12 ttl 3",
		"udp [2001:db8::7]:40000 > [fd00:99::1]:53":                                           "udp [2001:db8::7]:40000 > [fd00:99::1]:53 len 18 ttl 64",
		"icmp 198.51.100.7 > 10.99.0.1":                                                       "icmp 198.51.100.7 > 10.99.0.1 8/0 ttl 64",
		"icmp 198.51.100.7 > 10.99.0.1 3/4 mtu 1400":                                          "icmp 198.51.100.7 > 10.99.0.1 3/4 mtu 1400 ttl 64",
		"icmp6 2001:db8::7 > fd00:99::1":                                                      "icmp6 2001:db8::7 > fd00:99::1 128/0 ttl 64",
		"vlan 7 tcp 198.51.100.7:1 > 10.99.0.1:80 S":                                          "vlan 7 tcp 198.51.100.7:1 > 10.99.0.1:80 S ttl 64",
		"tcp 198.51.100.7:1 > 10.99.0.1:80 A frag 0+ len 8":                                   "tcp 198.51.100.7:1 > 10.99.0.1:80 A frag 0+ len 8 ttl 64",
		"ipip 10.1.0.2 > 10.1.1.11 [tcp 1.2.3.4:5 > 10.99.0.1:80 S]":                          "ipip 10.1.0.2 > 10.1.1.11 ttl 64 [tcp 1.2.3.4:5 > 10.99.0.1:80 S ttl 64]",
		"udp 198.51.100.7:1 > 10.99.0.1:53 frag 0+":                                           "udp 198.51.100.7:1 > 10.99.0.1:53 frag 0+ len 24 ttl 64",
		"tcp 198.51.100.7:1 > 10.99.0.1:80 frag 0+":                                           "tcp 198.51.100.7:1 > 10.99.0.1:80 S frag 0+ len 4 ttl 64",
		"udp 198.51.100.7:1 > 10.99.0.1:53 frag 32":                                           "udp 198.51.100.7 > 10.99.0.1 frag 32 len 24 ttl 64",
		"udp 2001:db8::7 > fd00:99::1 frag 32+ len 8":                                         "udp 2001:db8::7 > fd00:99::1 frag 32+ len 8 ttl 64",
		"icmp 1.2.3.4 > 10.99.0.1 11/0 [udp 10.99.0.1:53 > 5.6.7.8:9 len 3]":                  "icmp 1.2.3.4 > 10.99.0.1 11/0 ttl 64 [udp 10.99.0.1:53 > 5.6.7.8:9 len 3 ttl 64]",
		"icmp6 fd00::1 > fd00:99::1 2/0 mtu 1300 [tcp [fd00:99::1]:80 > [fd00::2]:9 A]":       "icmp6 fd00::1 > fd00:99::1 2/0 mtu 1300 ttl 64 [tcp [fd00:99::1]:80 > [fd00::2]:9 A ttl 64]",
		"gue 10.1.0.2:50000 > 10.1.1.11:6080 [udp [fd00::1]:5 > [fd00:99::1]:53 len 4 ttl 9]": "gue 10.1.0.2:50000 > 10.1.1.11:6080 [udp [fd00::1]:5 > [fd00:99::1]:53 len 4 ttl 9]",
	} {
		frame, err := Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		s, err := packet.Parse(frame)
		if err != nil || s.Check() != nil {
			t.Errorf("%s: %v %v", text, err, s.Check())
		}
		if s.Quote == nil { // a tunnel is told by what it carries
			want = strings.Replace(want, " ttl 64 [", " [", 1)
		}
		if got := s.String(); got != want {
			t.Errorf("%s\n is %s\nnot %s", text, got, want)
		}
		again, err := Parse(s.String())
		if err != nil {
			t.Errorf("%s, as it is printed: %v", s, err)
		} else if diff := packet.Diff(again, frame); diff != "" {
			t.Errorf("%s, as it is printed: %s", s, diff)
		}
	}
}

func TestParseHex(t *testing.T) {
	want := packet.Build(packet.Eth{}, packet.ARP{})
	for _, text := range []string{"hex " + hexOf(want, ""), hexOf(want, ""), "hex " + hexOf(want, " "), hexOf(want, ":")} {
		if got, err := Parse(text); err != nil || packet.Diff(got, want) != "" {
			t.Errorf("%s: %x, %v", text, got, err)
		}
	}
}

// TestParseDump: what tcpdump prints of a packet is that packet, with its Ethernet header (-xx) and without (-x), with letters
// beside it (-X), with the line above, and with its lines run together.
func TestParseDump(t *testing.T) {
	for _, text := range []string{Example, "udp [2001:db8::7]:40000 > [fd00:99::1]:53 len 33"} {
		want, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, bytes := range [][]byte{want, want[minFrame:]} {
			dump := "17:43:57.720814 IP6 2001:db8::7.40000 > fd00:99::1.53: 0x0035 UDP, length 33\n"
			for at := 0; at < len(bytes); at += 16 {
				row := bytes[at:min(at+16, len(bytes))]
				dump += fmt.Sprintf("\t0x%04x:  ", at)
				for i := 0; i < len(row); i += 2 {
					dump += hexOf(row[i:min(i+2, len(row))], "") + " "
				}
				dump += " 0x12:..ab cd\n"
			}
			for _, way := range []string{dump, "hex " + dump, strings.ReplaceAll(strings.ReplaceAll(dump, " 0x12:..ab cd\n", ""), "\t", "")} {
				if got, err := Parse(way); err != nil || packet.Diff(got, want) != "" {
					t.Errorf("%s\n%v %s", way, err, packet.Diff(got, want))
				}
			}
		}
	}
}

// TestParseErrors: whoever mistypes is told where, and what stands there.
func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                                                            "is empty; for example: tcp ",
		"tpc 1.2.3.4:5 > 10.99.0.1:80":                                `"tpc": one of tcp, udp`,
		"tcp 1.2.3.4 > 10.99.0.1:80":                                  "source 1.2.3.4: has no port; write 1.2.3.4:80",
		"tcp 1.2.3.4:5 > 10.99.0.1":                                   "destination 10.99.0.1: has no port; write 10.99.0.1:80",
		"tcp 1.2.3.4:5 10.99.0.1:80":                                  `"10.99.0.1:80" follows the source, where > stands`,
		"tcp 1.2.3.4:99999 > 10.99.0.1:80":                            `source "1.2.3.4:99999": not an address and port`,
		"tcp 1.2.3.4:5 > [fd00::1]:80":                                "one address is IPv4 and the other IPv6",
		"tcp 1.2.3.4:5 > 10.99.0.1:80 XMAS":                           `"XMAS": flags are letters of FSRPAUEC`,
		"tcp 1.2.3.4:5 > 10.99.0.1:80 len 1e6":                        `len "1e6": a number up to 3000 follows it`,
		"tcp 1.2.3.4:5 > 10.99.0.1:80 ttl":                            `ttl "": a number up to 255 follows it`,
		"udp 1.2.3.4:5 > 10.99.0.1:80 S":                              `"S" is not known behind udp`,
		"icmp 1.2.3.4:5 > 10.99.0.1":                                  "source 1.2.3.4:5: icmp has no ports",
		"icmp fd00::1 > fd00::2":                                      "icmp: these addresses have icmp6",
		"gue 1.2.3.4 > 10.99.0.1":                                     "gue and ipip have a packet in brackets",
		"icmp 1.2.3.4 > 10.99.0.1 [tcp 10.99.0.1:80 > 1.2.3.4:5]":     "icmp: only errors quote a packet",
		"icmp 1.2.3.4 > 10.99.0.1 8/0 [tcp 10.99.0.1:80 > 1.2.3.4:5]": "icmp: only errors quote a packet",
		"tcp 1.2.3.4:5 > 10.99.0.1:80 [tcp 10.99.0.1:80 > 1.2.3.4:5]": "and nothing else has",
		"gue 1.2.3.4 > 10.99.0.1 [tcp 1.2.3.4:5 > 10.99.0.1:80":       "a bracket is not closed",
		"gue 1.2.3.4 > 10.99.0.1 [tcp 1.2.3.4:5 > 10.99.0.1:0x]":      `inside: destination "10.99.0.1:0x"`,
		"tcp 1.2.3.4:5 > 10.99.0.1:80 frag 7":                         "frag 7: fragments begin at multiples of 8 bytes",
		"hex 00 11":                                                   "2 bytes, an Ethernet header has 14",
		"hex zz":                                                      "packet in hexadecimal",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// FuzzParse: whatever is typed or sent is a frame or an error.
func FuzzParse(f *testing.F) {
	f.Add(Example)
	f.Add("gue 10.1.0.2:50000 > 10.1.1.11:6080 [udp [fd00::1]:5 > [fd00:99::1]:53 len 4 ttl 9]")
	f.Add("vlan 7 icmp6 fd00::1 > fd00::2 2/0 mtu 1280 frag 8+")
	f.Fuzz(func(t *testing.T, text string) {
		if frame, err := Parse(text); err == nil && len(frame) < minFrame {
			t.Errorf("%q is %d bytes", text, len(frame))
		}
	})
}

func hexOf(b []byte, between string) string {
	const digits = "0123456789abcdef"
	var text []string
	for _, c := range b {
		text = append(text, string([]byte{digits[c>>4], digits[c&15]}))
	}
	return strings.Join(text, between)
}
