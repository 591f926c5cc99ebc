package doctor

import (
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// The generic netlink family netdev, by which the kernel tells since 6.3 what drivers can do at XDP.
const (
	netdevFamily      = "netdev"
	netdevDevGet      = 1 // NETDEV_CMD_DEV_GET
	netdevIfindex     = 1 // NETDEV_A_DEV_IFINDEX
	netdevXDPFeatures = 3 // NETDEV_A_DEV_XDP_FEATURES
	xdpBasic          = 1 // NETDEV_XDP_ACT_BASIC: native programs
	xdpRxSG           = 32
)

// xdpFeatures are the bits of the NIC with that ifindex; known is false where the kernel does not tell. Not by a dump: its
// answers do not say that they are parts of one.
func xdpFeatures(index int) (bits uint64, known bool) {
	family, err := netlink.GenlFamilyGet(netdevFamily)
	if err != nil {
		return 0, false
	}
	header := []byte{netdevDevGet, uint8(family.Version), 0, 0} // the library's own leaves the last two to chance
	req := nl.NewNetlinkRequest(int(family.ID), 0)
	req.AddRawData(append(header, nl.NewRtAttr(netdevIfindex, nl.Uint32Attr(uint32(index))).Serialize()...))
	answers, err := req.Execute(unix.NETLINK_GENERIC, 0)
	if err != nil || len(answers) != 1 || len(answers[0]) < nl.SizeofGenlmsg {
		return 0, false
	}
	attributes, err := nl.ParseRouteAttr(answers[0][nl.SizeofGenlmsg:])
	if err != nil {
		return 0, false
	}
	for _, a := range attributes {
		if a.Attr.Type == netdevXDPFeatures && len(a.Value) >= 8 {
			return nl.NativeEndian().Uint64(a.Value), true
		}
	}
	return 0, false
}
