package lab

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// Names of the nodes; further load balancers are Balancer(2) and so on, the backends are Backend(1) to Backend(n).
const (
	Client = "client"
	Router = "router"
	LB     = "lb"
	Store  = "store" // where a lab has a fleet
)

// Ports of the servers on every backend.
const (
	HTTPPort = 80
	EchoPort = 7
)

// NIC is the interface of every node but the router, whose interfaces have the names of the nodes at their other end.
const NIC = "eth0"

const (
	sources   = 8    // addresses of the client, per family
	clientMTU = 1500 // what the world sends
	fabricMTU = 1600 // the same with 48 bytes of encapsulation around it
)

// The VIPs, and the networks around them that the router sends to lb.
var (
	VIP4    = netip.MustParseAddr("10.99.0.1")
	VIP6    = netip.MustParseAddr("fd00:99::1")
	vipNets = []netip.Prefix{netip.MustParsePrefix("10.99.0.0/24"), netip.MustParsePrefix("fd00:99::/64")}
)

// Balancer names the i-th load balancer, from 1: the first is LB.
func Balancer(i int) string {
	if i == 1 {
		return LB
	}
	return fmt.Sprintf("%s%d", LB, i)
}

// balances tells whether the node of that name is a load balancer.
func balances(name string) bool { return strings.HasPrefix(name, LB) }

// Backend names the i-th backend, from 1.
func Backend(i int) string { return fmt.Sprintf("backend%d", i) }

// node is one leaf of the star around the router.
type node struct {
	name     string
	mtu      int
	addrs    []netip.Prefix // of its NIC, the first of a family is the one others use
	gateways []netip.Prefix // of the router's end, one per family
	loopback []netip.Addr   // on lo, besides the usual
	xdpPeer  bool           // sends by XDP_TX, so the router's end must be prepared for it
}

// size is how many of each a lab has, and what keeps the spec of its nodes.
type size struct {
	balancers, backends int
	store               Keeper
}

// leaves are all nodes of a lab but the router: the client, the load balancers, the backends, the store.
func leaves(of size) []node {
	client := node{
		name: Client, mtu: clientMTU,
		gateways: prefixes("198.51.100.1/24", "2001:db8:c::1/64"),
	}
	for i := 11; i < 11+sources; i++ {
		client.addrs = append(client.addrs, prefixes(
			fmt.Sprintf("198.51.100.%d/24", i), fmt.Sprintf("2001:db8:c::%d/64", i))...)
	}
	all := []node{client}
	for i := 1; i <= of.balancers; i++ {
		lb := fabricNode(Balancer(i), 1, 0)
		if i > 1 {
			lb = fabricNode(Balancer(i), 2, i)
		}
		lb.xdpPeer = true
		all = append(all, lb)
	}
	for i := 1; i <= of.backends; i++ {
		b := fabricNode(Backend(i), 1, i)
		b.loopback = []netip.Addr{VIP4, VIP6}
		all = append(all, b)
	}
	if of.store != "" {
		all = append(all, fabricNode(Store, 3, 0))
	}
	return all
}

func fabricNode(name string, block, net int) node {
	return node{
		name: name, mtu: fabricMTU,
		addrs:    prefixes(fmt.Sprintf("10.%d.%d.10/24", block, net), fmt.Sprintf("fd00:%d:%d::10/64", block, net)),
		gateways: prefixes(fmt.Sprintf("10.%d.%d.1/24", block, net), fmt.Sprintf("fd00:%d:%d::1/64", block, net)),
	}
}

func prefixes(texts ...string) []netip.Prefix {
	all := make([]netip.Prefix, len(texts))
	for i, t := range texts {
		all[i] = netip.MustParsePrefix(t)
	}
	return all
}

// names are all nodes of a lab, the router first.
func names(of size) []string {
	all := []string{Router}
	for _, n := range leaves(of) {
		all = append(all, n.name)
	}
	return all
}

// first is the first address of the family of like, or the zero Addr.
func first(ps []netip.Prefix, like netip.Addr) netip.Addr {
	for _, p := range ps {
		if p.Addr().Is4() == like.Is4() {
			return p.Addr()
		}
	}
	return netip.Addr{}
}

// mac is a fixed hardware address: 02:68 and the IPv4 address of the interface, so that a capture reads without a
// neighbour table.
func mac(ps []netip.Prefix) net.HardwareAddr {
	a := first(ps, VIP4).As4()
	return net.HardwareAddr{0x02, 0x68, a[0], a[1], a[2], a[3]}
}

// Sources are the client's addresses of the family of like.
func Sources(like netip.Addr) []netip.Addr {
	var all []netip.Addr
	for _, p := range leaves(size{})[0].addrs {
		if p.Addr().Is4() == like.Is4() {
			all = append(all, p.Addr())
		}
	}
	return all
}

// Addresses are those of a node's NIC (of every interface for the router), IPv4 and IPv6; none when there is no such
// node.
func (l *Lab) Addresses(name string) []netip.Addr {
	var all []netip.Addr
	for _, n := range leaves(l.size) {
		own := n.addrs
		if name == Router {
			own = n.gateways
		}
		if name != Router && name != n.name {
			continue
		}
		for _, p := range own {
			all = append(all, p.Addr())
		}
	}
	return all
}
