package datapath

import (
	"slices"

	"github.com/vishvananda/netlink"
)

// WhyNotNative says what of the way a NIC is set up stands against native XDP, and what to do; empty where nothing is known
// to. A driver that has none is not among it, nor a large MTU where the driver gives such frames in several buffers.
func WhyNotNative(nic netlink.Link, severalBuffers bool) string {
	f := fitOf(nic, func(string) bool { return false })
	if severalBuffers && kernelHasFrags() {
		f.MTU = min(f.MTU, maxENAMTU)
	}
	why := f.generic()
	if why == f.refused() || f.Kind == "bond" && slices.Contains(nativeBonds, f.Mode) {
		return ""
	}
	return why
}
