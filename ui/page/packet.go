package page

import (
	"fmt"
	"net/netip"

	"hairpin/engine"
)

// Clients that no node has, from the ranges for documentation.
var (
	someClient4 = netip.MustParseAddrPort("198.51.100.7:49152")
	someClient6 = netip.MustParseAddrPort("[2001:db8::1]:49152")
)

// PacketOf is a packet as the row that t is of means it: its own, or one for its VIP, or for the first VIP of a chain. Empty
// where there is none.
func PacketOf(t Target, s *engine.State) string {
	vip, tenant := t.VIP, ""
	if t.Limit != nil && t.Limit.Scope == "tenant" {
		tenant = t.Limit.Whose
	} else if t.Limit != nil {
		vip = t.Limit.Whose
	}
	switch {
	case t.Packet != "" || s == nil:
		return t.Packet
	case vip == "" && t.NIC == "":
		return ""
	}
	for _, v := range s.VIPs {
		if (vip == "" || v.Name == vip) && (tenant == "" || v.Tenant == tenant) && len(v.Addresses) > 0 {
			return packetFor(v)
		}
	}
	return ""
}

// packetFor is the first packet of a new flow to a VIP.
func packetFor(v engine.VIP) string {
	src, port, flags := someClient4, v.Port, ""
	if v.Addresses[0].Is6() {
		src = someClient6
	}
	if port == 0 {
		port = 80
	}
	if v.Protocol == "tcp" {
		flags = " S"
	}
	return fmt.Sprintf("%s %s > %s%s", v.Protocol, src, netip.AddrPortFrom(v.Addresses[0], port), flags)
}
