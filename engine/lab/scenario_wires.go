package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
)

// adjacent makes the backends neighbours of lb, as in a rack, so that lb itself learns whether they are there: routes on
// link, and a router that answers ARP for whom it can reach. Neighbours are asked again after seconds, to have no lesson
// take minutes.
func adjacent(l *Lab) error {
	return errors.Join(
		inNamespace(l.namespace(LB), func() error {
			nic, err := netlink.LinkByName(NIC)
			if err != nil {
				return fmt.Errorf("find %s: %w", NIC, err)
			}
			for i := range l.size.backends {
				to := netip.PrefixFrom(l.address(i+1), 32)
				if err := netlink.RouteReplace(&netlink.Route{LinkIndex: nic.Attrs().Index, Dst: ipNet(to), Scope: netlink.SCOPE_LINK}); err != nil {
					return fmt.Errorf("add route to %s: %w", to, err)
				}
			}
			return writeAll(
				setting{"ipv4/neigh/" + NIC + "/base_reachable_time_ms", "2000"},
				setting{"ipv4/neigh/" + NIC + "/delay_first_probe_time", "1"},
				setting{"ipv4/neigh/" + NIC + "/retrans_time_ms", "300"})
		}),
		inNamespace(l.namespace(Router), func() error {
			all := []setting{{"ipv4/conf/" + LB + "/proxy_arp", "1"}, {"ipv4/neigh/" + LB + "/proxy_delay", "0"}}
			for i := range l.size.backends { // else a wire that comes back has lost its IPv6 addresses
				all = append(all, setting{"ipv6/conf/" + Backend(i+1) + "/keep_addr_on_down", "1"})
			}
			return writeAll(all...)
		}))
}

// address is the IPv4 address of the i-th backend.
func (l *Lab) address(i int) netip.Addr { return l.Addresses(Backend(i))[0] }

func writeAll(all ...setting) error {
	for _, s := range all {
		if err := s.write(); err != nil {
			return err
		}
	}
	return nil
}

// plugged pulls the cable of a node at the router, or puts it back.
func (l *Lab) plugged(node string, is bool) error {
	return inNamespace(l.namespace(Router), func() error {
		wire, err := netlink.LinkByName(node)
		if err != nil {
			return fmt.Errorf("find %s: %w", node, err)
		}
		if is {
			return netlink.LinkSetUp(wire)
		}
		return netlink.LinkSetDown(wire)
	})
}

func crash(_ context.Context, l *Lab) error { return l.plugged(Backend(2), false) }

// flap leaves enough time between for lb to see each state.
func flap(ctx context.Context, l *Lab) error {
	for is := false; ; is = !is {
		if err := l.plugged(Backend(2), is); err != nil {
			return err
		}
		if !pause(ctx, 12*time.Second) {
			return l.plugged(Backend(2), true)
		}
	}
}

// onNIC changes lb's NIC.
func (l *Lab) onNIC(change func(netlink.Link) error) error {
	return inNamespace(l.namespace(LB), func() error {
		nic, err := netlink.LinkByName(NIC)
		if err != nil {
			return fmt.Errorf("find %s: %w", NIC, err)
		}
		return change(nic)
	})
}

// narrow gives lb the MTU of the clients, which do not ask for advice: they leave their packets to be fragmented.
func narrow(_ context.Context, l *Lab) error {
	err := inNamespace(l.namespace(Client), setting{"ipv4/ip_no_pmtu_disc", "1"}.write)
	if err != nil {
		return fmt.Errorf("stop path-MTU discovery: %w", err)
	}
	return l.onNIC(func(nic netlink.Link) error { return netlink.LinkSetMTU(nic, clientMTU) })
}

func loseNIC(_ context.Context, l *Lab) error { return l.onNIC(netlink.LinkDel) }

// misdirect writes down a MAC that no node has.
func misdirect(_ context.Context, l *Lab) error {
	return l.onNIC(func(nic netlink.Link) error {
		return netlink.NeighSet(&netlink.Neigh{LinkIndex: nic.Attrs().Index, State: netlink.NUD_PERMANENT, IP: l.address(3).AsSlice(),
			HardwareAddr: net.HardwareAddr{0x02, 0x68, 10, 1, 33, 10}})
	})
}
