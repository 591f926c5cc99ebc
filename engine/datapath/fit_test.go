package datapath

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"hairpin/engine/packet"
	"hairpin/engine/reason"
)

// TestFit: each kind of NIC that cannot run a chain, or not well, is told with what to do.
func TestFit(t *testing.T) {
	t.Parallel()
	device := fit{Name: "eth0", Kind: "device", Encap: "ether", MTU: 1500, CPUs: 4}
	with := func(change func(*fit)) fit { f := device; change(&f); return f }
	for _, row := range []struct {
		name                     string
		nic                      fit
		refusal, native, generic string // a part of what is said; empty = nothing is
	}{
		{"a NIC", device, "", "", "the driver refused native XDP"},
		{"of a known driver", with(func(f *fit) { f.Driver = "e1000e" }), "", "", "refused native XDP: e1000e"},
		{"a tunnel", with(func(f *fit) { f.Kind, f.Encap = "wireguard", "none" }), "packets of a wireguard have no Ethernet header", "", "refused"},
		{"a vlan", with(func(f *fit) { f.Kind, f.Parent = "vlan", "eth1" }), "", "", "name eth1, whose balancer sends into the VLANs on it"},
		{"a vlan over what cannot be seen", with(func(f *fit) { f.Kind = "vlan" }), "", "", "name the NIC under it"},
		{"a macvlan", with(func(f *fit) { f.Kind, f.Parent = "macvlan", "eth1" }), "", "", "a macvlan has no native XDP, so every packet gets a socket buffer first; name eth1"},
		{"a team", with(func(f *fit) { f.Kind = "team" }), "", "", "a team has no native XDP, so every packet gets a socket buffer first; use a bond"},
		{"a bond in a mode without", with(func(f *fit) { f.Kind, f.Mode = "bond", "balance-tlb" }), "", "", "mode balance-tlb has no native XDP"},
		{"a bond on an old kernel", with(func(f *fit) { f.Kind, f.Mode = "bond", "802.3ad" }), "", "", "needs Linux 5.15"},
		{"a slave of a bond with a chain", with(func(f *fit) { f.Master, f.Team, f.Both = "bond0", "bond", true }),
			"it is a slave of bond0, which has an xdp chain too", "name bond0 instead", "refused"},
		{"a slave of a bond without", with(func(f *fit) { f.Master, f.Team = "bond0", "bond" }), "", "it is a part of bond0", "refused"},
		{"a part of a bridge", with(func(f *fit) { f.Master, f.Team, f.Both = "br0", "bridge", true }), "", "", "refused"},
		{"large frames", with(func(f *fit) { f.MTU = 9000 }), "", "", "ip link set dev eth0 mtu 3506"},
		{"large frames at ENA", with(func(f *fit) { f.MTU, f.Driver = 3500, "ena" }), "", "", "ip link set dev eth0 mtu 3498"},
		{"merged frames", with(func(f *fit) { f.LRO = true }), "", "", "ethtool -K eth0 lro off"},
		{"few queues at virtio", with(func(f *fit) { f.Driver, f.Channels, f.Most = "virtio_net", 4, 4 }), "", "", "has 4 of 4 in use: give the machine 8 queues"},
		{"enough queues at virtio", with(func(f *fit) { f.Driver, f.Channels, f.Most = "virtio_net", 4, 8 }), "", "", "refused native XDP: virtio_net"},
		{"all channels of ENA", with(func(f *fit) { f.Driver, f.Channels, f.Most = "ena", 8, 8 }), "", "", "ethtool -L eth0 combined 4"},
	} {
		for what, said := range map[string][2]string{"refusal": {row.nic.refusal(XDP), row.refusal}, "native": {row.nic.native(), row.native},
			"generic": {row.nic.generic(), row.generic}} {
			if !strings.Contains(said[0], said[1]) || (said[0] == "") != (said[1] == "") {
				t.Errorf("%s: %s: says %q, want %q", row.name, what, said[0], said[1])
			}
		}
	}
	slave := with(func(f *fit) { f.Master, f.Team, f.Both = "bond0", "bond", true })
	if why := slave.refusal(TCXIngress); why != "" {
		t.Errorf("a slave's tcx chain is refused: %s", why)
	}
}

func addLink(t *testing.T, l netlink.Link) {
	t.Helper()
	if err := netlink.LinkAdd(l); err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetUp(l); err != nil {
		t.Fatal(err)
	}
}

// TestAttachToOtherKinds: what has no native XDP runs in generic mode and says why; what has no Ethernet is refused.
func TestAttachToOtherKinds(t *testing.T) {
	t.Parallel()
	k := newKernel(t)
	parent := addNIC(t, "up0", 1500)
	addLink(t, &netlink.Macvlan{LinkAttrs: netlink.LinkAttrs{Name: "mac0", ParentIndex: parent.Attrs().Index}, Mode: netlink.MACVLAN_MODE_BRIDGE})
	addLink(t, &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br0"}})
	addLink(t, &netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Name: "tun0"}, Mode: netlink.TUNTAP_MODE_TUN, Flags: netlink.TUNTAP_NO_PI})
	for nic, why := range map[string]string{"mac0": "a macvlan has no native XDP, so every packet gets a socket buffer first; name up0",
		"br0": "a bridge has no native XDP"} {
		a := attachOne(t, k, strings.ReplaceAll("version: 1\nnics: {NIC: {xdp: [decap]}}\nagent: {vips: [10.99.0.1]}", "NIC", nic))
		if a.Err != nil || a.Chain.Mode != Generic || !strings.Contains(a.Why, why) {
			t.Errorf("%s: %+v, want %s", nic, a, why)
		}
	}
	for _, hook := range []string{"xdp", "tcx_ingress"} {
		a := attachOne(t, k, "version: 1\nnics: {tun0: {"+hook+": [decap]}}\nagent: {vips: [10.99.0.1]}")
		if !errors.Is(a.Err, ErrUnfit) || !strings.Contains(a.Err.Error(), "nic tun0") {
			t.Errorf("tun0 at %s: %+v", hook, a)
		}
	}
}

// TestManyQueues: packets of every queue go through the chain.
func TestManyQueues(t *testing.T) {
	t.Parallel()
	k := newKernel(t)
	const queues = 4
	addLink(t, &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "wide", MTU: 1500, NumTxQueues: queues, NumRxQueues: queues}, PeerName: "widepeer",
		PeerNumTxQueues: queues, PeerNumRxQueues: queues})
	if err := netlink.LinkSetUp(nicByName(t, "widepeer")); err != nil {
		t.Fatal(err)
	}
	apply(t, k, nil, parse(t, "version: 1\nnics: {wide: {xdp: [decap]}}\nagent: {vips: [10.99.0.1]}"), 0)
	attached := k.Attached()
	if len(attached) != 1 || attached[0].Err != nil || attached[0].Chain.Mode != Native || attached[0].Why != "" {
		t.Fatalf("%+v", attached)
	}
	if f := fitOf(nicByName(t, "wide"), k.hasXDP); f.Driver != "veth" || f.Kind != "veth" || f.Channels != queues || f.Encap != "ether" {
		t.Errorf("%+v", f)
	}
	const packets = 200 // of as many flows, which the kernel spreads over the queues
	for i := range packets {
		transmit(t, "wide", frame(outer4, udp{Src: packet.Is(uint16(50000 + i))}, ip4{Dst: addr("10.99.0.1")}, udp{Dst: 9}))
	}
	why, _ := reason.ByName("decapsulated")
	var snap Snapshot
	for limit := time.Now().Add(10 * time.Second); ; {
		if err := k.Snapshot(&snap); err != nil {
			t.Fatal(err)
		}
		got := snap.Exits[attached[0].Chain.Number][why.ID].Packets
		if got == packets {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("%d packets were sent, %d unwrapped", packets, got)
		}
	}
}
