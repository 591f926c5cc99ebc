package nexthop

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

func TestWatch(t *testing.T) {
	b := newBench(t)
	b.reach(behind)
	w := b.watch()
	resolve := func() {
		_, err := b.r.ResolveAll(addrs(behind))
		b.run("resolve", err)
	}
	resolve()
	b.settled(w)
	gateway := b.neighbour(onLink)
	gateway.State, gateway.HardwareAddr = netlink.NUD_PERMANENT, net.HardwareAddr{2, 0, 0, 0, 0, 9}
	for _, row := range []struct {
		name string
		act  func() error
	}{
		{"a route", func() error {
			return b.node.RouteAdd(&netlink.Route{Dst: ipNet("10.1.1.0/24"), Gw: net.ParseIP("10.9.0.7"), LinkIndex: b.eth0.Attrs().Index})
		}},
		{"an address", func() error { return b.node.AddrAdd(b.eth0, &netlink.Addr{IPNet: ipNet("10.9.0.8/24")}) }},
		{"an MTU", func() error { return b.node.LinkSetMTU(b.eth0, 1400) }},
		{"a rule", func() error {
			r := netlink.NewRule()
			r.Priority, r.Table, r.Family = 7, unix.RT_TABLE_MAIN, unix.AF_INET
			return b.node.RuleAdd(r)
		}},
		{"a new NIC", func() error {
			return b.node.LinkAdd(&netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Name: "tun0"}, Mode: netlink.TUNTAP_MODE_TUN})
		}},
		{"a NIC that goes", func() error { return b.node.LinkDel(b.link(b.node, "tun0")) }},
	} {
		b.run(row.name, row.act())
		b.expect(w, row.name)
		resolve()
		b.settled(w)
	}
	b.run("back to the first route", b.node.RouteDel(&netlink.Route{Dst: ipNet("10.1.1.0/24"), LinkIndex: b.eth0.Attrs().Index}))
	resolve()
	b.settled(w)
	b.run("the gateway's MAC", b.node.NeighSet(gateway))
	b.expect(w, "the gateway's MAC")
	resolve()
	b.settled(w)
	b.run("the gateway's entry goes", b.node.NeighDel(gateway))
	b.expect(w, "the gateway's entry goes")
}

// TestWatchOthers: who asks for other ways besides does not keep from hearing of those that are watched.
func TestWatchOthers(t *testing.T) {
	b := newBench(t)
	b.reach(behind)
	w := b.watch()
	b.until("all news of the beginning are heard", func() bool {
		_, err := b.r.ResolveAll(addrs(behind))
		b.run("resolve", err)
		return !b.settled(w)
	})
	_, err := b.r.ResolveSome(addrs("10.200.0.1"))
	b.run("resolve another", err)
	gateway := b.neighbour(onLink)
	gateway.State, gateway.HardwareAddr = netlink.NUD_PERMANENT, net.HardwareAddr{2, 0, 0, 0, 0, 9}
	b.run("the gateway's MAC", b.node.NeighSet(gateway))
	b.expect(w, "the gateway's MAC")
}

// TestWatchQuiet: what changes nothing that was told wakes nobody.
func TestWatchQuiet(t *testing.T) {
	b := newBench(t)
	b.reach(behind)
	w := b.watch()
	b.until("all news of the beginning are heard", func() bool {
		_, err := b.r.ResolveAll(addrs(behind))
		b.run("resolve", err)
		return !b.settled(w)
	})
	gateway := b.neighbour(onLink)
	gateway.HardwareAddr = b.far.Attrs().HardwareAddr
	for _, nud := range []int{netlink.NUD_STALE, netlink.NUD_REACHABLE, netlink.NUD_PERMANENT} {
		gateway.State = nud
		b.run("another state, the same MAC", b.node.NeighSet(gateway))
	}
	if b.settled(w) {
		t.Error("a signal for a MAC that is the same")
	}
	for range 2 { // the first time is news: nothing was heard of the NIC's group yet
		b.run("a link event", b.node.LinkSetAlias(b.eth0, "uplink"))
	}
	b.settled(w)
	b.run("another link event", b.node.LinkSetAlias(b.eth0, "cable"))
	if b.settled(w) {
		t.Error("a signal for a NIC that is the same")
	}
}

// TestWatchMissed: what happens to a neighbour between the look and the answer is not lost.
func TestWatchMissed(t *testing.T) {
	b := newBench(t)
	w := b.watch()
	b.settled(w)
	passed := b.r.heard()
	l, err := b.r.look(addrs(behind))
	b.run("look", err)
	b.keep(behind)
	b.until("the gateway answers", func() bool { return b.resolve(behind).Usable() })
	b.settled(w)
	b.r.show(l, passed)
	b.expect(w, "the gateway answered meanwhile")
}

func TestWatchEnds(t *testing.T) {
	b := newBench(t)
	ctx, stop := context.WithCancel(context.Background())
	one, two := b.r.Watch(ctx), b.watch()
	stop()
	ended(t, one, "its context is over")
	b.address(b.node, b.eth0, "10.9.0.9/24")
	b.expect(two, "the other one goes on")
	b.run("close", b.r.Close())
	ended(t, two, "the resolver is closed")
	ended(t, b.watch(), "the resolver was closed before")
}

func ended(t *testing.T, w <-chan struct{}, when string) {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		select {
		case _, open := <-w:
			if !open {
				return
			}
		case <-deadline:
			t.Fatalf("the channel is still open: %s", when)
		}
	}
}

// TestWatchOverrun: more news than the socket holds are a signal.
func TestWatchOverrun(t *testing.T) {
	b := newBench(t)
	events, err := subscribe()
	b.run("subscribe", err)
	raw, err := events.SyscallConn()
	b.run("socket", err)
	b.run("socket", raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 0)
	}))
	b.run("shrink the buffer", err)
	r := &Resolver{conn: b.r.conn, events: events, watchers: map[chan struct{}]bool{}, nics: map[int]link{}, done: make(chan struct{})}
	n := b.neighbour("10.9.0.200")
	n.State, n.HardwareAddr = netlink.NUD_PERMANENT, net.HardwareAddr{2, 0, 0, 0, 0, 9}
	for range 64 { // none of these is a signal by itself
		b.run("add", b.node.NeighSet(n))
		b.run("delete", b.node.NeighDel(n))
	}
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	w := r.Watch(ctx)
	go r.listen()
	t.Cleanup(func() { events.Close(); <-r.done })
	b.expect(w, "news were lost")
}

// TestCutOff: no message, cut anywhere, is read beyond its end.
func TestCutOff(t *testing.T) {
	h := hop{7, addrs(onLink)[0]}
	whole := [][]byte{
		manage(h, 0, protocolMade),
		routeRequest(h.addr),
		request(unix.RTM_NEWLINK, 0, make([]byte, unix.SizeofIfInfomsg), attribute(unix.IFLA_IFNAME, []byte("eth0\x00")), attribute32(unix.IFLA_MTU, 1500)),
		request(unix.RTM_NEWADDR, 0, make([]byte, unix.SizeofIfAddrmsg), attribute(unix.IFA_LOCAL, h.addr.AsSlice())),
		request(unix.RTM_NEWROUTE, 0, make([]byte, unix.SizeofRtMsg), attribute(unix.RTA_VIA, []byte{2}), attribute(unix.RTA_METRICS, attribute32(unix.RTAX_MTU, 1))),
	}
	for _, m := range whole {
		for n := range len(m) {
			for _, err := range messages(m[:n:n]) {
				if n > 0 && err == nil {
					t.Fatalf("%d of %d bytes are a message", n, len(m))
				}
			}
			body := m[min(n, unix.SizeofNlMsghdr):n:n]
			parseNeighbour(body)
			parseRoute(body)
			parseLink(body)
			if len(body) >= unix.SizeofIfAddrmsg {
				parseSource(body)
			}
			cloned(body)
		}
	}
}
