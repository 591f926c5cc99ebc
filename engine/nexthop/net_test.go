package nexthop

import (
	"context"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// bench is two network namespaces without names and a cable between them: the node, which the test's thread is in, and
// a peer that is its gateway. They vanish with the test.
type bench struct {
	t    *testing.T
	node *netlink.Handle
	peer *netlink.Handle
	eth0 netlink.Link // of the node
	far  netlink.Link // of the peer
	r    *Resolver
}

const (
	onLink  = "10.9.0.1" // the peer, which is the gateway
	behind  = "10.1.1.11"
	onLink6 = "fd00:9::1"
	behind6 = "fd00:1::11"
)

func newBench(t *testing.T) *bench {
	t.Helper()
	runtime.LockOSThread() // and never unlocked: the thread ends with the test, and its namespace with it
	b := &bench{t: t}
	far := b.namespace()
	b.peer = b.handle(far)
	near := b.namespace()
	b.node = b.handle(near)
	b.run("", os.WriteFile("/proc/sys/net/ipv6/conf/default/accept_dad", []byte("0"), 0))

	cable := netlink.NewVeth(netlink.LinkAttrs{Name: "eth0", MTU: 1600})
	cable.PeerName = "far0"
	cable.PeerNamespace = netlink.NsFd(far)
	b.run("make the cable", b.node.LinkAdd(cable))
	b.eth0, b.far = b.link(b.node, "eth0"), b.link(b.peer, "far0")
	b.run("lo", b.node.LinkSetUp(b.link(b.node, "lo")))
	b.address(b.node, b.eth0, "10.9.0.2/24", "fd00:9::2/64")
	b.address(b.peer, b.far, onLink+"/24", onLink6+"/64", "10.9.0.7/24")
	b.run("far up", b.peer.LinkSetUp(b.far))
	b.run("near up", b.node.LinkSetUp(b.eth0))
	b.until("the cable works", func() bool { return b.link(b.node, "eth0").Attrs().RawFlags&unix.IFF_RUNNING != 0 })
	b.route("10.1.0.0/16", onLink)
	b.route("fd00:1::/64", onLink6)

	r, err := New()
	b.run("open the resolver", err)
	b.r = r
	t.Cleanup(func() { r.Close() })
	b.until("the node has its IPv6 address", func() bool { return b.resolve("fd00:9::2").State == Local })
	return b
}

// namespace is a new one, in which the thread is afterwards.
func (b *bench) namespace() netns.NsHandle {
	b.t.Helper()
	ns, err := netns.New()
	b.run("new network namespace", err)
	b.t.Cleanup(func() { ns.Close() })
	return ns
}

func (b *bench) handle(ns netns.NsHandle) *netlink.Handle {
	b.t.Helper()
	h, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	b.run("open netlink", err)
	b.t.Cleanup(h.Close)
	return h
}

func (b *bench) run(what string, err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatalf("%s: %v", what, err)
	}
}

func (b *bench) link(h *netlink.Handle, name string) netlink.Link {
	b.t.Helper()
	l, err := h.LinkByName(name)
	b.run(name, err)
	return l
}

func (b *bench) address(h *netlink.Handle, l netlink.Link, all ...string) {
	b.t.Helper()
	for _, a := range all {
		addr, err := netlink.ParseAddr(a)
		b.run(a, err)
		addr.Flags |= unix.IFA_F_NODAD
		b.run("add "+a, h.AddrAdd(l, addr))
	}
}

func (b *bench) route(to, via string) {
	b.t.Helper()
	dst, err := netlink.ParseIPNet(to)
	b.run(to, err)
	b.run("route "+to, b.node.RouteAdd(&netlink.Route{Dst: dst, Gw: netip.MustParseAddr(via).AsSlice(), LinkIndex: b.eth0.Attrs().Index}))
}

// neighbour is an entry of the node's table that is not learned.
func (b *bench) neighbour(addr string) *netlink.Neigh {
	return &netlink.Neigh{LinkIndex: b.eth0.Attrs().Index, IP: netip.MustParseAddr(addr).AsSlice()}
}

// entry is what the node's table says of addr.
func (b *bench) entry(addr string) (n neighbour, known bool) {
	b.t.Helper()
	all, err := b.r.conn.allNeighbours()
	b.run("read neighbours", err)
	n, known = all[hop{b.eth0.Attrs().Index, netip.MustParseAddr(addr)}]
	return n, known
}

func (b *bench) resolve(addr string) NextHop {
	b.t.Helper()
	n, err := b.r.Resolve(netip.MustParseAddr(addr))
	b.run("resolve", err)
	return n
}

func (b *bench) keep(all ...string) {
	b.t.Helper()
	b.run("keep", b.r.Keep(addrs(all...)...))
}

// reach keeps addr and waits until its next hop answers.
func (b *bench) reach(addr string) NextHop {
	b.t.Helper()
	b.keep(addr)
	b.until(addr+" is reachable", func() bool { return b.resolve(addr).State == Reachable })
	return b.resolve(addr)
}

// until waits for something that the kernel does in its own time, looking after each of its signals.
func (b *bench) until(what string, is func() bool) {
	b.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !is() {
		if time.Now().After(deadline) {
			b.t.Fatalf("it never came true that %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func (b *bench) watch() <-chan struct{} {
	ctx, stop := context.WithCancel(context.Background())
	b.t.Cleanup(stop)
	return b.r.Watch(ctx)
}

// expect waits for a signal.
func (b *bench) expect(w <-chan struct{}, what string) {
	b.t.Helper()
	select {
	case <-w:
	case <-time.After(time.Minute):
		b.t.Fatalf("no signal: %s", what)
	}
}

// settled waits until all that happened so far was heard, and tells whether any of it was a signal. Events of one
// socket come in order, so one that concerns nobody shows that those before it were heard.
func (b *bench) settled(w <-chan struct{}) (signalled bool) {
	b.t.Helper()
	before := b.r.heard()
	n := b.neighbour("10.9.0.200")
	n.State, n.HardwareAddr = netlink.NUD_PERMANENT, []byte{2, 0, 0, 0, 0, 9}
	b.run("add a neighbour", b.node.NeighSet(n))
	b.run("remove it", b.node.NeighDel(n))
	b.until("the news are heard", func() bool { return b.r.heard() > before+1 })
	select {
	case <-w:
		return true
	default:
		return false
	}
}

func addrs(all ...string) []netip.Addr {
	out := make([]netip.Addr, len(all))
	for i, a := range all {
		out[i] = netip.MustParseAddr(a)
	}
	return out
}
