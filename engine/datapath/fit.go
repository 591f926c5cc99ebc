package datapath

import (
	"fmt"
	"slices"
)

// fit is what decides whether a chain runs on a NIC, and how well.
type fit struct {
	Name     string
	Kind     string // of link: device, veth, bond, vlan ...
	Driver   string
	Encap    string // what stands in front of a packet: ether, loopback, none ...
	MTU      int
	LRO      bool
	Channels int // receive queues in use; 0 = not known
	Most     int // queues that it could have
	CPUs     int
	Parent   string // the NIC under it
	Master   string // the bond, team or bridge that it is a part of
	Team     string // kind of Master
	Both     bool   // the master has an xdp chain of ours, or to be
	Mode     string // of a bond
	Older    bool   // the rows were begun without frags
}

// Largest MTU at which native XDP without frags runs, with 4 KiB pages.
const (
	maxNativeMTU = 3506 // veth, and most drivers
	maxENAMTU    = 3498
)

// nativeBonds are the modes in which a bond runs a program on its slaves.
var nativeBonds = []string{"balance-rr", "active-backup", "balance-xor", "802.3ad"}

// refusal says why a NIC cannot have a chain at a hook, and what to do; empty when it can.
func (f fit) refusal(hook Hook) string {
	switch {
	case f.Encap != "ether" && f.Encap != "loopback":
		return fmt.Sprintf("packets of a %s have no Ethernet header, which every stage goes by: name the NIC that they travel on", f.Kind)
	case hook == XDP && f.Both && f.Team == "bond":
		return fmt.Sprintf("it is a slave of %s, which has an xdp chain too, and the kernel runs that on all its slaves: remove the "+
			"chain of %s", f.Master, f.Name)
	}
	return ""
}

// native says what is to be known of a NIC that runs native XDP; empty when there is nothing.
func (f fit) native() string {
	if f.Team == "bond" || f.Team == "team" {
		return fmt.Sprintf("it is a part of %s, by which routes lead: a balancer here finds every backend on another NIC; name %s instead",
			f.Master, f.Master)
	}
	return ""
}

// generic says why a NIC does not run native XDP, and what to do about it.
func (f fit) generic() string {
	const slow = "so every packet gets a socket buffer first"
	most := maxNativeMTU
	if f.Driver == "ena" {
		most = maxENAMTU
	}
	switch {
	case f.Kind == "vlan":
		return fmt.Sprintf("a VLAN has no native XDP, %s; name %s, whose balancer sends into the VLANs on it", slow, f.under())
	case f.Kind == "macvlan", f.Kind == "macvtap", f.Kind == "ipvlan":
		return fmt.Sprintf("a %s has no native XDP, %s; name %s, where its packets come by before", f.Kind, slow, f.under())
	case f.Kind == "team", f.Kind == "bridge":
		return fmt.Sprintf("a %s has no native XDP, %s; use a bond, or name a NIC that is no part of one", f.Kind, slow)
	case f.Kind == "bond" && !slices.Contains(nativeBonds, f.Mode):
		return fmt.Sprintf("a bond in mode %s has no native XDP, %s; those in mode %s, %s, %s and %s have", f.Mode, slow,
			nativeBonds[0], nativeBonds[1], nativeBonds[2], nativeBonds[3])
	case f.Kind == "bond":
		return "native XDP on a bond needs Linux 5.15 and drivers of all its slaves that have it, without programs of their own"
	case f.MTU > most && f.Older:
		return fmt.Sprintf("rows that an older hairpin made take no frames as large as MTU %d allows: end them with hairpin detach and start "+
			"again, or: ip link set dev %s mtu %d", f.MTU, f.Name, most)
	case f.MTU > most:
		return fmt.Sprintf("the driver refused native XDP at MTU %d; it runs up to %d: ip link set dev %s mtu %d", f.MTU, most, f.Name, most)
	case f.LRO:
		return fmt.Sprintf("the driver refused native XDP while LRO merges packets: ethtool -K %s lro off", f.Name)
	case f.Driver == "virtio_net" && f.Most > 0 && f.Channels+f.CPUs > f.Most:
		return fmt.Sprintf("virtio needs one more queue for each of %d CPUs, and has %d of %d in use: give the machine %d queues, or use "+
			"fewer with ethtool -L %s combined", f.CPUs, f.Channels, f.Most, f.Channels+f.CPUs, f.Name)
	case f.Driver == "ena" && f.Most > 1 && f.Channels > f.Most/2:
		return fmt.Sprintf("ena needs half of its channels for sending, and uses %d of %d: ethtool -L %s combined %d", f.Channels, f.Most,
			f.Name, f.Most/2)
	}
	return f.refused()
}

// refused is all that can be said where no setting of the NIC explains it.
func (f fit) refused() string {
	if f.Driver != "" {
		return "the driver refused native XDP: " + f.Driver
	}
	return "the driver refused native XDP"
}

func (f fit) under() string {
	if f.Parent == "" {
		return "the NIC under it"
	}
	return f.Parent
}
