package lab

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"hairpin/engine/bgp/collector"
	"hairpin/engine/spec"
)

// Route is the whole life of the router Builtin: it hears load balancers, and has the kernel spread flows over those that announce a VIP.
func Route(ctx context.Context, lab string, balancers int) error {
	l, err := newLab(lab)
	if err != nil {
		return err
	}
	l.size.balancers = balancers
	if !l.Inside(Router) {
		return fmt.Errorf("route: not in the network of the router of lab %q", lab)
	}
	c := collector.Config{AS: RouterAS, ID: l.sessions()[0].router, Port: spec.BGPPort, Restart: spec.DefaultRestart}
	secret, err := l.secret()
	if err != nil {
		return err
	}
	for _, s := range l.sessions() {
		c.Listen = append(c.Listen, s.router)
		c.Nodes = append(c.Nodes, collector.Node{Address: s.own, AS: BalancerAS, Secret: secret})
	}
	x, err := collector.New(ctx, c)
	if err != nil {
		return err
	}
	defer x.Stop()
	changed := make(chan struct{}, 1) // latest wins: what it says is read from x
	err = x.Watch(ctx, func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	})
	wires := make(chan netlink.LinkUpdate)
	err = errors.Join(err, netlink.LinkSubscribe(wires, ctx.Done()))
	for routes := map[netip.Prefix][]netip.Addr(nil); err == nil; {
		select {
		case <-ctx.Done():
			return nil
		case wire := <-wires:
			if err := l.unplugged(ctx, x, wire); err != nil {
				return err
			}
		case <-changed:
		case <-time.After(time.Second): // should the table come after the word of it
		}
		routes, err = follow(x, routes)
	}
	return err
}

// unplugged drops the sessions over a wire that has no carrier: what was told in them does not hold until it is told again.
func (l *Lab) unplugged(ctx context.Context, x *collector.Collector, wire netlink.LinkUpdate) error {
	if wire.IfInfomsg.Flags&unix.IFF_LOWER_UP != 0 && wire.Header.Type == unix.RTM_NEWLINK {
		return nil
	}
	for _, s := range l.sessions() {
		if s.node != wire.Attrs().Name {
			continue
		}
		if err := x.Drop(ctx, s.own); err != nil {
			return err
		}
	}
	return nil
}

// follow makes the kernel's routes those of x, and returns them.
func follow(x *collector.Collector, had map[netip.Prefix][]netip.Addr) (map[netip.Prefix][]netip.Addr, error) {
	routes, err := x.Routes()
	if err != nil {
		return had, err
	}
	for to, by := range routes {
		if slices.Equal(by, had[to]) {
			continue
		}
		if err := netlink.RouteReplace(spreadRoute(to, by)); err != nil {
			return had, fmt.Errorf("route %s by %s: %w", to, by, err)
		}
	}
	for to := range maps.Keys(had) {
		if _, stays := routes[to]; stays {
			continue
		}
		if err := netlink.RouteDel(&netlink.Route{Dst: ipNet(to)}); err != nil {
			return had, fmt.Errorf("take back the route to %s: %w", to, err)
		}
	}
	return routes, nil
}

func spreadRoute(to netip.Prefix, by []netip.Addr) *netlink.Route {
	r := &netlink.Route{Dst: ipNet(to)}
	for _, hop := range by {
		r.MultiPath = append(r.MultiPath, &netlink.NexthopInfo{Gw: hop.AsSlice()})
	}
	return r
}
