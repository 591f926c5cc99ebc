package datapath

import (
	"testing"

	"hairpin/engine/packet"
)

// TestSNATFragments: what a server sends in pieces comes from the VIP altogether, where the first piece came first; pieces of
// direct connections stay as they are, and what nobody can know is counted as such.
func TestSNATFragments(t *testing.T) {
	t.Parallel()
	n := newNode(t, snatSpec)
	in, out := n.chain(t, "eth0", XDP), n.chain(t, "eth0", TCXEgress)
	four := func(src ip4, id, at uint16, more bool, layers ...packet.Layer) []byte {
		src.ID, src.Offset, src.MF, src.Protocol = id, at, more, packet.ProtoUDP
		return away(append([]packet.Layer{src}, layers...)...)
	}
	six := func(src ip6, id uint32, at uint16, more bool, layers ...packet.Layer) []byte {
		return away(append([]packet.Layer{src, packet.Fragment{ID: id, Offset: at, MF: more, Next: packet.ProtoUDP}}, layers...)...)
	}
	first := udp{Src: 7, Dst: 40000, Len: 1000, Checksum: 0x1234}
	from4, from6 := first, first
	from4.Checksum, from6.Checksum = sumFrom(local4, vip4at, 0x1234), sumFrom(local6, vip6at, 0x1234)
	direct := udp{Src: 53, Dst: 40000, Len: 1000, Checksum: 0x1234}
	piece := fill(104)
	for _, r := range []snatRow{
		{[][]byte{beginUDP4}, row{"the first piece", four(srv4, 1, 0, true, first, fill(96)), translated(four(vipFor4, 1, 0, true, from4, fill(96)))}},
		{nil, row{"the next one", four(srv4, 1, 13, true, piece), translated(four(vipFor4, 1, 13, true, piece))}},
		{nil, row{"the last one", four(srv4, 1, 26, false, piece), translated(four(vipFor4, 1, 26, false, piece))}},
		{nil, row{"of another packet, whose first piece did not come", four(srv4, 2, 13, false, piece), passed("first_unseen")}},
		{nil, row{"of the same number to another client", four(ip4{Src: local4, Dst: hop4}, 1, 13, false, piece), passed("first_unseen")}},
		{[][]byte{beginUDP6}, row{"the first piece over v6", six(srv6, 7, 0, true, first, fill(96)), translated(six(vipFor6, 7, 0, true, from6, fill(96)))}},
		{nil, row{"the last one over v6", six(srv6, 7, 13, false, piece), translated(six(vipFor6, 7, 13, false, piece))}},
		{nil, row{"of another packet over v6", six(srv6, 8, 13, false, piece), passed("first_unseen")}},
		{nil, row{"the first piece of a direct packet", four(srv4, 3, 0, true, direct, fill(96)), passed("untranslated")}},
		{nil, row{"the last one of a direct packet", four(srv4, 3, 13, false, piece), passed("untranslated")}},
		{[][]byte{wrapped(ip4{}, icmp4{Rest: 7 << 16})}, row{"the first piece of an echo reply", away(ip4{Src: local4, Dst: client4, ID: 9, MF: true}, icmp4{Type: packet.Zero, Rest: 7 << 16}, fill(96)),
			translated(away(ip4{Src: vip4at, Dst: client4, ID: 9, MF: true}, icmp4{Type: packet.Zero, Rest: 7 << 16}, fill(96)))}},
		{nil, row{"the last piece of an echo reply", away(ip4{Src: local4, Dst: client4, ID: 9, Offset: 13, Protocol: packet.ProtoICMP}, piece),
			translated(away(ip4{Src: vip4at, Dst: client4, ID: 9, Offset: 13, Protocol: packet.ProtoICMP}, piece))}},
	} {
		t.Run(r.sentence, func(t *testing.T) { n.checkAfter(t, in, out, r) })
	}
}
