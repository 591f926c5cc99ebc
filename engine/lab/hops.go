package lab

import (
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// NextHops are the load balancers that the router sends flows for a VIP to, in the order of Balancers.
func (l *Lab) NextHops(vip netip.Addr) (nodes []string, err error) {
	family := unix.AF_INET
	if vip.Is6() {
		family = unix.AF_INET6
	}
	var found []net.IP
	err = l.Do(Router, func() error {
		routes, err := netlink.RouteListFiltered(family, &netlink.Route{Dst: ipNet(netip.PrefixFrom(vip, vip.BitLen()))}, netlink.RT_FILTER_DST)
		for _, r := range routes {
			found = append(found, r.Gw) // of several, none
			for _, hop := range r.MultiPath {
				found = append(found, hop.Gw)
			}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the router's way to %s: %w", vip, err)
	}
	for _, s := range l.sessions() {
		if slices.ContainsFunc(found, func(ip net.IP) bool { return ip.Equal(s.own.AsSlice()) }) {
			nodes = append(nodes, s.node)
		}
	}
	return nodes, nil
}
