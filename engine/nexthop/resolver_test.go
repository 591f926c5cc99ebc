package nexthop

import (
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

func TestResolve(t *testing.T) {
	b := newBench(t)
	b.keep(behind, behind6)
	b.until("both gateways answer", func() bool {
		return b.resolve(behind).State == Reachable && b.resolve(behind6).State == Reachable
	})
	mac, nicMAC := b.far.Attrs().HardwareAddr, b.eth0.Attrs().HardwareAddr
	for _, row := range []struct {
		name, addr, source, gateway string
	}{
		{"on link", onLink, "10.9.0.2", ""},
		{"behind a gateway", behind, "10.9.0.2", onLink},
		{"on link, IPv6", onLink6, "fd00:9::2", ""},
		{"behind a gateway, IPv6", behind6, "fd00:9::2", onLink6},
		{"IPv4 written as IPv6", "::ffff:" + behind, "10.9.0.2", onLink},
	} {
		n := b.resolve(row.addr)
		gateway := ""
		if n.Gateway.IsValid() {
			gateway = n.Gateway.String()
		}
		if n.State != Reachable || !n.Usable() || n.Why != "" || n.NIC != "eth0" || n.IfIndex != b.eth0.Attrs().Index || n.MTU != 1600 ||
			n.Source.String() != row.source || gateway != row.gateway ||
			n.MAC.String() != mac.String() || n.NICMAC.String() != nicMAC.String() {
			t.Errorf("%s: %+v", row.name, n)
		}
	}
}

func TestResolveUnusable(t *testing.T) {
	b := newBench(t)
	for to, kind := range map[string]int{
		"10.2.0.0/16": unix.RTN_BLACKHOLE, "10.3.0.0/16": unix.RTN_UNREACHABLE, "10.4.0.0/16": unix.RTN_PROHIBIT,
		"fd00:2::/64": unix.RTN_BLACKHOLE, "fd00:3::/64": unix.RTN_UNREACHABLE, "fd00:4::/64": unix.RTN_PROHIBIT,
	} {
		dst, err := netlink.ParseIPNet(to)
		b.run(to, err)
		b.run(to, b.node.RouteAdd(&netlink.Route{Dst: dst, Type: kind}))
	}
	b.run("tunnel", b.node.LinkAdd(&netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Name: "tun0"}, Mode: netlink.TUNTAP_MODE_TUN}))
	tun := b.link(b.node, "tun0")
	b.address(b.node, tun, "10.8.0.1/24")
	b.run("tunnel up", b.node.LinkSetUp(tun))
	n := b.neighbour("10.9.0.66")
	n.State = netlink.NUD_FAILED
	b.run("a neighbour that failed", b.node.NeighSet(n))
	for _, row := range []struct {
		addr  string
		state State
		why   string
	}{
		{"198.51.100.1", NoRoute, "no route leads to 198.51.100.1"},
		{"2001:db8::1", NoRoute, "no route leads to 2001:db8::1"},
		{"10.2.0.1", NoRoute, "a blackhole route takes 10.2.0.1"},
		{"10.3.0.1", NoRoute, "a route says that 10.3.0.1 is unreachable"},
		{"10.4.0.1", NoRoute, "a route prohibits 10.4.0.1"},
		{"fd00:2::1", NoRoute, "a blackhole route takes fd00:2::1"},
		{"fd00:3::1", NoRoute, "a route says that fd00:3::1 is unreachable"},
		{"fd00:4::1", NoRoute, "a route prohibits fd00:4::1"},
		{"10.9.0.2", Local, "10.9.0.2 is an address of this node"},
		{"fd00:9::2", Local, "fd00:9::2 is an address of this node"},
		{"10.9.0.255", Unfit, "10.9.0.255 is not the address of one machine"},
		{"10.8.0.2", Down, "tun0 has no carrier"},
		{"10.9.0.55", Unasked, "nobody asked for the MAC of 10.9.0.55 on eth0 yet"},
		{"10.9.0.66", Failed, "10.9.0.66 does not answer on eth0"},
	} {
		if n := b.resolve(row.addr); n.State != row.state || n.Why != row.why || n.Usable() || n.MAC != nil {
			t.Errorf("%s: %+v, want %s: %s", row.addr, n, row.state, row.why)
		}
	}
	b.keep("10.9.0.55")
	if n := b.resolve("10.9.0.55"); n.State != Incomplete || n.Why != "10.9.0.55 has not answered on eth0 yet" {
		t.Errorf("one that was just asked: %+v", n)
	}
	b.run("eth0 down", b.node.LinkSetDown(b.eth0))
	if n := b.resolve(onLink); n.Usable() || n.Why == "" {
		t.Errorf("a NIC that is down: %+v", n)
	}
}

func TestUnfitNICs(t *testing.T) {
	const up = unix.IFF_UP | unix.IFF_RUNNING
	for _, row := range []struct {
		link  link
		state State
		why   string
	}{
		{link{}, Down, "the NIC of its route is gone"},
		{link{name: "eth0", mac: "123456"}, Down, "eth0 is down"},
		{link{name: "eth0", mac: "123456", flags: unix.IFF_UP}, Down, "eth0 has no carrier"},
		{link{name: "wg0", flags: up}, Unfit, "wg0 has no Ethernet addresses"},
		{link{name: "gre0", mac: "1234", flags: up}, Unfit, "gre0 has no Ethernet addresses"},
		{link{name: "lo", mac: "123456", flags: up | unix.IFF_LOOPBACK}, Unfit, "lo has no Ethernet addresses"},
		{link{name: "eth0", mac: "123456", flags: up}, "", ""},
	} {
		if state, why := row.link.unfit(); state != row.state || why != row.why {
			t.Errorf("%+v: %q %q, want %q %q", row.link, state, why, row.state, row.why)
		}
	}
}

func TestResolveRoutes(t *testing.T) {
	b := newBench(t)
	b.address(b.node, b.eth0, "10.9.0.3/24")
	index := b.eth0.Attrs().Index
	for _, r := range []*netlink.Route{
		{Dst: ipNet("10.1.7.0/24"), Gw: net.ParseIP(onLink), LinkIndex: index, MTU: 1400},
		{Dst: ipNet("10.1.8.0/24"), Gw: net.ParseIP(onLink), LinkIndex: index, Src: net.ParseIP("10.9.0.3")},
		{Dst: ipNet("10.1.9.0/24"), Via: &netlink.Via{AddrFamily: unix.AF_INET6, Addr: net.ParseIP(onLink6)}, LinkIndex: index},
		{Dst: ipNet("10.1.10.0/24"), Gw: net.ParseIP("10.9.0.7"), LinkIndex: index, MTU: 9000},
	} {
		b.run(r.Dst.String(), b.node.RouteAdd(r))
	}
	b.keep("10.1.7.1", "10.1.9.1")
	b.until("the gateway answers in both families", func() bool {
		return b.resolve("10.1.7.1").Usable() && b.resolve("10.1.9.1").Usable()
	})
	if n := b.resolve("10.1.7.1"); n.MTU != 1400 {
		t.Errorf("a route with an MTU: %+v", n)
	}
	if n := b.resolve("10.1.8.1"); n.Source != netip.MustParseAddr("10.9.0.3") {
		t.Errorf("a route with a source: %+v", n)
	}
	n := b.resolve("10.1.9.1")
	if n.Gateway != netip.MustParseAddr(onLink6) || n.MAC.String() != b.far.Attrs().HardwareAddr.String() {
		t.Errorf("IPv4 behind an IPv6 gateway: %+v", n)
	}
	if n := b.resolve("10.1.10.1"); n.MTU != 1600 || n.Gateway != netip.MustParseAddr("10.9.0.7") {
		t.Errorf("a route whose MTU is more than the NIC's: %+v", n)
	}
}

// TestSources: where a route names no source address, the NIC's best one is taken.
func TestSources(t *testing.T) {
	b := newBench(t)
	b.address(b.node, b.eth0, "10.9.0.4/24")
	index := b.eth0.Attrs().Index
	all, err := b.r.conn.sources()
	b.run("read addresses", err)
	if a := all[source{index, unix.AF_INET}]; a != netip.MustParseAddr("10.9.0.2") {
		t.Errorf("IPv4: %v", a)
	}
	if a := all[source{index, unix.AF_INET6}]; a != netip.MustParseAddr("fd00:9::2") {
		t.Errorf("IPv6, where a link-local one is also there: %v", a)
	}
	l := &look{
		addrs: addrs(behind6), routes: []route{{kind: unix.RTN_UNICAST, oif: index}}, sources: all,
		links: map[int]link{index: {name: "eth0", mtu: 1500}},
	}
	if n := l.nextHop(0); n.Source != netip.MustParseAddr("fd00:9::2") {
		t.Errorf("a route without a source: %+v", n)
	}
}

// TestResolveMany: a node of the largest size behind one gateway costs what its size says, not the square of it.
func TestResolveMany(t *testing.T) {
	b := newBench(t)
	b.reach(behind)
	small, large := b.fastest(many(256)), b.fastest(many(4096))
	t.Logf("256 addresses in %v, 4096 in %v", small, large)
	if large > 5*16*small {
		t.Errorf("256 addresses take %v, 4096 %v", small, large)
	}
}

// fastest is the least time of many tries in which all are resolved.
func (b *bench) fastest(all []netip.Addr) time.Duration {
	fastest := time.Hour
	for range 10 {
		start := time.Now()
		found, err := b.r.ResolveAll(all)
		b.run("resolve all", err)
		fastest = min(fastest, time.Since(start))
		if len(found) != len(all) {
			b.t.Fatalf("%d of %d addresses have a next hop", len(found), len(all))
		}
		for a, n := range found {
			if !n.Usable() || n.Gateway != netip.MustParseAddr(onLink) {
				b.t.Fatalf("%v: %+v", a, n)
			}
		}
	}
	return fastest
}

func TestResolveNothing(t *testing.T) {
	b := newBench(t)
	if found, err := b.r.ResolveAll(nil); err != nil || len(found) != 0 {
		t.Errorf("%v %v", found, err)
	}
	if _, err := b.r.ResolveAll([]netip.Addr{{}}); err == nil {
		t.Error("what is not an address was resolved")
	}
}

// TestNamespace: the resolver stays where it was made, whichever thread asks.
func TestNamespace(t *testing.T) {
	b := newBench(t)
	b.reach(onLink)
	done := make(chan NextHop)
	go func() {
		n, _ := b.r.Resolve(netip.MustParseAddr(onLink))
		done <- n
	}()
	if n := <-done; !n.Usable() {
		t.Errorf("from another thread: %+v", n)
	}
}

func TestClosed(t *testing.T) {
	var r *Resolver
	open := func() {
		t.Helper()
		var err error
		if r, err = New(); err != nil {
			t.Fatal(err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	open() // the first one also starts the runtime's poller
	before := descriptors(t)
	open()
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors, before %d", after, before)
	}
	if _, err := r.Resolve(netip.MustParseAddr(onLink)); err == nil {
		t.Error("a closed resolver resolves")
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

func ipNet(s string) *net.IPNet {
	_, n, err := net.ParseCIDR(s)
	if err != nil {
		panic(err)
	}
	return n
}

func many(n int) []netip.Addr {
	all := make([]netip.Addr, n)
	for i := range all {
		all[i] = netip.AddrFrom4([4]byte{10, 1, byte(16 + i>>8), byte(i)})
	}
	return all
}
