package engine

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"hairpin/engine/packet"
	"hairpin/engine/spec"
)

// socketsSpec is a host where connections end, and limits that nothing reaches.
const socketsSpec = `
version: 1
stages: {connlimit: {source: sockets, limits: [{max: 1000000}, {max: 1000000, per: vip}, {max: 1000000, per: source, prefix: 16}]}}
nics: {lo: {tcx_ingress: [connlimit]}}
vips: [{name: web, addresses: [10.99.0.1], port: 8080, protocol: tcp}]
`

var socketsVIP = netip.MustParseAddrPort("10.99.0.1:8080")

// TestSocketsOutliveKills: connections of every kind, many of them resets, SYNs sent twice and half-open ones, come and go
// while the engine is killed in the middle and nobody is there for a while. What is counted is what the kernel lists: when
// all is over without an engine, and with the next one.
func TestSocketsOutliveKills(t *testing.T) {
	t.Parallel()
	connections := 4000
	if soak() {
		connections = 1_000_000
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	p := privateNode(t)
	c := newChurn(t, seed)
	if err := os.WriteFile(p.SpecFile(), []byte(socketsSpec), 0o644); err != nil {
		t.Fatal(err)
	}
	victim := restingVictim(t, p)
	began := time.Now()
	c.run(t, connections/2)
	if err := victim.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	c.run(t, connections/4)
	_ = victim.Wait()
	c.agree(t, "after the kill", func() (*State, error) { return Observe(p) })
	c.run(t, connections/4)
	c.agree(t, "without an engine", func() (*State, error) { return Observe(p) })
	o := running(t, p)
	c.agree(t, "with the next engine", func() (*State, error) { return o.State(), nil })
	t.Logf("%d connections in %v: %d reset, %d SYNs sent twice that nobody confirmed, %d open at the end", c.made, time.Since(began).Round(time.Second),
		c.reset, c.half, len(c.open))
	c.closeAll()
	c.agree(t, "with no connection left", func() (*State, error) { return o.State(), nil })
}

// restingVictim is an engine in a process of its own that changes nothing.
func restingVictim(t *testing.T, p Paths) *exec.Cmd {
	t.Helper()
	cmd, out := startVictim(t, victimWork{Paths: p, Rests: true})
	said := make([]byte, len("open\n"))
	if _, err := io.ReadFull(out, said); err != nil || string(said) != "open\n" {
		t.Fatalf("it said %q: %v", said, err)
	}
	return cmd
}

// churn is a server and its clients in the namespace of the test's thread.
type churn struct {
	*rand.Rand
	open              []int // descriptors of clients
	made, reset, half int
	raw               int
}

func newChurn(t *testing.T, seed uint64) *churn {
	t.Helper()
	lo := nic(t, "lo")
	address := &netlink.Addr{IPNet: netlink.NewIPNet(socketsVIP.Addr().AsSlice())}
	if err := netlink.AddrAdd(lo, address); err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		t.Fatal(err)
	}
	clients := &netlink.Route{LinkIndex: lo.Attrs().Index, Table: unix.RT_TABLE_LOCAL, Type: unix.RTN_LOCAL, Scope: netlink.SCOPE_HOST,
		Dst: &net.IPNet{IP: net.IPv4(10, 48, 0, 0), Mask: net.CIDRMask(12, 32)}} // all their addresses are this host's
	if err := netlink.RouteAdd(clients); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp4", socketsVIP.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(io.Discard, c)
				_ = c.Close()
			}()
		}
	}()
	c := &churn{Rand: rand.New(rand.NewPCG(seed, 0))}
	if c.raw, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(c.raw); c.closeAll() })
	return c
}

// run opens so many connections and ends most of them, in any way.
func (c *churn) run(t *testing.T, count int) {
	t.Helper()
	for range count {
		fd, err := c.dial()
		if err != nil {
			t.Fatalf("connection %d: %v", c.made, err)
		}
		c.made++
		c.open = append(c.open, fd)
		if c.IntN(50) == 0 {
			c.halfOpen(t)
		}
		if i := c.IntN(len(c.open)); len(c.open) > 200 {
			c.end(c.open[i])
			c.open = slices.Delete(c.open, i, i+1)
		}
	}
}

// dial connects from one of many addresses, so that no ports are missing.
func (c *churn) dial() (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	from := &unix.SockaddrInet4{Addr: [4]byte{10, byte(48 + c.IntN(16)), byte(c.IntN(256)), byte(c.IntN(256))}}
	to := &unix.SockaddrInet4{Addr: socketsVIP.Addr().As4(), Port: int(socketsVIP.Port())}
	for _, step := range []func() error{
		func() error { return unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1) },
		func() error { return unix.Bind(fd, from) },
		func() error { return unix.Connect(fd, to) },
	} {
		for err = step(); err == unix.EINTR; { // Go's own signals
			err = step()
		}
		if err != nil {
			_ = unix.Close(fd)
			return -1, err
		}
	}
	return fd, nil
}

// end closes a connection: by a reset, by half and then whole, or as usual.
func (c *churn) end(fd int) {
	switch c.IntN(4) {
	case 0:
		c.reset++
		_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	case 1:
		_, _ = unix.Write(fd, []byte("x"))
		_ = unix.Shutdown(fd, unix.SHUT_WR)
	}
	_ = unix.Close(fd)
}

// halfOpen sends a SYN twice from where nobody is.
func (c *churn) halfOpen(t *testing.T) {
	t.Helper()
	c.half++
	from := netip.AddrFrom4([4]byte{192, 0, 2, byte(c.IntN(256))})
	syn := packet.Build(packet.IPv4{Src: from, Dst: socketsVIP.Addr()},
		packet.TCP{Src: packet.Is(uint16(1024 + c.IntN(60000))), Dst: packet.Is(socketsVIP.Port()), Seq: c.Uint32(), Flags: "S"})
	for range 2 {
		if err := unix.Sendto(c.raw, syn, 0, &unix.SockaddrInet4{Addr: socketsVIP.Addr().As4()}); err != nil {
			t.Fatal(err)
		}
	}
}

func (c *churn) closeAll() {
	for _, fd := range c.open {
		c.end(fd)
	}
	c.open = nil
}

// agree waits until what is counted of the host and of the VIP, and of all sources together, is what the kernel lists.
func (c *churn) agree(t *testing.T, when string, state func() (*State, error)) {
	t.Helper()
	var want, got string
	for limit := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) { // sockets close when the other end's packets have come
		s, err := state()
		if err != nil {
			t.Fatal(err)
		}
		if want, got = socketsThere(t), socketsCounted(s); want == got {
			break
		}
		if time.Now().After(limit) {
			t.Fatalf("%s: counted %s; there are %s", when, got, want)
		}
	}
	t.Logf("%s: %s", when, got)
}

// socketsThere are the open sockets of the server by the kernel's own list: all, the same of the VIP, and by network.
func socketsThere(t *testing.T) string {
	t.Helper()
	list, err := netlink.SocketDiagTCP(unix.AF_INET)
	if err != nil {
		t.Fatal(err)
	}
	open := []uint8{netlink.TCP_ESTABLISHED, netlink.TCP_FIN_WAIT1, netlink.TCP_FIN_WAIT2, netlink.TCP_CLOSE_WAIT, netlink.TCP_LAST_ACK, netlink.TCP_CLOSING}
	const timeWait = 3 // idiag_timer: what is left of a closed socket
	all, networks := 0, map[string]int{}
	for _, s := range list {
		if s.ID.SourcePort != socketsVIP.Port() || s.Timer == timeWait || !slices.Contains(open, s.State) {
			continue
		}
		all++
		client, _ := netip.AddrFromSlice(s.ID.Destination.To4())
		network, _ := client.Prefix(16)
		networks[network.String()]++
	}
	return fmt.Sprintf("%d open, %d of the VIP, the fullest network has %d", all, all, most(networks))
}

func socketsCounted(s *State) string {
	var all, vip, network float64
	for _, l := range s.Limits {
		switch {
		case l.Source.IsValid():
		case l.Scope == spec.PerNIC.String():
			all = l.Now
		case l.Scope == spec.PerVIP.String():
			vip = l.Now
		default:
			network = l.Now
		}
	}
	return fmt.Sprintf("%v open, %v of the VIP, the fullest network has %v", all, vip, network)
}

func most(of map[string]int) (most int) {
	for _, n := range of {
		most = max(most, n)
	}
	return most
}
