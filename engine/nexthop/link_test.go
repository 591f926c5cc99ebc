package nexthop

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// linkMessage is what the kernel says of a NIC: its fixed part, then attributes.
func linkMessage(index uint32, attrs ...[]byte) []byte {
	fixed := make([]byte, unix.SizeofIfInfomsg)
	binary.NativeEndian.PutUint32(fixed[4:], index)
	binary.NativeEndian.PutUint32(fixed[8:], unix.IFF_UP|unix.IFF_RUNNING)
	return slices.Concat(append([][]byte{fixed}, attrs...)...)
}

func short(kind uint16, value ...byte) []byte { return attribute(kind, value) }

// vlanInfo is the nested attribute of a NIC of some kind with a VLAN's data.
func vlanInfo(kind string, data ...[]byte) []byte {
	return attribute(unix.IFLA_LINKINFO, slices.Concat(attribute(unix.IFLA_INFO_KIND, append([]byte(kind), 0)),
		attribute(unix.IFLA_INFO_DATA, slices.Concat(data...))))
}

var (
	named    = attribute(unix.IFLA_IFNAME, []byte("eth0.100\x00"))
	hardAddr = attribute(unix.IFLA_ADDRESS, []byte{2, 0, 0, 0, 0, 1})
	mtu      = attribute32(unix.IFLA_MTU, 1500)
	under2   = attribute32(unix.IFLA_LINK, 2)
	id100    = short(vlanID, 100, 0)
	dot1q    = short(vlanProtocol, 0x81, 0x00)
	dot1ad   = short(vlanProtocol, 0x88, 0xa8)
)

func TestParseVLAN(t *testing.T) {
	plain := link{name: "eth0.100", flags: unix.IFF_UP | unix.IFF_RUNNING, mac: "\x02\x00\x00\x00\x00\x01", mtu: 1500}
	with := func(under int, v vlan) link {
		l := plain
		l.under, l.vlan = under, v
		return l
	}
	for _, row := range []struct {
		name string
		more [][]byte
		want link
	}{
		{"802.1Q", [][]byte{under2, vlanInfo("vlan", id100, attribute(2, make([]byte, 8)), dot1q)}, with(2, vlan{0x8100, 100})},
		{"802.1ad", [][]byte{under2, vlanInfo("vlan", dot1ad, id100)}, with(2, vlan{0x88a8, 100})},
		{"the link behind what it is of", [][]byte{vlanInfo("vlan", id100), under2}, with(2, vlan{0x8100, 100})},
		{"an id with a high byte", [][]byte{under2, vlanInfo("vlan", short(vlanID, 0xfe, 0x0f), dot1q)}, with(2, vlan{0x8100, 4094})},
		{"over a NIC of another namespace", [][]byte{under2, attribute32(unix.IFLA_LINK_NETNSID, 0), vlanInfo("vlan", id100, dot1q)}, plain},
		{"a macvlan, which gets no tag", [][]byte{under2, vlanInfo("macvlan", id100)}, plain},
		{"a veth, whose link is its peer", [][]byte{under2}, plain},
		{"cut short within its kind", [][]byte{under2, vlanInfo("vlan", id100, dot1q)[:14]}, plain},
		{"an id of one byte", [][]byte{under2, vlanInfo("vlan", short(vlanID, 100))}, with(2, vlan{0x8100, 0})},
	} {
		index, got, ok := parseLink(linkMessage(7, append([][]byte{named, hardAddr, mtu}, row.more...)...))
		if !ok || index != 7 || got != row.want {
			t.Errorf("%s: %d %+v %v, want %+v", row.name, index, got, ok, row.want)
		}
	}
}

// TestUnderVLAN: the way out of a VLAN's NIC says by which NIC a frame leaves, and with which tag.
func TestUnderVLAN(t *testing.T) {
	eth0 := link{name: "eth0", flags: unix.IFF_UP | unix.IFF_RUNNING, mac: "\x02\x00\x00\x00\x00\x09", mtu: 9000}
	tagged := link{name: "eth0.100", flags: eth0.flags, mac: "\x02\x00\x00\x00\x00\x01", mtu: 1500, under: 2, vlan: vlan{0x8100, 100}}
	double := tagged
	double.name, double.under = "eth0.100.7", 3
	kernel := map[int]link{2: eth0, 3: tagged, 4: double}
	asked := 0
	ask := func(indexes []int) (map[int]link, error) {
		asked++
		found := map[int]link{}
		for _, i := range indexes {
			found[i] = kernel[i]
		}
		return found, nil
	}
	for oif, want := range map[int]NextHop{
		2: {NIC: "eth0", MTU: 9000},
		3: {NIC: "eth0.100", Under: "eth0", VLAN: VLAN{0x8100, 100}, MTU: 1500},
		4: {NIC: "eth0.100.7", MTU: 1500}, // one tag is all that there is room for
	} {
		to := address([]byte{10, 9, 0, 1})
		l := &look{addrs: []netip.Addr{to}, routes: []route{{kind: unix.RTN_UNICAST, oif: oif, source: address([]byte{10, 9, 0, 2})}},
			links:      map[int]link{oif: kernel[oif]},
			neighbours: map[hop]neighbour{{oif, to}: {nud: unix.NUD_REACHABLE, mac: "\x02\x00\x00\x00\x00\xfe"}}}
		if err := l.lookUnder(ask); err != nil {
			t.Fatal(err)
		}
		got := l.nextHop(0)
		if got.State != Reachable || got.NIC != want.NIC || got.Under != want.Under || got.VLAN != want.VLAN || got.MTU != want.MTU || got.IfIndex != oif {
			t.Errorf("out of %s: %+v", want.NIC, got)
		}
	}
	if asked != 2 {
		t.Errorf("asked %d times, want once for each VLAN", asked)
	}
	l := &look{links: map[int]link{3: tagged}}
	if err := l.lookUnder(func([]int) (map[int]link, error) { return nil, errShort }); !errors.Is(err, errShort) {
		t.Errorf("a kernel that does not answer: %v", err)
	}
}

func TestLeaves(t *testing.T) {
	n := NextHop{NIC: "eth0.100", Under: "eth0"}
	for _, row := range []struct {
		have []string
		want string
	}{{nil, ""}, {[]string{"eth0"}, "eth0"}, {[]string{"eth0.100", "eth0"}, "eth0.100"}, {[]string{"eth1"}, ""}} {
		if got := n.Leaves(func(nic string) bool { return slices.Contains(row.have, nic) }); got != row.want {
			t.Errorf("with chains on %q: %q, want %q", row.have, got, row.want)
		}
	}
}
