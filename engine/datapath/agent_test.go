package datapath

import (
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
)

// announces is a SYN with TCP options.
func announces(flags string, options ...byte) tcp {
	t := tcp{Flags: flags, Options: options}
	if flags == "SA" {
		t.Src, t.Dst, t.Seq, t.Ack = 80, 40000, 7, 1
	}
	return t
}

// TestMSS: what either side announces is lowered to what fits, wherever it stands among the options, and the sum with it; by
// an agent that translates and by one that does not.
func TestMSS(t *testing.T) {
	t.Parallel()
	options := []struct {
		sentence string
		was, now []byte
	}{
		{"too large", []byte{2, 4, 5, 180}, []byte{2, 4, 5, 120}},
		{"at an odd place", []byte{1, 2, 4, 5, 180, 0}, []byte{1, 2, 4, 5, 120, 0}},
		{"behind others", []byte{4, 2, 1, 3, 3, 7, 2, 4, 35, 0}, []byte{4, 2, 1, 3, 3, 7, 2, 4, 5, 120}},
		{"as large as may be", []byte{2, 4, 5, 120}, []byte{2, 4, 5, 120}},
		{"small", []byte{2, 4, 2, 24}, []byte{2, 4, 2, 24}},
		{"behind the end", []byte{0, 0, 2, 4, 5, 180}, []byte{0, 0, 2, 4, 5, 180}},
		{"of a wrong length", []byte{2, 3, 5, 180}, []byte{2, 3, 5, 180}},
		{"behind an option without a length", []byte{9, 0, 2, 4, 5, 180}, []byte{9, 0, 2, 4, 5, 180}},
		{"none", nil, nil},
	}
	for name, text := range map[string]string{
		"snat": strings.Replace(snatSpec, "mode: snat", "mss: 1400, mode: snat", 1),
		"dsr":  "version: 1\nnics: {eth0: {xdp: [decap], tcx_egress: [snat]}, eth1: {tcx_ingress: [decap]}}\nagent: {mss: 1400, vips: [10.99.0.1, \"fd00:99::1\"]}",
	} {
		n, in4, in6 := newNode(t, text), ip4{}, ip6{}
		out4, out6, left := vipFor4, vipFor6, "untranslated"
		if name == "snat" {
			in4, in6, out4, out6, left = at4, at6, srv4, srv6, "translated"
		}
		xdp, tc, out := n.chain(t, "eth0", XDP), n.chain(t, "eth1", TCXIngress), n.chain(t, "eth0", TCXEgress)
		check := func(sentence string, chain int, before []byte, r row) {
			t.Helper()
			t.Run(name+", "+sentence, func(t *testing.T) {
				n.forget()
				if before != nil {
					n.run(t, xdp, before, 0)
				}
				n.check(t, chain, r, 0)
			})
		}
		for _, o := range options {
			check("in, "+o.sentence, xdp, nil, row{in: wrapped(ip4{}, announces("S", o.was...)), want: served(toward(in4, announces("S", o.now...)))})
			check("in at tc, "+o.sentence, tc, nil, row{in: wrapped(ip6{}, announces("S", o.was...)), want: served(toward(in6, announces("S", o.now...)))})
			check("out, "+o.sentence, out, begin4, row{in: away(out4, announces("SA", o.was...)), want: changed(left, "", away(vipFor4, announces("SA", o.now...)))})
			check("out over v6, "+o.sentence, out, begin6, row{in: away(out6, announces("SA", o.was...)), want: changed(left, "", away(vipFor6, announces("SA", o.now...)))})
		}
		check("in, no syn", xdp, nil, row{in: wrapped(ip4{}, udp{}), want: served(toward(in4, udp{}))})
	}
}

// TestOrphans: an agent that is asked to counts packets for which no socket waits, and passes them on; not those that begin a
// connection or break it off, nor those of one that is there.
func TestOrphans(t *testing.T) {
	n := newNode(t, "version: 1\nnics: {eth0: {xdp: [decap]}, eth1: {tcx_ingress: [decap]}}\nagent: {orphans: count, vips: [10.99.0.1, \"fd00:99::1\"]}")
	lo := nicByName(t, "lo")
	for _, a := range []string{"10.99.0.1/32", "198.51.100.7/32"} {
		address, err := netlink.ParseAddr(a)
		if err := errors.Join(err, netlink.AddrAdd(lo, address), netlink.LinkSetUp(lo)); err != nil {
			t.Fatal(err)
		}
	}
	server, err := net.Listen("tcp4", "10.99.0.1:80")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: client4.AsSlice(), Port: 40000}}
	client, err := dialer.Dial("tcp4", "10.99.0.1:80")
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for nic, hook := range map[string]Hook{"eth0": XDP, "eth1": TCXIngress} {
		chain := n.chain(t, nic, hook)
		for _, r := range []row{
			{"an ack of nobody's", wrapped(ip4{}, tcp{Src: 40001, Flags: "A"}), orphaned(toward(ip4{}, tcp{Src: 40001, Flags: "A"}))},
			{"the end of nobody's, v6", wrapped(ip6{}, tcp{Flags: "FA"}), orphaned(toward(ip6{}, tcp{Flags: "FA"}))},
			{"an ack of a connection", wrapped(ip4{}, tcp{Flags: "A"}), served(toward(ip4{}, tcp{Flags: "A"}))},
			{"a syn", wrapped(ip4{}, tcp{Src: 40001, Flags: "S"}), served(toward(ip4{}, tcp{Src: 40001, Flags: "S"}))},
			{"a reset", wrapped(ip4{}, tcp{Src: 40001, Flags: "R"}), served(toward(ip4{}, tcp{Src: 40001, Flags: "R"}))},
			{"udp", wrapped(ip4{}, udp{}), served(toward(ip4{}, udp{}))},
		} {
			if n.check(t, chain, r, 0); t.Failed() { // on this thread, whose network has the sockets
				t.Fatalf("%s: %s", nic, r.sentence)
			}
		}
	}
	orphans := uint64(0)
	for _, h := range n.Hosted() {
		orphans += h.Orphans.Packets
	}
	if orphans != 4 {
		t.Errorf("%d orphans are counted by address, want 4", orphans)
	}
}

// TestStrangers: whom packets came for that nobody here hosts.
func TestStrangers(t *testing.T) {
	t.Parallel()
	n := newNode(t, snatSpec)
	chain := n.chain(t, "eth0", XDP)
	for range 3 {
		n.run(t, chain, wrapped(ip4{Dst: addr("10.99.0.9")}, syn), 0)
	}
	n.run(t, chain, wrapped(ip6{Dst: addr("fd00:99::9")}, syn), 0)
	list, err := n.Strangers()
	if err != nil || len(list) != 2 || list[0].Address != addr("10.99.0.9") || list[0].Packets != 3 || list[1].Address != addr("fd00:99::9") {
		t.Errorf("%+v, %v", list, err)
	}
}

// TestNATExpires: an entry that has lived its life is a miss, and its place is another's.
func TestNATExpires(t *testing.T) {
	t.Parallel()
	n := newNode(t, snatSpec)
	in, out := n.chain(t, "eth0", XDP), n.chain(t, "eth0", TCXEgress)
	age := func(ticks uint64) {
		for i := range n.natFlows.all {
			for way, state := range n.natFlows.all[i].State {
				if state != 0 {
					n.natFlows.all[i].State[way] = state - ticks<<natAgeShift
				}
			}
		}
	}
	reply, want := away(srv4, answer("SA")), translated(away(vipFor4, answer("SA")))
	n.run(t, in, begin4, 0)
	age(natLifeNew)
	n.check(t, out, row{in: reply, want: want}, 0) // and it is young again
	age(natLifeNew + 2)
	n.check(t, out, row{in: reply, want: passed("untranslated")}, 0)
	n.check(t, in, row{in: wrapped(ip4{Dst: second4}, syn), want: served(toward(at4, syn))}, 0)
	n.check(t, out, row{in: reply, want: translated(away(ip4{Src: second4, Dst: client4}, answer("SA")))}, 0)
	n.check(t, in, row{in: wrapped(ip4{Dst: second4}, tcp{Flags: "A", Ack: 8}), want: served(toward(at4, tcp{Flags: "A", Ack: 8}))}, 0)
	age(natLifeNew + 2) // it is confirmed by now
	n.check(t, out, row{in: reply, want: translated(away(ip4{Src: second4, Dst: client4}, answer("SA")))}, 0)
	n.run(t, out, away(srv4, answer("FA")), 0)
	age(natLifeClosing + 2)
	n.check(t, out, row{in: reply, want: passed("untranslated")}, 0)
	if flows, room := n.Translations(); flows != 0 || room != NATSets*NATWays {
		t.Errorf("%d of %d flows are alive", flows, room)
	}
}
