package lab

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// firstIndex is that of the router's first wire.
const firstIndex = 100

// setting is one kernel parameter of a namespace, its path below /proc/sys/net.
type setting struct{ path, value string }

// settings of a node, written before it has interfaces: what is set for "default" they inherit.
func settings(name string) []setting {
	var all []setting
	for _, which := range []string{"all", "default"} {
		all = append(all,
			setting{"ipv4/conf/" + which + "/rp_filter", "0"},    // replies leave by another way than requests came
			setting{"ipv4/conf/" + which + "/arp_ignore", "1"},   // nobody but lb answers for a VIP,
			setting{"ipv4/conf/" + which + "/arp_announce", "2"}, // and none asks in its name
			setting{"ipv4/conf/" + which + "/send_redirects", "0"},
			setting{"ipv6/conf/" + which + "/accept_ra", "0"},
			setting{"ipv6/conf/" + which + "/accept_dad", "0"}, // addresses are usable at once
			setting{"ipv6/conf/" + which + "/dad_transmits", "0"})
	}
	switch name {
	case Router:
		return append(all,
			setting{"ipv4/ip_forward", "1"},
			setting{"ipv6/conf/all/forwarding", "1"})
	case Client: // many short connections from few addresses
		return append(all,
			setting{"ipv4/ip_local_port_range", "1024 65535"},
			setting{"ipv4/tcp_tw_reuse", "1"})
	}
	if balances(name) {
		return all
	}
	return append(all, // many short connections to few processes
		setting{"core/somaxconn", "16384"},
		setting{"ipv4/tcp_max_syn_backlog", "16384"})
}

func (s setting) write() error {
	return os.WriteFile(filepath.Join("/proc/sys/net", s.path), []byte(s.value), 0)
}

func writeSettings(name string) error {
	for _, s := range settings(name) {
		if err := s.write(); err != nil {
			return err
		}
	}
	return loopbackUp()
}

func loopbackUp() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find lo: %w", err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return fmt.Errorf("set lo up: %w", err)
	}
	return nil
}

// plug runs in the router's namespace: it makes the wire to a leaf, whose end lands in the namespace behind leafNS and
// is never seen outside, and sets up the router's end.
//
// The router's end gets an index that the leaf's cannot have: where both are the same, the kernel takes the wire for a
// physical one and may look at its carrier only after a second.
func plug(n node, leafNS, position int) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU, attrs.HardwareAddr = n.name, n.mtu, mac(n.gateways)
	attrs.Index = firstIndex + position
	veth := netlink.NewVeth(attrs)
	veth.PeerName, veth.PeerMTU, veth.PeerHardwareAddr = NIC, uint32(n.mtu), mac(n.addrs)
	veth.PeerNamespace = netlink.NsFd(leafNS)
	if err := netlink.LinkAdd(veth); err != nil {
		return fmt.Errorf("add veth: %w", err)
	}
	if n.xdpPeer {
		if err := attachPass(veth); err != nil {
			return err
		}
	}
	return raise(veth, n.gateways)
}

// configure runs in a leaf's namespace, after plug.
func configure(n node) error {
	nic, err := netlink.LinkByName(NIC)
	if err != nil {
		return fmt.Errorf("find %s: %w", NIC, err)
	}
	if err := raise(nic, n.addrs); err != nil {
		return err
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find lo: %w", err)
	}
	for _, a := range n.loopback {
		if err := addAddress(lo, netip.PrefixFrom(a, a.BitLen())); err != nil {
			return err
		}
	}
	for _, gw := range n.gateways {
		everywhere := netip.PrefixFrom(gw.Addr(), 0).Masked()
		if err := addRoute(nic, everywhere, gw.Addr()); err != nil {
			return err
		}
	}
	return nil
}

// routeVIPs runs in the router's namespace: what is for a VIP goes to lb.
func routeVIPs(lb node) error {
	nic, err := netlink.LinkByName(lb.name)
	if err != nil {
		return fmt.Errorf("find %s: %w", lb.name, err)
	}
	for _, net := range vipNets {
		if err := addRoute(nic, net, first(lb.addrs, net.Addr())); err != nil {
			return err
		}
	}
	return nil
}

// raise makes a NIC usable: no offloads, its addresses, up.
func raise(nic netlink.Link, addrs []netip.Prefix) error {
	name := nic.Attrs().Name
	if err := offloadsOff(name); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	for _, a := range addrs {
		if err := addAddress(nic, a); err != nil {
			return err
		}
	}
	if err := netlink.LinkSetUp(nic); err != nil {
		return fmt.Errorf("set %s up: %w", name, err)
	}
	return nil
}

func addAddress(nic netlink.Link, p netip.Prefix) error {
	addr := &netlink.Addr{IPNet: ipNet(p)}
	if p.Addr().Is6() {
		addr.Flags = unix.IFA_F_NODAD
	}
	if err := netlink.AddrAdd(nic, addr); err != nil {
		return fmt.Errorf("add address %s to %s: %w", p, nic.Attrs().Name, err)
	}
	return nil
}

func addRoute(nic netlink.Link, to netip.Prefix, via netip.Addr) error {
	route := &netlink.Route{LinkIndex: nic.Attrs().Index, Dst: ipNet(to), Gw: via.AsSlice()}
	if err := netlink.RouteAdd(route); err != nil {
		return fmt.Errorf("add route %s via %s: %w", to, via, err)
	}
	return nil
}

// awaitLinks returns once every wire of the calling thread's namespace has a carrier and a usable link-local address:
// without one, no neighbour is asked for its address.
func awaitLinks(ctx context.Context) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		waitFor, err := unreadyLink()
		if err != nil || waitFor == "" {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", waitFor, ctx.Err())
		}
	}
}

func unreadyLink() (string, error) {
	nics, err := netlink.LinkList()
	if err != nil {
		return "", fmt.Errorf("list interfaces: %w", err)
	}
	for _, nic := range nics {
		if nic.Type() != "veth" {
			continue
		}
		addrs, err := netlink.AddrList(nic, netlink.FAMILY_V6)
		if err != nil {
			return "", fmt.Errorf("list addresses: %w", err)
		}
		ready := slices.ContainsFunc(addrs, func(a netlink.Addr) bool {
			return a.IP.IsLinkLocalUnicast() && a.Flags&unix.IFA_F_TENTATIVE == 0
		})
		if nic.Attrs().OperState != netlink.OperUp || !ready {
			return nic.Attrs().Name, nil
		}
	}
	return "", nil
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
