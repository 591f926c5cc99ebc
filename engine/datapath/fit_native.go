package datapath

import (
	"slices"

	"github.com/vishvananda/netlink"
)

// WhyNotNative says what of the way a NIC is set up stands against native XDP, and what to do; empty where nothing is known
// to. A driver that has none is not among it.
func WhyNotNative(nic netlink.Link) string {
	f := fitOf(nic, func(string) bool { return false })
	why := f.generic()
	if why == f.refused() || f.Kind == "bond" && slices.Contains(nativeBonds, f.Mode) {
		return ""
	}
	return why
}
