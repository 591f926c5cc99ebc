package datapath

import (
	"slices"
	"testing"

	"hairpin/engine/packet"
)

// What VIPs sent to the client: ICMP errors quote it.
var (
	reply4    = ip4{Src: packet.VIP4, Dst: packet.Client4}
	reply6    = ip6{Src: packet.VIP6, Dst: packet.Client6}
	data4     = build(reply4, tcp{Src: 80, Dst: 40000, Flags: "PA", Seq: 9}, fill(600))
	data6     = build(reply6, tcp{Src: 80, Dst: 40000, Flags: "PA", Seq: 9}, fill(600))
	datagram4 = build(reply4, udp{Src: 7, Dst: 40000}, fill(600))
	datagram6 = build(reply6, udp{Src: 7, Dst: 40000}, fill(600))
	options4  = build(ip4{Src: packet.VIP4, Dst: packet.Client4, Options: make([]byte, 40)}, tcp{Src: 80, Dst: 40000})
	router4   = ip4{Src: addr("192.0.2.77")}
	router6   = ip6{Src: addr("2001:db8:77::1")}
	needed    = icmp4{Type: 3, Code: 4, Rest: 1400}
	ptb       = icmp6{Type: 2, Rest: 1400}

	// The flows that those belong to, as the client sends them.
	web4  = frame(ip4{}, tcp{})
	web6  = frame(ip6{}, tcp{})
	echo4 = frame(ip4{}, udp{})
	echo6 = frame(ip6{}, udp{})
)

// quotes are ICMP errors that reach the backend of the flow that they are about.
var quotes = []row{
	{"fragmentation needed, 8 bytes quoted", frame(ip4{}, needed, packet.Quote(data4, 28)), follows("web", unsum, web4)},
	{"fragmentation needed, much quoted", frame(ip4{}, needed, packet.Quote(data4, 548)), follows("web", unsum, web4)},
	{"fragmentation needed, by a router", frame(router4, needed, packet.Quote(data4, 28)), follows("web", unsum, web4)},
	{"fragmentation needed, no more than ports quoted", frame(router4, needed, packet.Quote(data4, 24)), follows("web", unsum, web4)},
	{"fragmentation needed, ipv4 options quoted", frame(router4, needed, packet.Quote(options4, 68)), follows("web", unsum, web4)},
	{"fragmentation needed, udp", frame(router4, needed, packet.Quote(datagram4, 28)), follows("echo", unsum, echo4)},
	{"fragmentation needed, with options of its own", frame(ip4{Options: []byte{1, 1, 1, 1}}, needed, packet.Quote(data4, 28)), follows("web", unsum, web4)},
	{"fragmentation needed, behind a vlan tag", frame(vlan{}, router4, needed, packet.Quote(data4, 28)), follows("web", unsum, web4)},
	{"fragmentation needed, behind two", frame(qinq, vlan{}, router4, needed, packet.Quote(options4, 68)), follows("web", unsum, web4)},
	{"fragmentation needed, padded", packet.Pad(frame(router4, needed, packet.Quote(data4, 24)), 80), follows("web", unsum, web4)},
	{"fragmentation needed, the first fragment quoted", frame(router4, needed, packet.Quote(build(ip4{Src: packet.VIP4, Dst: packet.Client4, MF: true}, udp{Src: 7, Dst: 40000}, fill(8)), 28)), follows("echo", unsum, echo4)},
	{"port unreachable", frame(ip4{}, icmp4{Type: 3, Code: 3}, packet.Quote(datagram4, 28)), follows("echo", unsum, echo4)},
	{"time exceeded", frame(router4, icmp4{Type: 11}, packet.Quote(data4, 28)), follows("web", unsum, web4)},
	{"parameter problem", frame(router4, icmp4{Type: 12}, packet.Quote(data4, 28)), follows("web", unsum, web4)},
	{"fragmentation needed, backend v6", frame(ip4{Dst: addr("10.99.0.2")}, needed, packet.Quote(build(ip4{Src: addr("10.99.0.2"), Dst: packet.Client4}, tcp{Src: 80, Dst: 40000}), 28)), follows("six", unsum, frame(to4("2"), tcp{}))},
	{"fragmentation needed, ipip", frame(ip4{Dst: addr("10.99.0.3")}, needed, packet.Quote(build(ip4{Src: addr("10.99.0.3"), Dst: packet.Client4}, tcp{Src: 80, Dst: 40000}), 28)), follows("tun", ipip, frame(to4("3"), tcp{}))},
	{"fragmentation needed, a vip of every port", frame(ip4{Dst: addr("10.99.0.6")}, needed, packet.Quote(build(ip4{Src: addr("10.99.0.6"), Dst: packet.Client4}, tcp{Src: 8080, Dst: 40000}), 28)), follows("all", unsum, frame(to4("6"), tcp{Dst: 8080}))},

	{"packet too big, 8 bytes quoted", frame(ip6{}, ptb, packet.Quote(data6, 48)), follows("web", unsum, web6)},
	{"packet too big, much quoted", frame(ip6{}, ptb, packet.Quote(data6, 600)), follows("web", unsum, web6)},
	{"packet too big, by a router", frame(router6, ptb, packet.Quote(data6, 60)), follows("web", unsum, web6)},
	{"packet too big, udp", frame(router6, ptb, packet.Quote(datagram6, 48)), follows("echo", unsum, echo6)},
	{"packet too big, options quoted", frame(router6, ptb, packet.Quote(build(reply6, opts{}, tcp{Src: 80, Dst: 40000}), 76)), follows("web", unsum, web6)},
	{"packet too big, the first fragment quoted", frame(router6, ptb, packet.Quote(build(reply6, frag{MF: true}, udp{Src: 7, Dst: 40000}), 56)), follows("echo", unsum, echo6)},
	{"packet too big, behind options", frame(ip6{}, hop{}, ptb, packet.Quote(data6, 48)), follows("web", unsum, web6)},
	{"packet too big, behind two vlan tags", frame(qinq, vlan{}, router6, ptb, packet.Quote(data6, 48)), follows("web", unsum, web6)},
	{"packet too big, backend v6, ipip", frame(ip6{Dst: addr("fd00:99::4")}, ptb, packet.Quote(build(ip6{Src: addr("fd00:99::4"), Dst: packet.Client6}, tcp{Src: 80, Dst: 40000}), 48)), follows("tun6", ipip, frame(to6("4"), tcp{}))},
	{"port unreachable over v6", frame(ip6{}, icmp6{Type: 1, Code: 4}, packet.Quote(datagram6, 48)), follows("echo", unsum, echo6)},
	{"time exceeded over v6", frame(router6, icmp6{Type: 3}, packet.Quote(data6, 48)), follows("web", unsum, web6)},
	{"parameter problem over v6", frame(router6, icmp6{Type: 4}, packet.Quote(data6, 48)), follows("web", unsum, web6)},

	{"an error with ttl 1", frame(ip4{TTL: 1}, needed, packet.Quote(data4, 28)), dropped("ttl_exceeded", "web")},
	{"an error about what is no service's", frame(ip4{}, needed, packet.Quote(build(reply4, tcp{Src: 22, Dst: 40000}), 28)), passed("no_vip")},
	{"an error about what is no service's, v6", frame(ip6{}, ptb, packet.Quote(build(reply6, udp{Src: 53, Dst: 40000}), 48)), passed("no_vip")},
}

// strangeICMP is what belongs to no flow.
var strangeICMP = []row{
	{"an error without a quote", frame(ip4{}, needed), dropped("icmp", "web")},
	{"an error that quotes less than ports", frame(ip4{}, needed, packet.Quote(data4, 23)), dropped("icmp", "web")},
	{"an error that quotes less than ports, padded", packet.Pad(frame(ip4{}, needed, packet.Quote(data4, 23)), 100), dropped("icmp", "web")},
	{"an error that quotes less than an ipv4 header", frame(ip4{}, needed, packet.Quote(data4, 19)), dropped("icmp", "web")},
	{"an error that quotes less than its options", frame(ip4{}, needed, packet.Quote(options4, 60)), dropped("icmp", "web")},
	{"an error that quotes ihl 4", frame(ip4{}, needed, packet.Quote(build(ip4{Src: packet.VIP4, Dst: packet.Client4, IHL: 4}, tcp{Src: 80}), 28)), dropped("icmp", "web")},
	{"an error that quotes ip version 6", frame(ip4{}, needed, packet.Quote(data6, 60)), dropped("icmp", "web")},
	{"an error about a packet of somebody else", frame(ip4{}, needed, packet.Quote(build(ip4{Src: addr("10.99.0.2"), Dst: packet.Client4}, tcp{Src: 80}), 28)), dropped("icmp", "web")},
	{"an error about a packet of the client", frame(ip4{}, needed, packet.Quote(build(ip4{}, tcp{}), 28)), dropped("icmp", "web")},
	{"an error about a later fragment", frame(ip4{}, needed, packet.Quote(build(ip4{Src: packet.VIP4, Dst: packet.Client4, Offset: 3, Protocol: packet.ProtoUDP}, fill(8)), 28)), dropped("icmp", "web")},
	{"an error about a ping", frame(ip4{}, icmp4{Type: 11}, packet.Quote(build(reply4, icmp4{Type: packet.Zero}), 28)), dropped("icmp", "web")},
	{"a redirect", frame(ip4{}, icmp4{Type: 5}, packet.Quote(data4, 28)), dropped("icmp", "web")},
	{"source quench", frame(ip4{}, icmp4{Type: 4}, packet.Quote(data4, 28)), dropped("icmp", "web")},
	{"an echo reply", frame(ip4{}, icmp4{Type: packet.Zero}, fill(56)), dropped("icmp", "web")},
	{"a timestamp request", frame(ip4{}, icmp4{Type: 13}, fill(12)), dropped("icmp", "web")},
	{"no room for an icmp header", frame(ip4{Protocol: packet.ProtoICMP}, fill(7)), dropped("icmp", "web")},
	{"no room for an icmp header, padded", packet.Pad(frame(ip4{Protocol: packet.ProtoICMP}, raw{8, 0, 0, 0, 0, 0, 0}), 60), dropped("icmp", "web")},
	{"an error over v6 without a quote", frame(ip6{}, ptb), dropped("icmp", "web")},
	{"an error over v6 that quotes less than ports", frame(ip6{}, ptb, packet.Quote(data6, 43)), dropped("icmp", "web")},
	{"an error over v6 that quotes less than its options", frame(ip6{}, ptb, packet.Quote(build(reply6, opts{}, tcp{Src: 80}), 46)), dropped("icmp", "web")},
	{"an error over v6 that quotes ipv4", frame(ip6{}, ptb, packet.Quote(data4, 60)), dropped("icmp", "web")},
	{"an error over v6 about a later fragment", frame(ip6{}, ptb, packet.Quote(build(reply6, frag{Offset: 3, Next: packet.ProtoUDP}, fill(8)), 56)), dropped("icmp", "web")},
	{"an error over v6 about a packet of somebody else", frame(ip6{}, ptb, packet.Quote(build(ip6{Src: addr("fd00:99::2"), Dst: packet.Client6}, tcp{Src: 80}), 48)), dropped("icmp", "web")},
	{"a redirect over v6", frame(ip6{}, icmp6{Type: 137}, packet.Quote(data6, 48)), dropped("icmp", "web")},
	{"a neighbour solicitation for the vip", frame(ip6{TTL: 255}, icmp6{Type: 135}, fill(16)), dropped("icmp", "web")},
	{"no room for an icmpv6 header", frame(ip6{Next: packet.ProtoICMPv6}, fill(7)), dropped("icmp", "web")},

	{"a ping of another code", frame(ip4{}, icmp4{Code: 1}, fill(56)), dropped("icmp", "web")},
	{"a ping with ipv4 options", frame(ip4{Options: []byte{7, 7, 4, 0, 0, 0, 0}}, icmp4{}, fill(56)), dropped("icmp", "web")},
	{"a ping from everybody", frame(ip4{Src: addr("224.0.0.1")}, icmp4{}, fill(56)), dropped("icmp", "web")},
	{"a ping from nobody", frame(ip4{Src: addr("0.0.0.0")}, icmp4{}, fill(56)), dropped("icmp", "web")},
	{"a ping from the host itself", frame(ip4{Src: addr("127.0.0.1")}, icmp4{}, fill(56)), dropped("icmp", "web")},
	{"a ping over v6 behind options", frame(ip6{}, hop{}, icmp6{}, fill(56)), dropped("icmp", "web")},
	{"a ping over v6 from everybody", frame(ip6{Src: addr("ff02::1")}, icmp6{}, fill(56)), dropped("icmp", "web")},
	{"a ping over v6 from nobody", frame(ip6{Src: addr("::")}, icmp6{}, fill(56)), dropped("icmp", "web")},
	{"a ping over v6 from the host itself", frame(ip6{Src: addr("::1")}, icmp6{}, fill(56)), dropped("icmp", "web")},
}

const pingID = 0x1234_0007

// echoes are pings of VIPs, which the node answers.
var echoes = []row{
	{"a ping", frame(ip4{ID: 5}, icmp4{Rest: pingID}, fill(56)), answered("echo_answered", "", ip4{Src: packet.VIP4, Dst: packet.Client4, ID: 5}, icmp4{Type: packet.Zero, Rest: pingID}, fill(56))},
	{"a ping of nothing", frame(ip4{}, icmp4{}), answered("echo_answered", "", reply4, icmp4{Type: packet.Zero})},
	{"a ping of an odd length", frame(ip4{}, icmp4{}, fill(7)), answered("echo_answered", "", reply4, icmp4{Type: packet.Zero}, fill(7))},
	{"a large ping", frame(ip4{DF: true}, icmp4{}, fill(1472)), answered("echo_answered", "", ip4{Src: packet.VIP4, Dst: packet.Client4, DF: true}, icmp4{Type: packet.Zero}, fill(1472))},
	{"a ping with ttl 1, which is here", frame(ip4{TTL: 1}, icmp4{}, fill(8)), answered("echo_answered", "", reply4, icmp4{Type: packet.Zero}, fill(8))},
	{"a ping with ttl 255", frame(ip4{TTL: 255, TOS: 0xb8}, icmp4{}, fill(8)), answered("echo_answered", "", ip4{Src: packet.VIP4, Dst: packet.Client4, TOS: 0xb8}, icmp4{Type: packet.Zero}, fill(8))},
	{"a ping whose checksum carries over", frame(ip4{}, icmp4{Rest: 0xf7ff}), answered("echo_answered", "", reply4, icmp4{Type: packet.Zero, Rest: 0xf7ff})},
	{"a ping of a vip without backends", frame(to4("10"), icmp4{}, fill(8)), answered("echo_answered", "", ip4{Src: addr("10.99.0.10"), Dst: packet.Client4}, icmp4{Type: packet.Zero}, fill(8))},
	{"a ping over v6", frame(ip6{}, icmp6{Rest: pingID}, fill(56)), answered("echo_answered", "", reply6, icmp6{Type: 129, Rest: pingID}, fill(56))},
	{"a ping over v6 of nothing", frame(ip6{}, icmp6{}), answered("echo_answered", "", reply6, icmp6{Type: 129})},
	{"a ping over v6 of an odd length", frame(ip6{TTL: 1, Class: 3}, icmp6{}, fill(9)), answered("echo_answered", "", ip6{Src: packet.VIP6, Dst: packet.Client6, Class: 3}, icmp6{Type: 129}, fill(9))},
	{"a large ping over v6", frame(ip6{}, icmp6{}, fill(1452)), answered("echo_answered", "", reply6, icmp6{Type: 129}, fill(1452))},
	{"a ping behind a vlan tag", frame(vlan{}, ip4{}, icmp4{}, fill(8)), answered("echo_answered", "", vlan{}, reply4, icmp4{Type: packet.Zero}, fill(8))},
	{"a ping behind two vlan tags, v6", frame(qinq, vlan{}, ip6{}, icmp6{}, fill(8)), answered("echo_answered", "", qinq, vlan{}, reply6, icmp6{Type: 129}, fill(8))},
}

// big is a packet of that many bytes to a VIP whose backends are behind an MTU of 1500, and its IP packet.
func big(size int, layers ...packet.Layer) (in []byte, quote []byte) {
	head := len(build(layers...))
	layers = append(layers, fill(size-head))
	return frame(layers...), build(layers...)
}

func tooBigRows() (rows []row) {
	narrow4, narrow6 := ip4{Dst: addr("10.99.0.12"), DF: true}, ip6{Dst: addr("fd00:99::c")}
	back4, back6 := ip4{Src: addr("10.99.0.12"), Dst: packet.Client4, DF: true}, ip6{Src: addr("fd00:99::c"), Dst: packet.Client6}
	add := func(sentence, vip string, size, fits int, tags []packet.Layer, back packet.Layer, layers ...packet.Layer) {
		_, quote := big(size, layers...)
		in := frame(append(slices.Clone(tags), packet.Inner(quote))...)
		advice := []packet.Layer{icmp4{Type: 3, Code: 4, Rest: uint32(fits)}, packet.Quote(quote, 548)}
		if quote[0]>>4 == 6 {
			advice = []packet.Layer{icmp6{Type: 2, Rest: uint32(fits)}, packet.Quote(quote, 1232)}
		}
		rows = append(rows, row{sentence, in, answered("too_big_told", vip, append(append(slices.Clone(tags), back), advice...)...)})
	}
	add("too big by a byte", "narrow", 1473, 1472, nil, back4, narrow4, tcp{Flags: "A"})
	add("too big, with ipv4 options", "narrow", 1500, 1472, nil, back4, ip4{Dst: addr("10.99.0.12"), DF: true, Options: make([]byte, 8)}, tcp{Flags: "A"})
	add("too big, a syn", "narrow", 1500, 1472, nil, back4, narrow4, syn)
	add("too big, with a class", "narrow", 1490, 1472, nil, back4, ip4{Dst: addr("10.99.0.12"), DF: true, TOS: 0xff}, tcp{Flags: "A"})
	add("too big, ipip", "narrowtun", 1481, 1480, nil, ip4{Src: addr("10.99.0.15"), Dst: packet.Client4, DF: true}, ip4{Dst: addr("10.99.0.15"), DF: true}, tcp{Flags: "A"})
	add("too big, behind a vlan tag", "narrow", 1500, 1472, []packet.Layer{vlan{}}, back4, narrow4, tcp{Flags: "A"})
	add("too big, behind two vlan tags", "narrow", 1500, 1472, []packet.Layer{qinq, vlan{}}, back4, narrow4, tcp{Flags: "A"})
	add("too big, the first fragment", "narrow", 1476, 1472, nil, back4, ip4{Dst: addr("10.99.0.12"), DF: true, MF: true}, tcp{Flags: "A"})
	add("too big by a byte over v6", "narrow", 1473, 1472, nil, back6, narrow6, tcp{Flags: "A"})
	add("too big over v6, an odd length", "narrow", 1499, 1472, nil, back6, ip6{Dst: addr("fd00:99::c"), Class: 9, Label: 7}, tcp{Flags: "A"})
	add("too big over v6, behind options", "narrow", 1500, 1472, nil, back6, narrow6, hop{}, tcp{Flags: "A"})
	add("too big over v6, behind a vlan tag", "narrow", 1500, 1472, []packet.Layer{vlan{}}, back6, narrow6, tcp{Flags: "A"})
	add("too big over v6, the first fragment", "narrow", 1480, 1472, nil, back6, narrow6, frag{MF: true}, tcp{Flags: "A"})
	untold := func(sentence string, layers ...packet.Layer) {
		in, _ := big(1500, layers...)
		rows = append(rows, row{sentence, in, dropped("too_big", "narrow")})
	}
	untold("too big, and may be fragmented", to4("12"), tcp{Flags: "A"})
	untold("too big, from everybody", ip4{Src: addr("239.1.1.1"), Dst: addr("10.99.0.12"), DF: true}, tcp{Flags: "A"})
	untold("too big, an error itself", narrow4, needed, raw(build(back4, tcp{Src: 80, Dst: 40000})))
	untold("too big over v6, an error itself", narrow6, ptb, raw(build(back6, tcp{Src: 80, Dst: 40000})))
	untold("too big over v6, from everybody", ip6{Src: addr("ff0e::1"), Dst: addr("fd00:99::c")}, tcp{Flags: "A"})
	in, _ := big(1290, ip6{Dst: addr("fd00:99::10")}, tcp{Flags: "A"})
	return append(rows, row{"too big over v6, where the least does not fit", in, dropped("too_big", "strait")})
}

// tooBig are packets that do not fit once they are encapsulated: where it helps, their senders are told what does.
var tooBig = tooBigRows()

// TestAnswersAreBounded: more pings than a CPU answers in a second are dropped, and so are more packets that are too big.
func TestAnswersAreBounded(t *testing.T) {
	t.Parallel()
	n := newNode(t, balancerSpec)
	chain := n.chain(t, "eth0", XDP)
	large, _ := big(1500, ip4{Dst: addr("10.99.0.12"), DF: true}, tcp{Flags: "A"})
	for bounded, in := range map[string][]byte{"echo_limited": frame(ip4{}, icmp4{}, fill(8)), "too_big": large} {
		began, answers := Monotonic(), 0
		for {
			why, _, _ := n.exit(t, chain, in)
			if why.Name == bounded {
				break
			}
			if answers++; answers > 100_000 {
				t.Fatalf("%s: not after %d answers", bounded, answers)
			}
		}
		if windows := int((Monotonic()-began)>>27) + 2; answers > 128*windows*len(n.counters.all) {
			t.Errorf("%s: %d answers in %d times 134 ms", bounded, answers, windows)
		}
	}
}

// TestErrorsFollowSettledFlows: an ICMP error goes where its flow goes, on slots where the rings differ too, and leaves no
// trace.
func TestErrorsFollowSettledFlows(t *testing.T) {
	t.Parallel()
	n := newNode(t, settleSpec)
	these, old := moved(t, n.clients("web", 200), func() { n.add(t, "web", "10.1.1.4") })
	for i, c := range these {
		home := old[c]
		if i%2 == 0 {
			home = c.connect(t) // it began after the change
		}
		before := slices.Clone(n.connections.all)
		strays := n.ledger(t)["stray web"]
		if got := n.deliver(t, c.complaint()); got != home {
			t.Errorf("%v is at %v, an error about it went to %v", c, home, got)
		}
		if !slices.Equal(n.connections.all, before) || n.ledger(t)["stray web"] != strays {
			t.Errorf("%v: an error about it left a trace", c)
		}
	}
}

// complaint is what a router says of a packet to the client that is too big.
func (c *client) complaint() []byte {
	l4 := tcp{Src: 80, Dst: packet.Is(c.src.Port()), Flags: "PA", Seq: 77}
	if c.src.Addr().Is6() {
		return frame(router6, ptb, packet.Quote(build(ip6{Src: packet.VIP6, Dst: c.src.Addr()}, l4), 48))
	}
	return frame(router4, needed, packet.Quote(build(ip4{Src: packet.VIP4, Dst: c.src.Addr()}, l4), 28))
}
