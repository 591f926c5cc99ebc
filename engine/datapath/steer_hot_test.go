package datapath

import (
	"net"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"hairpin/engine/packet"
)

const hotSpec = `
version: 1
stages:
  ways:
    kind: steer
    hot: 100
    rules:
      - {name: four, to: [198.51.100.0/24], nic: up1, via: 10.9.1.9}
      - {name: six, to: ["2001:db8:1::/48"], nic: up1, via: "fd00:9:1::9"}
nics:
  eth0: {xdp: [ways], tcx_egress: [ways]}
  up1: {xdp: [ways]}
`

var hopMAC = net.HardwareAddr{2, 0, 0, 0, 9, 9}

// hotNode is one whose next hops are known, and by which NICs XDP may send.
func hotNode(t *testing.T) *node {
	t.Helper()
	n := steerNode(t, hotSpec)
	forwarding(t, "up1", "eth0")
	for _, ip := range []string{"10.9.1.9", "fd00:9:1::9"} {
		if err := netlink.NeighSet(&netlink.Neigh{LinkIndex: nicByName(t, "up1").Attrs().Index, State: netlink.NUD_PERMANENT, IP: net.ParseIP(ip), HardwareAddr: hopMAC}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := n.FollowPaths(); err != nil {
		t.Fatal(err)
	}
	came := uint32(nicByName(t, "lo").Attrs().Index) // of test runs at XDP
	must(t, n.maps["steer_stations"].Put(came, append(packet.NodeMAC[:], 0, 0)))
	return n
}

// warm sends a frame out at tc until its flow has a lease.
func (n *node) warm(t *testing.T, frame []byte) {
	t.Helper()
	had := n.own("ways", 2)
	for limit := time.Now().Add(time.Minute); n.own("ways", 2) == had; {
		if why, _, _ := n.leaves(t, frame, 0, "lo"); why != "steered" {
			t.Fatalf("%s", why)
		}
		if time.Now().After(limit) {
			t.Fatal("a flow does not become hot")
		}
	}
}

// byHop is a frame as it leaves for the next hop.
func byHop(t *testing.T, in []byte) []byte {
	t.Helper()
	out := slices.Clone(in)
	copy(out, hopMAC)
	copy(out[6:], nicByName(t, "up1").Attrs().HardwareAddr)
	return out
}

// toStation is a frame for that address.
func toStation(to packet.MAC, in []byte) []byte { return append(to[:], in[6:]...) }

// TestSteerHotFrames: what XDP forwards of hot flows, byte for byte, and what it leaves to the kernel.
func TestSteerHotFrames(t *testing.T) {
	t.Parallel()
	n := hotNode(t)
	chain := n.chain(t, "eth0", XDP)
	four := func(ip ip4) []byte {
		ip.Src, ip.Dst = addr("192.168.0.1"), addr("198.51.100.7")
		return frame(ip, tcp{Dst: 81, Flags: "A"}, fill(100))
	}
	six := func(ip ip6) []byte {
		ip.Src, ip.Dst = addr("fd00::1"), addr("2001:db8:1::7")
		return frame(ip, tcp{Dst: 81, Flags: "A"}, fill(100))
	}
	for _, r := range []struct {
		sentence string
		in, want []byte // nil: as it came, and not forwarded
	}{
		{"over IPv4", four(ip4{TTL: 64}), byHop(t, four(ip4{TTL: 63}))},
		{"over IPv6", six(ip6{TTL: 64}), byHop(t, six(ip6{TTL: 63}))},
		{"the last hop but one", four(ip4{TTL: 2}), byHop(t, four(ip4{TTL: 1}))},
		{"the last hop", four(ip4{TTL: 1}), nil},
		{"of another code point", four(ip4{TOS: 8}), nil},
		{"with options", four(ip4{Options: []byte{7, 3, 4, 0}}), nil},
		{"a first fragment", four(ip4{MF: true}), nil},
		{"with a VLAN tag", frame(vlan{}, ip4{Src: addr("192.168.0.1"), Dst: addr("198.51.100.7")}, tcp{Dst: 81, Flags: "A"}, fill(100)), nil},
		{"of another flow", frame(ip4{Src: addr("192.168.0.1"), Dst: addr("198.51.100.7")}, tcp{Dst: 82, Flags: "A"}), nil},
		{"the other way", frame(ip4{Dst: addr("192.168.0.1"), Src: addr("198.51.100.7")}, tcp{Dst: 81, Flags: "A"}), nil},
		{"larger than the path takes", frame(ip4{Src: addr("192.168.0.1"), Dst: addr("198.51.100.7")}, tcp{Dst: 81, Flags: "A"}, fill(1600)), nil},
		{"no IP", frame(packet.ARP{}), nil},
		{"to a group of stations", append([]byte{1}, four(ip4{})[1:]...), nil},
		{"for another station", toStation(packet.MAC{2, 0, 0, 0, 0, 0x02}, four(ip4{})), nil},
		{"for another station, over IPv6", toStation(packet.MAC{2, 0, 0, 1, 0, 0x01}, six(ip6{})), nil},
		{"back to the one it comes from", toStation(packet.RouterMAC, four(ip4{})), nil},
	} {
		n.warm(t, four(ip4{}))
		n.warm(t, six(ip6{}))
		why, verdict, out := n.exit(t, chain, r.in)
		checked.note(why.Name, r.in, out)
		want, sent := r.want, uint32(xdpRedirect)
		if want == nil {
			want, sent = r.in, xdpPass
		}
		if diff := packet.Diff(out, want); verdict != sent || diff != "" {
			t.Errorf("%s: verdict %d: %s", r.sentence, verdict, diff)
		}
		clear(n.steerHots.all)
		clear(n.steerFlows.all)
	}
}

// TestSteerLease: a lease ends by itself, by a path that dies, and by another generation; a dry run counts nothing.
func TestSteerLease(t *testing.T) {
	t.Parallel()
	n := hotNode(t)
	chain := n.chain(t, "eth0", XDP)
	in := frame(ip4{Src: addr("192.168.0.1"), Dst: addr("198.51.100.7")}, tcp{Dst: 81, Flags: "A"})
	caught := func() bool {
		_, verdict, _ := n.exit(t, chain, in)
		return verdict == xdpRedirect
	}
	again := func() {
		t.Helper()
		clear(n.steerHots.all)
		clear(n.steerFlows.all)
		n.warm(t, in)
	}
	again()
	had := n.own("ways", 3)
	dry, err := n.Dry(int(n.Control().Active), chain, in)
	if err != nil || dry.Verdict == xdpPass && len(dry.Sights) == 0 || n.own("ways", 3) != had {
		t.Errorf("a dry run: %+v, %v; counted %d", dry, err, n.own("ways", 3)-had)
	}
	again()
	id := n.SteerPathsOf(n.spec)[0].ID
	n.SetPathAlive(id, false)
	if caught() {
		t.Error("XDP forwarded a packet by a path that is dead")
	}
	n.SetPathAlive(id, true)
	again()
	for limit := time.Now().Add(time.Minute); caught(); {
		if time.Now().After(limit) {
			t.Fatal("a lease does not end")
		}
	}
	again()
	n.apply(t, n.spec, 0)
	if caught() {
		t.Error("XDP forwarded a packet by what an earlier generation said")
	}
	must(t, netlink.LinkDel(nicByName(t, "up1")))
	if caught() {
		t.Error("XDP forwarded a packet by a NIC that is gone")
	}
}
