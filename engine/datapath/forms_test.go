package datapath

import (
	"net/netip"

	"hairpin/engine/packet"
)

// The layers of rows about other forms than whole packets of TCP and UDP, by short names.
type (
	icmp4   = packet.ICMPv4
	icmp6   = packet.ICMPv6
	frag    = packet.Fragment
	routing = packet.Routing
	hop     = packet.HopByHop
	opts    = packet.DestOpts
	raw     = packet.Payload
)

var (
	qinq = vlan{TPID: packet.TypeQinQ, ID: 100}
	auth = raw(append([]byte{packet.ProtoTCP, 4}, make([]byte, 22)...)) // an authentication header of 24 bytes
)

// tagged are packets behind VLAN tags: they leave with the tags that they came with.
var tagged = []row{
	{"a vlan tag", frame(vlan{}, ip4{}, syn), sent("web", gue)},
	{"a vlan tag over v6", frame(vlan{ID: 7, Priority: 3}, ip6{}, syn), sent("web", gue)},
	{"a vlan tag, udp", frame(vlan{ID: 4094}, ip4{}, udp{}, fill(5)), sent("echo", gue)},
	{"a vlan tag, udp over v6", frame(vlan{}, ip6{}, udp{}, fill(6)), sent("echo", gue)},
	{"a vlan tag, backend v6", frame(vlan{}, to4("2"), syn), sent("six", gue)},
	{"a vlan tag over v6, backend v6", frame(vlan{}, to6("2"), syn), sent("six", gue)},
	{"a vlan tag, ipip", frame(vlan{}, to4("3"), syn), sent("tun", ipip)},
	{"a vlan tag over v6, ipip", frame(vlan{}, to6("3"), syn), sent("tun", ipip)},
	{"a vlan tag, ipip, backend v6", frame(vlan{}, to4("4"), syn), sent("tun6", ipip)},
	{"a vlan tag over v6, ipip, backend v6", frame(vlan{}, to6("4"), syn), sent("tun6", ipip)},
	{"two vlan tags", frame(qinq, vlan{}, ip4{}, syn), sent("web", gue)},
	{"two vlan tags over v6", frame(qinq, vlan{}, ip6{}, syn), sent("web", gue)},
	{"two vlan tags, ipip", frame(qinq, vlan{}, to4("3"), syn), sent("tun", ipip)},
	{"two vlan tags, backend v6", frame(qinq, vlan{}, to4("2"), udp{}), sent("six-udp", gue)},
	{"two tags of one kind", frame(vlan{}, vlan{ID: 8}, ip4{}, syn), sent("web", gue)},
	{"priority without a vlan", frame(vlan{ID: packet.Zero, Priority: 7}, ip4{}, udp{}), sent("echo", gue)},
	{"a vlan tag and ipv4 options", frame(vlan{}, ip4{Options: []byte{7, 7, 4, 0, 0, 0, 0}}, syn), sent("web", gue)},
	{"a vlan tag and udp without a checksum", frame(vlan{}, ip4{}, udp{Checksum: packet.Zero}, fill(3)), sent("echo", unsum)},
	{"a vlan tag and padding", packet.Pad(frame(vlan{}, ip4{}, udp{}, fill(1)), 64), sent("echo", gue)},
	{"a vlan tag, exactly the mtu", frame(vlan{}, to4("12"), tcp{Flags: "A"}, fill(1500-28-40)), sent("narrow", gue)},
	{"a vlan tag, one byte above the mtu", frame(vlan{}, to4("12"), tcp{Flags: "A"}, fill(1501-28-40)), dropped("too_big", "narrow")},
	{"a vlan tag and ttl 1", frame(vlan{}, ip4{TTL: 1}, syn), dropped("ttl_exceeded", "web")},
	{"a vlan tag and no backends", frame(vlan{}, to4("10"), syn), dropped("no_backend", "empty")},
	{"a vlan tag and another nic", frame(vlan{}, to4("14"), syn), dropped("vlan", "elsewhere")},
	{"a vlan tag and a next hop that does not answer", frame(qinq, vlan{}, to4("13"), syn), dropped("no_next_hop", "lost")},
	{"a vlan tag and a port that is no service", frame(vlan{}, ip4{}, tcp{Dst: 22}), passed("no_vip")},
}

// extended are packets behind IPv6 extension headers.
var extended = []row{
	{"hop-by-hop options", frame(ip6{}, hop{}, syn), sent("web", unsum)},
	{"destination options", frame(ip6{}, opts{}, syn), sent("web", unsum)},
	{"a route that is behind it", frame(ip6{}, routing{Route: nil}, syn), sent("web", unsum)},
	{"an authentication header", frame(ip6{Next: packet.ProtoAuth}, auth, syn), sent("web", unsum)},
	{"three of them", frame(ip6{}, hop{}, opts{}, routing{}, syn), sent("web", unsum)},
	{"six of them", frame(ip6{}, hop{}, opts{}, routing{}, opts{}, opts{}, opts{}, syn), sent("web", unsum)},
	{"as many bytes of them as may be", frame(ip6{}, opts{Options: make([]byte, 70)}, syn), sent("web", unsum)},
	{"options, udp", frame(ip6{}, opts{}, udp{}, fill(7)), sent("echo", unsum)},
	{"options, backend v6", frame(to6("2"), hop{}, syn), sent("six", unsum)},
	{"options, ipip", frame(to6("3"), hop{}, syn), sent("tun", ipip)},
	{"options, ipip, backend v6", frame(to6("4"), opts{}, udp{}, fill(9)), sent("tun6-udp", ipip)},
	{"options behind a vlan tag", frame(vlan{}, ip6{}, hop{}, syn), sent("web", unsum)},
	{"options behind two vlan tags", frame(qinq, vlan{}, ip6{}, opts{Options: make([]byte, 70)}, syn), sent("web", unsum)},
	{"a fragment header around a whole packet", frame(ip6{}, frag{}, syn), sent("web", unsum)},
	{"a fragment header around a whole packet, behind options", frame(ip6{}, hop{}, frag{ID: 9}, udp{}, fill(11)), sent("echo", unsum)},

	{"more than six of them", frame(ip6{}, hop{}, opts{}, opts{}, opts{}, opts{}, opts{}, opts{}, syn), dropped("extension_header", "web")},
	{"one byte more of them than may be", frame(ip6{}, opts{Options: make([]byte, 71)}, syn), dropped("extension_header", "web")},
	{"more bytes of two of them than may be", frame(ip6{}, opts{Options: make([]byte, 38)}, opts{Options: make([]byte, 38)}, syn), dropped("extension_header", "web")},
	{"hop-by-hop options behind others", frame(ip6{}, opts{}, hop{}, syn), dropped("extension_header", "web")},
	{"a route that leads on", frame(ip6{}, routing{Left: 1, Route: []netip.Addr{packet.VIP6}}, syn), dropped("extension_header", "web")},
	{"a mobility header", frame(ip6{Next: 135}, fill(8)), dropped("extension_header", "web")},
	{"a mobility header behind options", frame(ip6{}, opts{Next: 135}, fill(8)), dropped("extension_header", "web")},

	{"options and a port that is no service", frame(ip6{}, hop{}, tcp{Dst: 22}), passed("no_vip")},
	{"esp behind options", frame(ip6{}, hop{Next: 50}, fill(40)), passed("no_vip")},
	{"nothing behind options", frame(ip6{}, opts{Next: packet.ProtoNone}), passed("no_vip")},
	{"options that reach beyond the packet", frame(ip6{}, opts{Len: 3}, udp{}), passed("malformed")},
	{"no room for options", frame(ip6{Next: packet.ProtoDestOpts}, fill(7)), passed("malformed")},
	{"no room for tcp behind options", frame(ip6{}, opts{Next: packet.ProtoTCP}, fill(19)), passed("malformed")},
	{"a udp length beyond the packet behind options", frame(ip6{}, opts{}, udp{Len: 19}, fill(10)), passed("malformed")},
	{"ends within options", packet.Truncate(frame(ip6{}, opts{}, udp{}), 60), passed("truncated")},
}

var tunnel4, tunnel6 = to4("16"), to6("16")

// looped are packets for a VIP that takes the port of GUE itself.
var looped = []row{
	{"encapsulated for a vip", frame(tunnel4, udp{}, ip4{}, syn), dropped("looped", "tunnel")},
	{"encapsulated for a vip, v6 inside", frame(tunnel4, udp{}, ip6{}, syn), dropped("looped", "tunnel")},
	{"encapsulated for a vip, over v6", frame(tunnel6, udp{}, ip4{}, udp{}), dropped("looped", "tunnel")},
	{"encapsulated for a vip, v6 in v6", frame(tunnel6, udp{}, ip6{}, udp{}), dropped("looped", "tunnel")},
	{"encapsulated for a vip, behind a vlan tag", frame(vlan{}, tunnel4, udp{}, ip4{}, syn), dropped("looped", "tunnel")},
	{"encapsulated for a vip that is no service", frame(tunnel4, udp{}, ip4{}, tcp{Dst: 22}), dropped("looped", "tunnel")},
	{"encapsulated twice", frame(tunnel4, udp{}, tunnel4, udp{}, ip4{}, syn), dropped("looped", "tunnel")},
	{"encapsulated for somebody else", frame(tunnel4, udp{}, elsewhere4, syn), sent("tunnel", gue)},
	{"encapsulated for somebody else, v6", frame(tunnel6, udp{}, elsewhere6, syn), sent("tunnel", gue)},
	{"what is no packet, to the port of gue", frame(tunnel4, udp{Dst: packet.GUEPort}, fill(40)), sent("tunnel", gue)},
	{"nothing, to the port of gue", frame(tunnel4, udp{Dst: packet.GUEPort}), sent("tunnel", gue)},
	{"an error about what came from there", frame(ip4{Dst: addr("10.99.0.16")}, needed, packet.Quote(build(ip4{Src: addr("10.99.0.16"), Dst: packet.Client4}, udp{Src: packet.GUEPort, Dst: 40000}), 28)), follows("tunnel", unsum, frame(tunnel4, udp{Dst: packet.GUEPort}))},
}
