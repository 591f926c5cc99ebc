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

func checkAgent(g *Agent, f *faults) {
	here := whole.field("agent")
	if len(g.VIPs) == 0 {
		f.wrong(here.field("vips"), "empty: write the VIP addresses that this host has on lo")
	}
	seen := map[netip.Addr]bool{}
	for i, a := range g.VIPs {
		if why := badAddress(a); why != "" {
			f.wrong(here.field("vips").item(i), "%s", why)
		} else if seen[a] {
			f.wrong(here.field("vips").item(i), "%s stands in this list already", a)
		}
		seen[a] = true
	}
	if !has(modes, g.Mode) {
		f.wrong(here.field("mode"), "%s is not known", g.Mode)
	}
	if g.EncapPort == 0 {
		f.wrong(here.field("encap_port"), "0 is not within 1 to 65535")
	}
	if g.Report != nil {
		g.Report.check(here.field("report"), f)
	}
}
