package datapath

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// crossing is a node between a client and a server, in three namespaces, with three ways to the server: by eth0, up1 and up2. The
// thread of the test is in the node's.
type crossing struct {
	*node
	home, client, server netns.NsHandle
}

const farAddress = "192.0.2.1"

// in does something in another namespace, and comes back.
func (c *crossing) in(t testing.TB, where netns.NsHandle, do func()) {
	t.Helper()
	if err := netns.Set(where); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := netns.Set(c.home); err != nil {
			t.Error(err) // the thread ends with the test
		}
	}()
	do()
}

// must is for steps that a test cannot do without.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func addAddress(t testing.TB, nic, address string) {
	t.Helper()
	a, err := netlink.ParseAddr(address)
	must(t, err)
	must(t, netlink.AddrAdd(nicByName(t, nic), a))
	must(t, netlink.LinkSetUp(nicByName(t, nic)))
}

func anyReversePath(t testing.TB) {
	t.Helper()
	for _, name := range []string{"conf/all/rp_filter", "conf/default/rp_filter"} {
		must(t, os.WriteFile("/proc/sys/net/ipv4/"+name, []byte("0"), 0))
	}
}

func newNamespace(t testing.TB) netns.NsHandle {
	t.Helper()
	ns, err := netns.New()
	must(t, err)
	t.Cleanup(func() { _ = ns.Close() })
	anyReversePath(t)
	must(t, netlink.LinkSetUp(nicByName(t, "lo")))
	return ns
}

// newCrossing has eth0, up1 and up2 lead to the server, 10.8.N.2 here and .1 there, and eth1 to the client, 10.7.0.2 and .1.
func newCrossing(t *testing.T, text string) *crossing {
	t.Helper()
	k := newKernel(t)
	home, err := netns.Get()
	must(t, err)
	t.Cleanup(func() { _ = home.Close() })
	c := &crossing{node: &node{Kernel: k, roots: map[int]*ebpf.Program{}}, home: home, client: newNamespace(t), server: newNamespace(t)}
	must(t, netns.Set(home))
	anyReversePath(t)
	must(t, os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0))
	for i, nic := range []string{"eth0", "up1", "up2"} {
		if nic != "eth0" {
			addNIC(t, nic, 1500)
		}
		must(t, netlink.LinkSetNsFd(nicByName(t, nic+"peer"), int(c.server)))
		addAddress(t, nic, fmt.Sprintf("10.8.%d.2/24", i))
		c.in(t, c.server, func() {
			addAddress(t, nic+"peer", fmt.Sprintf("10.8.%d.1/24", i))
			takesXDP(t, nic+"peer")
		})
	}
	must(t, netlink.LinkSetNsFd(nicByName(t, "eth1peer"), int(c.client)))
	addAddress(t, "eth1", "10.7.0.2/24")
	c.in(t, c.client, func() {
		addAddress(t, "eth1peer", "10.7.0.1/24")
		route(t, unix.RT_TABLE_MAIN, "0.0.0.0/0", "10.7.0.2", "eth1peer")
	})
	c.in(t, c.server, func() {
		addAddress(t, "lo", farAddress+"/32")
		route(t, unix.RT_TABLE_MAIN, "10.7.0.0/24", "10.8.0.2", "eth0peer")
	})
	route(t, unix.RT_TABLE_MAIN, "192.0.2.0/24", "10.8.0.1", "eth0")
	route(t, 100, "0.0.0.0/0", "10.8.2.1", "up2")
	c.apply(t, parse(t, text), 0)
	return c
}

// takesXDP has a NIC take what its peer sends by XDP: without a program here the kernel loses those frames.
func takesXDP(t testing.TB, nic string) {
	t.Helper()
	pass, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, License: "MIT", Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, xdpPass), asm.Return()}})
	must(t, err)
	defer pass.Close()
	must(t, netlink.LinkSetXdpFdWithFlags(nicByName(t, nic), pass.FD(), unix.XDP_FLAGS_DRV_MODE))
}

// echoes has the server answer datagrams at a port.
func (c *crossing) echoes(t testing.TB) (port int) {
	t.Helper()
	var conn *net.UDPConn
	c.in(t, c.server, func() {
		var err error
		conn, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(farAddress)})
		must(t, err)
	})
	t.Cleanup(func() { _ = conn.Close() })
	go func() {
		for b := make([]byte, 2048); ; {
			n, from, err := conn.ReadFromUDP(b)
			if err != nil {
				return
			}
			_, _ = conn.WriteToUDP(b[:n], from) // one that is lost is asked for again
		}
	}()
	return conn.LocalAddr().(*net.UDPAddr).Port
}

// asks sends a datagram and waits for its answer.
func asks(conn net.Conn) error {
	for range 20 {
		if _, err := conn.Write([]byte("how are you")); err != nil {
			return err
		}
		_ = conn.SetReadDeadline(time.Now().Add(3 * time.Second))
		if _, err := conn.Read(make([]byte, 64)); err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
	}
	return os.ErrDeadlineExceeded
}

// dial is a socket whose datagrams have a mark. They have no checksums, which the NIC would complete, had XDP not taken them from it.
func (c *crossing) dial(t testing.TB, from netns.NsHandle, port int, mark int) (conn net.Conn) {
	t.Helper()
	c.in(t, from, func() {
		d := net.Dialer{Timeout: 10 * time.Second}
		var err error
		conn, err = d.Dial("udp4", net.JoinHostPort(farAddress, fmt.Sprint(port)))
		must(t, err)
		raw, err := conn.(*net.UDPConn).SyscallConn()
		must(t, err)
		must(t, raw.Control(func(fd uintptr) {
			err = errors.Join(unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MARK, mark), unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_NO_CHECK, 1))
		}))
		must(t, err)
	})
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// arrived is how many packets came to the server by each of its NICs.
func (c *crossing) arrived(t testing.TB) map[string]uint64 {
	t.Helper()
	all := map[string]uint64{}
	c.in(t, c.server, func() {
		for _, nic := range []string{"eth0peer", "up1peer", "up2peer"} {
			all[nic] = nicByName(t, nic).Attrs().Statistics.RxPackets
		}
	})
	return all
}

const crossingSpec = `
version: 1
stages:
  ways:
    kind: steer
    hot: 100
    rules:
      - {name: one, mark: 1, nic: up1, via: 10.8.1.1}
      - {name: table, mark: 2, table: 100}
      - {name: again, mark: 3, nic: eth0}
      - {name: hot, from: [10.7.0.0/24], nic: up1, via: 10.8.1.1}
      - {name: rest, to: [192.0.2.0/24], paths: both}
    groups:
      - {name: both, paths: [{name: a, nic: up1, via: 10.8.1.1}, {name: b, nic: up2, via: 10.8.2.1}]}
nics:
  eth0: {tcx_egress: [ways]}
  up1: {xdp: [ways], tcx_egress: [ways]}
  up2: {tcx_egress: [ways]}
  eth1: {xdp: [ways]}
`

// TestSteerFlows sends flows of this node over real NICs: each arrives by the way that its rule says, also where that has a steer of
// its own, and goes on by the other when its NIC goes down.
func TestSteerFlows(t *testing.T) {
	t.Parallel()
	c := newCrossing(t, crossingSpec)
	port := c.echoes(t)
	for _, r := range []struct {
		mark int
		by   string
	}{{1, "up1peer"}, {2, "up2peer"}, {3, "eth0peer"}} {
		conn, before := c.dial(t, c.home, port, r.mark), c.arrived(t)
		for range 50 {
			must(t, asks(conn))
		}
		for nic, packets := range c.arrived(t) {
			if packets -= before[nic]; (packets >= 50) != (nic == r.by) || nic != r.by && packets > 10 { // what neighbours ask
				t.Errorf("mark %d: %d packets came by %s, and 50 were to come by %s", r.mark, packets, nic, r.by)
			}
		}
	}
	var conns []net.Conn
	for range 60 {
		conns = append(conns, c.dial(t, c.home, port, 0))
	}
	ask := func() (by map[string]Count) {
		before := c.byPaths()
		for _, conn := range conns {
			must(t, asks(conn))
		}
		by = map[string]Count{}
		for way, n := range c.byPaths() {
			by[way] = Count{Packets: n.Packets - before[way].Packets}
		}
		return by
	}
	const a, b = "up1 via 10.8.1.1", "up2 via 10.8.2.1"
	if by := ask(); by[a].Packets < 10 || by[b].Packets < 10 {
		t.Errorf("60 flows took %v", by)
	}
	must(t, netlink.LinkSetDown(nicByName(t, "up1")))
	changed, err := c.FollowPaths()
	if err != nil || !changed {
		t.Errorf("a NIC went down: %v, %v", changed, err)
	}
	if by := ask(); by[a].Packets != 0 || by[b].Packets < 60 {
		t.Errorf("60 flows took %v after a NIC went down", by)
	}
	if i := slices.IndexFunc(c.SteerPathsOf(c.spec), func(p SteerPath) bool { return p.Name == "a" }); i < 0 || c.SteerPathsOf(c.spec)[i].Up {
		t.Error("a path whose NIC is down is said to be up")
	}
}

// TestSteerCgroup sends from sockets of a cgroup, of one below it, and of others.
func TestSteerCgroup(t *testing.T) {
	t.Parallel()
	mount, err := cgroupMount()
	must(t, err)
	name := fmt.Sprintf("/hairpin-test-%d", os.Getpid())
	inner, below := filepath.Join(mount, name, "a"), filepath.Join(mount, name, "a", "b")
	must(t, os.MkdirAll(below, 0o755))
	t.Cleanup(func() {
		for _, dir := range []string{below, inner, filepath.Dir(inner)} {
			_ = os.Remove(dir) // fails where a socket was opened meanwhile by another test, and is empty
		}
	})
	c := newCrossing(t, strings.Replace(crossingSpec, "mark: 1,", "cgroup: "+name+"/a,", 1))
	if failed := c.FollowCgroups([]string{name + "/a", "/nobody"}); len(failed) != 1 || failed["/nobody"] == nil {
		t.Errorf("%v", failed)
	}
	port := c.echoes(t)
	home := filepath.Join(mount, ownCgroup(t))
	for _, r := range []struct {
		in, by string
	}{{inner, "up1peer"}, {below, "up1peer"}, {filepath.Dir(inner), "eth0peer"}, {home, "eth0peer"}} {
		enter(t, r.in)
		conn := c.dial(t, c.home, port, 3)
		enter(t, home)
		before := c.arrived(t)
		for range 20 {
			must(t, asks(conn))
		}
		for nic, packets := range c.arrived(t) {
			if packets -= before[nic]; (packets >= 20) != (nic == r.by) {
				t.Errorf("from %s %d packets came by %s, and 20 were to come by %s", r.in, packets, nic, r.by)
			}
		}
	}
}

// enter has the sockets that this process opens from now on be of a cgroup. Those of other tests lose nothing by it.
func enter(t testing.TB, cgroup string) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(cgroup, "cgroup.procs"), []byte(fmt.Sprint(os.Getpid())), 0))
}

// ownCgroup is that of this process.
func ownCgroup(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/cgroup")
	must(t, err)
	for line := range strings.Lines(string(text)) {
		if path, is := strings.CutPrefix(strings.TrimSpace(line), "0::"); is {
			return path
		}
	}
	t.Fatalf("no cgroup of version 2 in %q", text)
	return ""
}

// toStation has the client send its packets to that address on the link.
func (c *crossing) toStation(t testing.TB, to net.HardwareAddr) {
	t.Helper()
	c.in(t, c.client, func() {
		must(t, netlink.NeighSet(&netlink.Neigh{LinkIndex: nicByName(t, "eth1peer").Attrs().Index, State: netlink.NUD_PERMANENT, IP: net.ParseIP("10.7.0.2"), HardwareAddr: to}))
	})
}

// TestSteerHot forwards a flow so fast that XDP takes it, but not to other stations, and has tc take it back when its path dies.
func TestSteerHot(t *testing.T) {
	t.Parallel()
	c := newCrossing(t, crossingSpec)
	if _, err := c.FollowPaths(); err != nil {
		t.Fatal(err)
	}
	conn := c.dial(t, c.client, c.echoes(t), 0)
	caught := func() uint64 { return c.own("ways", 3) }
	for limit := time.Now().Add(time.Minute); caught() < 500; {
		must(t, asks(conn))
		if time.Now().After(limit) {
			t.Fatalf("XDP forwarded %d packets; leases given: %d; by paths %v", caught(), c.own("ways", 2), c.byPaths())
		}
	}
	before, had := c.arrived(t), caught()
	for range 200 {
		must(t, asks(conn))
	}
	if by := c.arrived(t); by["up1peer"]-before["up1peer"] < 200 || caught() == had {
		t.Errorf("a hot flow arrived by %v, before that by %v; XDP forwarded %d", by, before, caught()-had)
	}
	had = caught()
	c.toStation(t, net.HardwareAddr{2, 0, 0, 0, 7, 7})
	for range 200 {
		_, err := conn.Write([]byte("not for you"))
		must(t, err)
	}
	c.toStation(t, nicByName(t, "eth1").Attrs().HardwareAddr)
	must(t, asks(conn)) // 20 packets at most
	if n := caught() - had; n >= 200 {
		t.Errorf("XDP forwarded %d packets, of which 200 were for another station", n)
	}
	for _, p := range c.SteerPathsOf(c.spec) {
		if p.Name == "hot" {
			c.SetPathAlive(p.ID, false)
		}
	}
	had, before = caught(), c.arrived(t)
	for range 50 {
		must(t, asks(conn))
	}
	if by := c.arrived(t); caught() != had || by["eth0peer"]-before["eth0peer"] < 50 {
		t.Errorf("its path is dead: XDP forwarded %d more, arrived by %v, before by %v", caught()-had, by, before)
	}
}
