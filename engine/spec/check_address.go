package spec

import (
	"fmt"
	"net/netip"
)

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// badAddress is why an address can be neither a VIP's nor a backend's.
func badAddress(a netip.Addr) string {
	switch {
	case !a.IsValid():
		return "empty: write an IP address"
	case a.Zone() != "":
		return fmt.Sprintf("%s has a zone, which means something on one host only: write it without %s",
			quote(a.String()), quote("%"+a.Zone()))
	case a.Is4In6():
		return fmt.Sprintf("%s is an IPv4 address in the form of IPv6: write %s", a, a.Unmap())
	case a.IsUnspecified():
		return fmt.Sprintf("%s is every address and none: write the one that is meant", a)
	case a.IsMulticast():
		return fmt.Sprintf("%s is multicast: it has many receivers, and a packet goes to one backend", a)
	case a == broadcast:
		return fmt.Sprintf("%s is broadcast: it has many receivers, and a packet goes to one backend", a)
	case a.IsLoopback():
		return fmt.Sprintf("%s is a loopback address: its packets never meet a NIC", a)
	}
	return ""
}
