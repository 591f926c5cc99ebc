package packet_test

import (
	"fmt"
	"net/netip"

	"hairpin/engine/packet"
)

func Example() {
	in := packet.Build(packet.Eth{}, packet.IPv4{}, packet.TCP{Flags: "S"})
	out := packet.Build(
		packet.Eth{Src: packet.NodeMAC, Dst: packet.RouterMAC},
		packet.IPv4{Src: netip.MustParseAddr("10.1.0.2"), Dst: netip.MustParseAddr("10.1.1.11"), DF: true},
		packet.UDP{Src: 51234}, // the port is that of GUE, since an IP header follows
		packet.IPv4{TTL: 63},
		packet.TCP{Flags: "S"},
	)
	for _, frame := range [][]byte{
		in,
		out,
		packet.Flip(in, 40), // a bit error within the TCP header
		packet.Build(packet.Eth{}, packet.IPv4{Len: 41}, packet.TCP{Flags: "S"}),
	} {
		s, err := packet.Parse(frame)
		fmt.Println(s, err, s.Check())
	}
	// Output:
	// tcp 198.51.100.7:40000 > 10.99.0.1:80 S ttl 64 <nil> <nil>
	// gue 10.1.0.2:51234 > 10.1.1.11:6080 [tcp 198.51.100.7:40000 > 10.99.0.1:80 S ttl 63] <nil> <nil>
	// tcp 198.51.100.7:40000 > 10.99.0.1:80 S ttl 64 (tcp checksum 0xdeb3 is wrong) <nil> tcp checksum 0xdeb3 is wrong
	// tcp 198.51.100.7 > 10.99.0.1 ttl 64 parse packet: ipv4 header: length 41: only 40 bytes follow <nil>
}
