package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"hairpin/engine/spec"
)

// Kind is the program that hears load balancers on the lab's router, and spreads flows over those that announce a VIP.
type Kind string

// Kinds of routers.
const (
	Bird    Kind = "bird"    // Debian: bird2
	FRR     Kind = "frr"     // Debian: frr
	Builtin Kind = "builtin" // of hairpin itself; nothing to install
)

// Numbers of the autonomous systems of the lab.
const (
	RouterAS   = 65000
	BalancerAS = 65001
)

// of is the router of a lab of that size, empty where one load balancer needs none.
func (k Kind) of(s size) (Kind, error) {
	switch {
	case s.balancers == 1 && k == "":
		return "", nil
	case s.balancers == 1:
		return "", fmt.Errorf("router %s: one load balancer has one route that is always there: have 2 nodes at least", k)
	case k == "":
		if _, err := program("bird"); err != nil {
			return Builtin, nil
		}
		return Bird, nil
	case !slices.Contains([]Kind{Bird, FRR, Builtin}, k):
		return "", fmt.Errorf("router %q: bird, frr or builtin", k)
	}
	for _, name := range k.programs() {
		if _, err := program(name); err != nil && k != Builtin {
			return "", fmt.Errorf("router %s: %w: install it (Debian packages are bird2 and frr), or take the router builtin", k, err)
		}
	}
	return k, nil
}

// programs are those that run for it.
func (k Kind) programs() []string {
	switch k {
	case Bird:
		return []string{"bird"}
	case FRR:
		return []string{"zebra", "bfdd", "bgpd"}
	case Builtin:
		return []string{"router"}
	}
	return nil
}

// program is where a daemon is that distributions keep out of PATH.
func program(name string) (string, error) {
	for _, dir := range []string{"/usr/sbin", "/usr/local/sbin", "/usr/lib/frr", "/usr/libexec/frr"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return exec.LookPath(name)
}

// session is one that the router has: an address of its own, and that of a load balancer beside it.
type session struct {
	node        string
	router, own netip.Addr
}

// name is the session's in configurations.
func (s session) name() string {
	if s.own.Is4() {
		return s.node + "_4"
	}
	return s.node + "_6"
}

func (l *Lab) sessions() (all []session) {
	for _, n := range leaves(l.size) {
		if !balances(n.name) {
			continue
		}
		for i, own := range n.addrs {
			all = append(all, session{n.name, n.gateways[i].Addr(), own.Addr()})
		}
	}
	return all
}

// bgpOf is how a load balancer tells the router of its VIPs.
func (l *Lab) bgpOf(node string) *spec.BGP {
	g := &spec.BGP{AS: BalancerAS, HoldTime: spec.MinHoldTime, Restart: spec.DefaultRestart, DrainWait: 3 * time.Second}
	for _, s := range l.sessions() {
		if s.node != node {
			continue
		}
		if s.own.Is4() {
			g.RouterID = s.own
		}
		g.Neighbors = append(g.Neighbors, spec.Neighbor{Address: s.router, AS: RouterAS, Port: spec.BGPPort, Hops: 1})
	}
	l.peering.apply(g, l.SecretFile(node))
	return g
}

// startRouter starts what does not run of the router's programs, and waits until they can be spoken to.
func (l *Lab) startRouter(ctx context.Context) error {
	if l.router == "" {
		return nil
	}
	spread := append(byPorts(), setting{"ipv4/conf/all/ignore_routes_with_linkdown", "1"}, setting{"ipv6/conf/all/ignore_routes_with_linkdown", "1"})
	for _, n := range l.Balancers() { // else a wire that comes back has lost its IPv6 addresses
		spread = append(spread, setting{"ipv6/conf/" + n + "/keep_addr_on_down", "1"})
	}
	if err := errors.Join(l.Do(Router, func() error { return writeAll(spread...) }), l.writeSecrets()); err != nil {
		return err
	}
	start := map[Kind]func() error{Bird: l.startBird, FRR: func() error { return l.startFRR(ctx) }, Builtin: func() error {
		return l.startHere("router", l.binary, "lab", "router", "--name", l.name, strconv.Itoa(l.size.balancers))
	}}[l.router]
	if err := start(); err != nil {
		return fmt.Errorf("%s: %w", Router, err)
	}
	for _, s := range l.sessions() {
		if err := l.awaitPort(ctx, Router, netip.AddrPortFrom(s.router, spec.BGPPort)); err != nil {
			for _, name := range l.router.programs() {
				err = fmt.Errorf("%w: %s says: %s", err, name, daemon{l, Router, name}.lastWords())
			}
			return fmt.Errorf("%s: %w", Router, err)
		}
	}
	return nil
}

// byPorts spreads by both addresses, protocol and both ports.
func byPorts() []setting {
	return []setting{{"ipv4/fib_multipath_hash_policy", "1"}, {"ipv6/fib_multipath_hash_policy", "1"}}
}

// startHere starts a program of the router's, unless it runs.
func (l *Lab) startHere(name, path string, args ...string) error {
	d := daemon{l, Router, name}
	if d.pid() != 0 {
		return nil
	}
	_, err := d.startProgram(path, nil, args...)
	return err
}

// startConfigured is startHere with a configuration file, wherever the program is.
func (l *Lab) startConfigured(name, text string, args ...string) error {
	path, err := program(name)
	if err != nil {
		return err
	}
	if err := os.WriteFile(l.routerFile(name+".conf"), []byte(text), 0o644); err != nil {
		return err
	}
	return l.startHere(name, path, args...)
}

func (l *Lab) routerFile(name string) string { return filepath.Join(l.NodeDir(Router), "config", name) }

func (l *Lab) awaitPort(ctx context.Context, node string, at netip.AddrPort) error {
	for {
		conn, err := l.DialContext(ctx, node, "tcp", at.String())
		if err == nil {
			return conn.Close()
		}
		if !pause(ctx, 5*time.Millisecond) {
			return fmt.Errorf("nobody answers at %s: %w", at, err)
		}
	}
}

// AwaitAnnounced returns when the router sends new flows for each VIP to all of these load balancers.
func (l *Lab) AwaitAnnounced(ctx context.Context, nodes ...string) error {
	if l.router == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	for {
		var found []string
		for _, vip := range []netip.Addr{VIP4, VIP6} {
			hops, err := l.NextHops(vip)
			if err != nil {
				return err
			}
			if slices.ContainsFunc(nodes, func(n string) bool { return !slices.Contains(hops, n) }) {
				found = append(found, fmt.Sprintf("%s by %s", vip, hops))
			}
		}
		if len(found) == 0 {
			return nil
		}
		if !pause(ctx, 10*time.Millisecond) {
			return fmt.Errorf("the router leads to %s, and not by all of %s: %w", found, nodes, ctx.Err())
		}
	}
}
