package datapath

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"hairpin/engine/packet"
	"hairpin/engine/reason"
)

// steerSpec sends flows by three NICs and a table.
const steerSpec = `
version: 1
stages:
  ways:
    kind: steer
    rules:
      - {name: lab, to: [198.51.100.0/24, "2001:db8:1::/48"], nic: up1, via: 10.9.1.9}
      - {name: six, to: ["2001:db8:2::/48"], nic: up1, via: "fd00:9:1::9"}
      - {name: voice, dscp: [ef, 34], table: 100}
      - {name: marked, mark: 0x10/0xf0, nic: up2}
      - {name: replies, vip: web, nic: up2, via: 10.9.2.9}
      - {name: pair, from: [203.0.113.0/25], to: [203.0.113.128/25], nic: up2, via: 10.9.2.8}
      - {name: strict, to: [192.0.2.0/25], nic: nowhere, otherwise: drop}
      - {name: loose, to: [192.0.2.128/25], nic: nowhere}
      - {name: hidden, to: [100.64.0.0/10], table: 7777}
      - {name: small, to: [100.128.0.0/24], nic: up3, via: 10.9.3.9}
      - {name: here, to: [100.128.1.0/24], nic: eth0}
      - {name: own, to: [100.128.2.0/24], nic: up2, otherwise: drop}
      - {name: spread, to: [10.0.0.0/8], paths: two}
    groups:
      - {name: two, paths: [{name: a, nic: up1, via: 10.9.1.7}, {name: b, nic: up2, via: 10.9.2.7, weight: 300}]}
nics:
  eth0: {xdp: [balancer], tcx_egress: [ways]}
vips:
  - {name: web, addresses: [10.99.0.1, "fd00:99::1"], port: 80, protocol: tcp, ring: 251, backends: [{address: 10.1.1.11}]}
`

// upNIC is a veth that is up and has addresses.
func upNIC(t testing.TB, name string, mtu int, addresses ...string) {
	t.Helper()
	for _, l := range []netlink.Link{addNIC(t, name, mtu), nicByName(t, name+"peer")} {
		if err := netlink.LinkSetUp(l); err != nil {
			t.Fatal(err)
		}
	}
	for _, a := range addresses {
		parsed, err := netlink.ParseAddr(a)
		if err != nil {
			t.Fatal(err)
		}
		parsed.Flags = unix.IFA_F_NODAD
		if err := netlink.AddrAdd(nicByName(t, name), parsed); err != nil {
			t.Fatal(err)
		}
	}
}

func route(t testing.TB, table int, to, via, nic string) {
	t.Helper()
	_, dst, err := net.ParseCIDR(to)
	if err != nil {
		t.Fatal(err)
	}
	r := &netlink.Route{Table: table, Dst: dst, Gw: net.ParseIP(via), LinkIndex: nicByName(t, nic).Attrs().Index}
	if err := netlink.RouteAdd(r); err != nil {
		t.Fatal(err)
	}
}

func forwarding(t testing.TB, nics ...string) {
	t.Helper()
	for _, nic := range nics {
		for _, family := range []string{"ipv4", "ipv6"} {
			if err := os.WriteFile("/proc/sys/net/"+family+"/conf/"+nic+"/forwarding", []byte("1"), 0); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// steerNode has NICs up1, up2 and the narrow up3, and a table 100 that leads everything by up2.
func steerNode(t testing.TB, text string) *node {
	t.Helper()
	n := newKernel(t)
	upNIC(t, "up1", 1600, "10.9.1.2/24", "fd00:9:1::2/64")
	upNIC(t, "up2", 1600, "10.9.2.2/24", "fd00:9:2::2/64")
	upNIC(t, "up3", 1280, "10.9.3.2/24")
	if err := netlink.LinkSetUp(nicByName(t, "lo")); err != nil {
		t.Fatal(err)
	}
	forwarding(t, "lo")
	route(t, 100, "0.0.0.0/0", "10.9.2.1", "up2")
	route(t, 100, "::/0", "fd00:9:2::1", "up2")
	s := &node{Kernel: n, roots: map[int]*ebpf.Program{}}
	s.apply(t, parse(t, text), 0)
	return s
}

// egressContext is the head of struct __sk_buff, as far as a test may say what is in it.
type egressContext struct {
	_       [2]uint32
	Mark    uint32
	_       [6]uint32
	Came    uint32 // index of the NIC
	Ifindex uint32
}

// leaves sends a frame out by eth0, and returns the reason for which it left the chain, its verdict, and what paths counted.
func (n *node) leaves(t testing.TB, frame []byte, mark uint32, came string) (why string, verdict uint32, paths string) {
	t.Helper()
	chain := n.chain(t, "eth0", TCXEgress)
	c := egressContext{Mark: mark, Ifindex: uint32(nicByName(t, "eth0").Attrs().Index)}
	if came != "" {
		c.Came = uint32(nicByName(t, came).Attrs().Index)
	}
	before, exits := n.byPaths(), n.exits(chain)
	run := ebpf.RunOptions{Data: frame, DataOut: make([]byte, len(frame)+64), Context: c, Repeat: 1}
	verdict, err := n.roots[chain].Run(&run)
	if err != nil {
		t.Fatal(err)
	}
	if diff := packet.Diff(run.DataOut, frame); diff != "" {
		t.Errorf("a frame was changed: %s", diff)
	}
	for id, now := range n.exits(chain) {
		if now != exits[id] {
			r, _ := reason.ByID(id)
			why = r.Name
			checked.note(why, frame, run.DataOut)
		}
	}
	var moved []string
	for way, now := range n.byPaths() {
		if now != before[way] {
			moved = append(moved, fmt.Sprintf("%s %d/%d", way, now.Packets-before[way].Packets, now.Bytes-before[way].Bytes))
		}
	}
	slices.Sort(moved)
	return why, verdict, strings.Join(moved, ", ")
}

// byPaths is what was sent by each path, by its words.
func (n *node) byPaths() map[string]Count {
	all := map[string]Count{}
	for _, p := range n.SteerPathsOf(n.spec) {
		all[p.Way.String()] = Count{p.Packets, p.Bytes}
	}
	return all
}

func TestSteer(t *testing.T) {
	t.Parallel()
	n := steerNode(t, steerSpec)
	const redirect = 7
	to := func(a string) ip4 { return ip4{Src: addr("192.168.0.1"), Dst: addr(a)} }
	to6 := func(a string) ip6 { return ip6{Src: addr("fd00::1"), Dst: addr(a)} }
	ack := tcp{Dst: 81, Flags: "A"}
	for _, r := range []struct {
		sentence string
		in       []byte
		mark     uint32
		reason   string
		path     string // that counts it; empty = none
	}{
		{"to a prefix", frame(to("198.51.100.7"), ack), 0, "steered", "up1 via 10.9.1.9"},
		{"to no prefix", frame(to("198.51.101.7"), ack), 0, "chain_end", ""},
		{"to a prefix of IPv6, by a hop of IPv4", frame(to6("2001:db8:1::7"), ack), 0, "chain_end", ""},
		{"to a prefix of IPv6", frame(to6("2001:db8:2::7"), ack), 0, "steered", "up1 via fd00:9:1::9"},
		{"a later fragment", frame(ip4{Dst: addr("198.51.100.7"), Offset: 101, Protocol: packet.ProtoUDP}, fill(10)), 0, "steered", "up1 via 10.9.1.9"},
		{"a ping", frame(to("198.51.100.7"), icmp4{Type: 8}), 0, "steered", "up1 via 10.9.1.9"},
		{"by its code point", frame(ip4{Dst: addr("198.51.102.7"), TOS: 46 << 2}, ack), 0, "steered", "table 100"},
		{"by its code point, and met congestion", frame(ip4{Dst: addr("198.51.102.7"), TOS: 34<<2 | 3}, ack), 0, "steered", "table 100"},
		{"by its code point, IPv6", frame(ip6{Dst: addr("2001:db8:3::7"), Class: 46 << 2}, ack), 0, "steered", "table 100"},
		{"another code point", frame(ip4{Dst: addr("198.51.102.7"), TOS: 45 << 2}, ack), 0, "chain_end", ""},
		{"by its mark", frame(to("10.9.2.77"), ack), 0x13, "steered", "up2"},
		{"another mark", frame(to("198.51.102.7"), ack), 0x113 << 1, "chain_end", ""},
		{"what a VIP answers", frame(ip4{Src: addr("10.99.0.1"), Dst: addr("198.51.102.7")}, tcp{Src: 80, Dst: 999, Flags: "A"}), 0, "steered", "up2 via 10.9.2.9"},
		{"what a VIP answers, IPv6", frame(ip6{Src: addr("fd00:99::1"), Dst: addr("2001:db8:3::7")}, tcp{Src: 80, Dst: 999, Flags: "A"}), 0, "chain_end", ""},
		{"from a VIP's address, by another port", frame(ip4{Src: addr("10.99.0.1"), Dst: addr("198.51.102.7")}, tcp{Src: 81, Dst: 999, Flags: "A"}), 0, "chain_end", ""},
		{"to a VIP", frame(ip4{Src: addr("192.168.0.1"), Dst: addr("10.99.0.1")}, tcp{Src: 999, Dst: 80, Flags: "A"}), 0, "steered", "up2 via 10.9.2.9"},
		{"from one prefix to another", frame(ip4{Src: addr("203.0.113.1"), Dst: addr("203.0.113.129")}, ack), 0, "steered", "up2 via 10.9.2.8"},
		{"the other way", frame(ip4{Src: addr("203.0.113.129"), Dst: addr("203.0.113.1")}, ack), 0, "chain_end", ""},
		{"by a NIC that is not there, or not at all", frame(to("192.0.2.7"), ack), 0, "unsteered", ""},
		{"by a NIC that is not there, or the ordinary way", frame(to("192.0.2.200"), ack), 0, "chain_end", ""},
		{"by a table that is not there", frame(to("100.64.0.7"), ack), 0, "chain_end", ""},
		{"as large as a path takes", frame(to("100.128.0.7"), ack, fill(1240)), 0, "steered", "up3 via 10.9.3.9"},
		{"too large for a path", frame(to("100.128.0.7"), ack, fill(1241)), 0, "chain_end", ""},
		{"by a NIC that is down", frame(to("100.128.1.7"), ack), 0, "chain_end", ""},
		{"with a VLAN tag", frame(vlan{}, to("198.51.100.7"), ack), 0, "chain_end", ""},
		{"no IP", frame(packet.ARP{}), 0, "not_ip", ""},
		{"a check of a backend", frame(to("198.51.100.7"), ack), CheckMark(7), "chain_end", ""},
		{"a copy of a packet", frame(to("198.51.100.7"), ack), MirrorMark, "chain_end", ""},
		{"a measure of a path that there is not", frame(to("198.51.102.7"), ack), SteerMark | 250, "unsteered", ""},
	} {
		want := r.path
		if want != "" {
			want += fmt.Sprintf(" 1/%d", len(r.in))
		}
		why, verdict, path := n.leaves(t, r.in, r.mark, "")
		if sent := verdict == redirect; why != r.reason || path != want || sent != (r.reason == "steered") || (verdict == tcShot) != (r.reason == "unsteered") {
			t.Errorf("%s: %s by %q, verdict %d; want %s by %q", r.sentence, why, path, verdict, r.reason, want)
		}
	}
	if lost, large := n.own("ways", 0), n.own("ways", 1); lost != 7 || large != 1 {
		t.Errorf("%d packets found no path, %d of them too large", lost, large)
	}
}

// TestSteerSpread: flows of a group take its paths by their weights, keep them while weights change, and leave one that is dead.
func TestSteerSpread(t *testing.T) {
	t.Parallel()
	n := steerNode(t, steerSpec)
	const flows = 2000
	took := func() (by [flows]string, sum map[string]int) {
		sum = map[string]int{}
		for i := range by {
			in := frame(ip4{Src: addr("192.168.0.1"), Dst: addr("10.2.3.4")}, tcp{Src: packet.Field(1000 + i), Dst: 81, Flags: "A"})
			why, _, path := n.leaves(t, in, 0, "")
			way, _, _ := strings.Cut(path, " 1/")
			if why != "steered" || way == "" {
				t.Fatalf("flow %d: %s by %q", i, why, path)
			}
			by[i] = way
			sum[way]++
		}
		return by, sum
	}
	differ := func(a, b [flows]string) (n int) {
		for i := range a {
			if a[i] != b[i] {
				n++
			}
		}
		return n
	}
	const a, b = "up1 via 10.9.1.7", "up2 via 10.9.2.7"
	first, sum := took()
	if sum[a] < flows/5 || sum[a] > flows*3/10 || sum[a]+sum[b] != flows {
		t.Errorf("weights 100 and 300: %v", sum)
	}
	var ids [2]int
	for _, p := range n.SteerPathsOf(n.spec) {
		switch p.Name {
		case "a":
			ids[0] = p.ID
		case "b":
			ids[1] = p.ID
		}
	}
	if err := n.WeighPaths(n.spec, "ways", "two", []uint32{300, 100}); err != nil {
		t.Fatal(err)
	}
	if again, _ := took(); differ(first, again) != 0 {
		t.Errorf("%d flows moved when weights changed", differ(first, again))
	}
	clear(n.steerFlows.all)
	_, sum = took()
	if sum[b] < flows/5 || sum[b] > flows*3/10 {
		t.Errorf("weights 300 and 100: %v", sum)
	}
	n.SetPathAlive(ids[0], false)
	if _, sum := took(); sum[b] != flows {
		t.Errorf("a path is dead, and flows took %v", sum)
	}
	n.SetPathAlive(ids[0], true)
	if _, sum := took(); sum[b] != flows {
		t.Errorf("flows left their path when another one came back: %v", sum)
	}
	n.SetPathAlive(ids[0], false)
	n.SetPathAlive(ids[1], false)
	if why, _, path := n.leaves(t, frame(ip4{Dst: addr("10.2.3.4")}, tcp{Dst: 81, Flags: "A"}), 0, ""); why != "chain_end" || path != "" {
		t.Errorf("no path is alive: %s by %s", why, path)
	}
	n.SetPathAlive(ids[1], true)
	measure := frame(ip4{Dst: netip.MustParseAddr("198.51.102.7")}, tcp{Dst: 81, Flags: "A"})
	if why, verdict, path := n.leaves(t, measure, SteerMark|uint32(ids[0]), ""); why != "steered" || verdict != 7 || path != "" {
		t.Errorf("a measure of a dead path: %s, %d, counted as %q", why, verdict, path)
	}
}
