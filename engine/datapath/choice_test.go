package datapath

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"hairpin/engine/packet"
	"hairpin/engine/spec"
)

// choiceText is a spec with a VIP for every hash and every layout of QUIC, in both encapsulations, to backends of both families.
// The VIP of index i has the addresses 10.99.1.i and fd00:99:1::i.
func choiceText() (text string, names []string) {
	text = "version: 1\nnics: {eth0: {xdp: [balancer]}}\nvips:\n"
	add := func(name, more string) {
		names = append(names, name)
		for _, outer := range []string{"4", "6"} {
			for _, encap := range []string{"gue", "ipip"} {
				backends := ""
				for b := 1; b <= 5; b++ {
					address := fmt.Sprintf("10.1.1.%d", b)
					if outer == "6" {
						address = fmt.Sprintf("\"fd00:1:1::%d\"", b)
					}
					id := ""
					if b%2 == 1 && more[:4] != "hash" { // the others have an id by their address
						id = fmt.Sprintf(", id: %d", 0x1230+b)
					}
					backends += fmt.Sprintf("{address: %s%s},", address, id)
				}
				i := len(names)*16 + int(outer[0]-'4')*2 + len(encap) - 3
				text += fmt.Sprintf("  - {name: %s-%s-%s, addresses: [10.99.1.%d, \"fd00:99:1::%x\"], port: 443, protocol: %s, encap: %s, ring: 251, %s, backends: [%s]}\n",
					name, outer, encap, i, i, choiceProtocol(more), encap, more, backends)
			}
		}
	}
	for _, h := range []string{"tuple", "no_source_port", "addresses", "destination_port"} {
		add("h-"+h[:2], "hash: "+h)
	}
	for _, q := range []string{"v1", "v2", "v3"} {
		add("q-"+q, "quic: "+q)
	}
	add("i-option", "id_in: tcp_option")
	add("i-payload", "id_in: payload")
	return text, names
}

func choiceProtocol(more string) string {
	if more[:4] == "quic" || more == "id_in: payload" {
		return "udp"
	}
	return "tcp"
}

// connectionID is one that a server with an id hands out.
func connectionID(q spec.QUIC, id uint32) []byte {
	b := fill(8)
	q.PutServer(b, id)
	return b
}

// quicShort and quicLong are UDP payloads that begin as QUIC packets do.
func quicShort(id []byte) packet.Layer {
	return packet.Payload(append(append([]byte{0x41}, id...), fill(24)...))
}

func quicLong(version uint32, kind byte, id []byte) packet.Layer {
	head := binary.BigEndian.AppendUint32([]byte{0xc0 | kind<<4}, version)
	head = append(append(head, byte(len(id))), id...)
	return packet.Payload(append(head, fill(40)...))
}

// towards is a frame of a family to a VIP.
func towards(v *spec.VIP, six bool, layers ...packet.Layer) []byte {
	if six {
		return frame(append([]packet.Layer{ip6{Dst: v.Addresses[1]}}, layers...)...)
	}
	return frame(append([]packet.Layer{ip4{Dst: v.Addresses[0]}}, layers...)...)
}

func wrapOf(v *spec.VIP) wrapping {
	if v.Encap == spec.IPIP {
		return ipip
	}
	return gue
}

// hashRows are packets that the ring places by what the VIP says. What does not decide changes from row to row.
func hashRows(v *spec.VIP) (rows []row) {
	if v.NamesServers() {
		return nil
	}
	for _, six := range []bool{false, true} {
		for port := range uint16(4) {
			rows = append(rows, row{fmt.Sprintf("from port %d, v6 %t", 40000+port, six),
				towards(v, six, tcp{Src: packet.Is(40000 + port), Dst: packet.Is(443), Flags: "S"}), sent(v.Name, wrapOf(v))})
		}
	}
	return rows
}

// quicRows are packets of QUIC: those that name a server go to it, all others by the ring.
func quicRows(t *testing.T, n *node, v *spec.VIP) (rows []row) {
	if v.QUIC == spec.NoQUIC {
		return nil
	}
	to := udp{Src: packet.Is(50000), Dst: packet.Is(443)}
	byRing := sent(v.Name, wrapOf(v))
	unknown := byRing
	unknown.also = "quic_unknown"
	unheard := connectionID(v.QUIC, 0xbeef)
	for _, six := range []bool{false, true} {
		add := func(sentence string, payload packet.Layer, want fate) {
			rows = append(rows, row{fmt.Sprintf("%s, v6 %t", sentence, six), towards(v, six, to, payload), want})
		}
		for i, b := range v.Backends {
			id := connectionID(v.QUIC, v.ServerID(b))
			add(fmt.Sprintf("short header of server %d", i), quicShort(id), toServer(v, b.Address))
			add(fmt.Sprintf("handshake with server %d", i), quicLong(1, 2, id), toServer(v, b.Address))
		}
		first := connectionID(v.QUIC, v.ServerID(v.Backends[0]))
		add("initial", quicLong(1, 0, first), byRing)
		add("0-rtt", quicLong(1, 1, first), byRing)
		add("initial of version 2", quicLong(0x6b3343cf, 1, first), byRing)
		add("0-rtt of version 2", quicLong(0x6b3343cf, 2, first), byRing)
		add("handshake of version 2", quicLong(0x6b3343cf, 3, first), toServer(v, v.Backends[0].Address))
		add("an id that no server has", quicShort(unheard), unknown)
		add("a handshake with an id that no server has", quicLong(1, 2, unheard), unknown)
		add("an id without a layout", quicShort(append([]byte{0x12}, first[1:]...)), byRing)
		add("a long header with a short id", quicLong(1, 2, first[:7]), byRing)
		add("too short for an id", packet.Payload{0x41, first[0], first[1]}, byRing)
		add("no payload", packet.Payload{}, byRing)
	}
	return rows
}

// toServer leaves for a server that the packet names.
func toServer(v *spec.VIP, backend netip.Addr) fate {
	f := fate{reason: "forwarded", vip: v.Name, also: "quic_known"}
	f.out = func(t testing.TB, _ *node, in []byte) ([]byte, netip.Addr) {
		return outward(t, in, backend, wrapOf(v)), backend
	}
	return f
}

// TestChoices sends packets to VIPs that choose in every way, and compares every byte that leaves.
func TestChoices(t *testing.T) {
	t.Parallel()
	text, _ := choiceText()
	n := newNode(t, text)
	chain := n.chain(t, "eth0", XDP)
	rows := 0
	for i := range n.spec.VIPs {
		v := &n.spec.VIPs[i]
		for _, r := range slices.Concat(hashRows(v), quicRows(t, n, v), optionRows(v), payloadRows(v)) {
			rows++
			t.Run(v.Name+": "+r.sentence, func(t *testing.T) { n.check(t, chain, r, 0) })
		}
	}
	if rows < 200 {
		t.Errorf("%d rows", rows)
	}
}

// TestHashesAgree: with what decides alike, all flows go to one backend; with what decides different, to all of them.
func TestHashesAgree(t *testing.T) {
	t.Parallel()
	text, _ := choiceText()
	n := newNode(t, text)
	for _, row := range []struct {
		vip                           string
		bySource, bySourcePort, bySix bool // who spreads
	}{
		{"h-tu-4-gue", true, true, true}, {"h-no-4-gue", true, false, true}, {"h-ad-4-gue", true, false, true}, {"h-de-4-gue", false, false, false},
	} {
		v := n.spec.VIP(row.vip)
		spread := func(in func(i int) []byte) int {
			seen := map[netip.Addr]bool{}
			for i := range 60 {
				seen[n.deliver(t, in(i))] = true
			}
			return len(seen)
		}
		for name, is := range map[string]struct {
			got  int
			want bool
		}{
			"sources": {spread(func(i int) []byte {
				return frame(ip4{Src: netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}), Dst: v.Addresses[0]}, tcp{Dst: 443})
			}), row.bySource},
			"source ports": {spread(func(i int) []byte {
				return frame(ip4{Dst: v.Addresses[0]}, tcp{Src: packet.Is(uint16(30000 + i)), Dst: 443})
			}), row.bySourcePort},
			"sources over v6": {spread(func(i int) []byte {
				return frame(ip6{Src: netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", i+1)), Dst: v.Addresses[1]}, tcp{Dst: 443})
			}), row.bySix},
		} {
			if (is.got > 1) != is.want {
				t.Errorf("%s: flows from 60 %s go to %d backends", row.vip, name, is.got)
			}
		}
	}
}

// TestRehash: when a VIP chooses by another hash, established connections stay, also on the way back and over a change of the
// backends in between, and new ones go by the new hash.
func TestRehash(t *testing.T) {
	t.Parallel()
	n := newNode(t, settleSpec)
	homes := connected(t, n.clients("web", 200))
	rehash := func(h spec.Hash) {
		s := n.spec.Clone()
		s.VIP("web").Hash = h
		n.apply(t, s, 0)
	}
	for i, h := range []spec.Hash{spec.HashAddresses, spec.HashNoSourcePort, spec.HashTuple} {
		rehash(h)
		stay(t, "after hash "+h.String(), homes)
		n.add(t, "web", fmt.Sprintf("10.1.1.%d", 20+h))
		stay(t, "after hash "+h.String()+" and one backend more", homes)
		for c, home := range connected(t, n.clients("web", 350)[200+50*i:250+50*i]) {
			if want := c.ring(t); home != want {
				t.Fatalf("hash %s: a new flow went to %v, the ring says %v", h, home, want)
			}
		}
	}
}

// TestRehashTakenBack: the kernel goes back to the older hash by itself, and finds every connection.
func TestRehashTakenBack(t *testing.T) {
	t.Parallel()
	n := newNode(t, settleSpec)
	old := n.spec
	homes := connected(t, n.clients("web", 100))
	s := n.spec.Clone()
	s.VIP("web").Hash = spec.HashAddresses
	n.apply(t, s, time.Hour)
	stay(t, "while the change waits", homes)
	between := connected(t, n.clients("web", 200)[100:])
	if err := n.Revert(); err != nil {
		t.Fatal(err)
	}
	n.spec = old
	stay(t, "those from before", homes)
	stay(t, "those from in between", between)
}

// TestMigrate: flows of UDP leave a backend that is down at once where the VIP says so, and stay where it does not.
func TestMigrate(t *testing.T) {
	t.Parallel()
	for _, migrate := range []bool{false, true} {
		n := newNode(t, fmt.Sprintf("version: 1\nnics: {eth0: {xdp: [balancer]}}\nvips:\n  - {name: sip, addresses: [10.99.0.1], port: 5060, protocol: udp, "+
			"migrate: %t, ring: 251, backends: [{address: 10.1.1.1}, {address: 10.1.1.2}, {address: 10.1.1.3}]}", migrate))
		down, on := addr("10.1.1.1"), 0
		ask := func() (on int) {
			for i := range 90 {
				if n.deliver(t, frame(ip4{}, udp{Src: packet.Is(uint16(20000 + i)), Dst: 5060}, fill(9))) == down {
					on++
				}
			}
			return on
		}
		if on = ask(); on == 0 {
			t.Fatal("no flow is on the backend")
		}
		n.setState(t, "sip", down.String(), spec.Down)
		if got := ask(); migrate && got != 0 || !migrate && got != on {
			t.Errorf("migrate %t: %d of %d flows are on the backend that is down", migrate, got, on)
		}
	}
}

// TestLocal: what a socket of this host serves passes up to it, and nothing else.
func TestLocal(t *testing.T) {
	n := newNode(t, `
version: 1
nics: {eth0: {xdp: [balancer]}}
vips:
  - {name: web, addresses: [10.99.0.77, "fd00:99::77"], port: 80, protocol: tcp, local: true, ring: 251, backends: [{address: 10.1.1.1}]}
  - {name: dns, addresses: [10.99.0.77, "fd00:99::77"], port: 53, protocol: udp, local: true, ring: 251, backends: [{address: 10.1.1.1}]}
  - {name: far, addresses: [10.99.0.77], port: 81, protocol: tcp, ring: 251, backends: [{address: 10.1.1.1}]}
`)
	to4, to6 := ip4{Dst: addr("10.99.0.77")}, ip6{Dst: addr("fd00:99::77")}
	web4, web6 := frame(to4, syn), frame(to6, syn)
	dns4, dns6 := frame(to4, udp{Dst: 53}, fill(9)), frame(to6, udp{Dst: 53}, fill(9))
	far := frame(to4, tcp{Dst: 81, Flags: "S"})
	here := passed("local")
	check := func(when string, served bool) {
		t.Helper()
		for _, r := range []row{{"tcp v4", web4, sent("web", gue)}, {"tcp v6", web6, sent("web", gue)}, {"udp v4", dns4, sent("dns", gue)}, {"udp v6", dns6, sent("dns", gue)}} {
			if served {
				r.want = here
			}
			t.Log(when, r.sentence)
			n.check(t, n.chain(t, "eth0", XDP), r, 0)
		}
		n.check(t, n.chain(t, "eth0", XDP), row{"not local", far, sent("far", gue)}, 0)
	}
	check("without sockets", false)
	haveOnLo(t, "10.99.0.77/32", "fd00:99::77/128")
	for _, a := range []string{"10.99.0.77:80", "[fd00:99::77]:80", "10.99.0.77:81"} {
		l, err := net.Listen("tcp", a)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
	}
	for _, a := range []string{"10.99.0.77:53", "[fd00:99::77]:53"} {
		l, err := net.ListenPacket("udp", a)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
	}
	check("with sockets", true)
}

// haveOnLo gives the test's own namespace addresses.
func haveOnLo(t *testing.T, addresses ...string) {
	t.Helper()
	lo, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetUp(lo)
	}
	for _, a := range addresses {
		prefix, bad := netlink.ParseAddr(a)
		if bad == nil {
			prefix.Flags = unix.IFA_F_NODAD // it can be bound at once
		}
		if err = errors.Join(err, bad); err == nil {
			err = netlink.AddrAdd(lo, prefix)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}
