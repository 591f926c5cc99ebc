package bench

import (
	"testing"

	"hairpin/engine/packet"
)

// choiceSpec has VIPs that do not choose by addresses and ports alone, nor are found by them.
const choiceSpec = `
version: 1
nics: {bench0: {xdp: [balancer]}}
vips:
  - {name: quic4, addresses: [10.99.0.1], port: 443, protocol: udp, quic: v1, backends: [{address: 10.1.1.11, id: 4660}, {address: 10.1.1.12}, {address: 10.1.1.13}]}
  - {name: quic6, addresses: ["fd00:99::1"], port: 443, protocol: udp, quic: v1, backends: [{address: "fd00:1::11", id: 4660}, {address: "fd00:1::12"}]}
  - {name: ends, addresses: [10.99.0.1], port: 81, protocol: tcp, hash: addresses, backends: [{address: 10.1.1.11}, {address: 10.1.1.12}]}
  - {name: local, addresses: [10.99.0.1], port: 82, protocol: tcp, local: true, backends: [{address: 10.1.1.11}, {address: 10.1.1.12}]}
  - {name: range, addresses: [10.99.0.1], port: 1000-1999, protocol: tcp, backends: [{address: 10.1.1.11}, {address: 10.1.1.12}]}
  - {name: near, addresses: [10.99.0.1], port: 83, protocol: tcp, sources: [20.0.0.0/8], backends: [{address: 10.1.1.11}, {address: 10.1.1.12}]}
  - {name: web4, addresses: [10.99.0.1], port: 80, protocol: tcp, backends: [{address: 10.1.1.11}, {address: 10.1.1.12}]}
`

// choicePaths are packets for VIPs that choose, or are found, in another way than most, and for others beside them.
func choicePaths(t *testing.T, bpffs string, one flows) []*path {
	n := newNode(t, bpffs, "choice")
	n.apply(t, parseSpec(t, choiceSpec))
	n.reach()
	// The first byte of a short header, then a connection id of layout 1 of server 4660.
	named := packet.Payload{0x41, 0x40 | 4660>>10, 4660 >> 2 & 0xff, 4660 & 3 << 6, 1, 2, 3, 4, 5, 6, 7, 8}
	quic := packet.UDP{Dst: 443}
	short4 := packet.Build(packet.Eth{}, packet.IPv4{}, quic, named, packet.Fill(48))
	short6 := packet.Build(packet.Eth{}, packet.IPv6{}, quic, named, packet.Fill(48))
	to := func(port uint16) []byte { return frame4(packet.TCP{Flags: "A", Dst: packet.Is(port)}) }
	return []*path{
		{name: "QUIC short header by server id", budget: 4.0, node: n, flows: one.with(short4, 65536)},
		{name: "QUIC short header by server id, v6", budget: 4.0, node: n, flows: one.with(short6, 65536)},
		{name: "hash of addresses, 65,536 flows", node: n, flows: one.with(to(81), 65536)},
		{name: "local VIP, no socket", node: n, flows: one.with(to(82), 65536)},
		{name: "range of ports, 65,536 flows", node: n, flows: one.with(to(1500), 65536)},
		{name: "VIP for sources, 65,536 flows", node: n, flows: one.with(to(83), 65536)},
		{name: "an ordinary VIP beside those, 65,536 flows", node: n, flows: one.with(to(80), 65536)},
		{name: "packet for no VIP beside those", node: n, flows: one.with(frame4(packet.TCP{Flags: "A", Dst: 8080}), 1), reason: "no_vip"},
	}
}
