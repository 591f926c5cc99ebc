package datapath

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"hairpin/engine/spec"
)

// hostSpec is a host where connections end, and limits that nothing reaches.
const hostSpec = `
version: 1
stages:
  connlimit:
    source: sockets
    limits:
      - {max: 100000}
      - {max: 100000, per: vip}
      - {max: 100000, per: source}
      - {max: 100000, per: source_vip, prefix: 24, prefix6: 56}
      - {max: 100000, per: tenant}
nics: {lo: {tcx_ingress: [connlimit]}}
tenants: {shop: {operators: [ann]}}
vips:
  - {name: web, tenant: shop, addresses: [10.99.0.1, "fd00:99::1"], port: 8080, protocol: tcp}
  - {name: api, tenant: shop, addresses: [10.99.0.1, "fd00:99::1"], port: 8081, protocol: tcp}
`

// host is a node whose own stack ends the connections of clients in the same namespace, over lo.
type host struct {
	*node
	mu      sync.Mutex
	servers []net.Conn
}

const clientHosts = 6

// newHost has VIPs and clients' addresses on lo, and servers on the VIPs' ports and on one that is no VIP's.
func newHost(t *testing.T, text string) *host {
	t.Helper()
	h := &host{node: &node{Kernel: newKernel(t)}}
	lo := nicByName(t, "lo")
	if err := netlink.LinkSetUp(lo); err != nil {
		t.Fatal(err)
	}
	addresses := []string{"10.99.0.1", "fd00:99::1"}
	for i := range clientHosts {
		addresses = append(addresses, fmt.Sprintf("10.50.%d.7", i), fmt.Sprintf("fd00:50:%x::7", i))
	}
	for _, a := range addresses {
		address := &netlink.Addr{IPNet: netlink.NewIPNet(net.ParseIP(a)), Flags: unix.IFA_F_NODAD}
		if err := netlink.AddrAdd(lo, address); err != nil {
			t.Fatal(err)
		}
	}
	for _, port := range []int{8080, 8081, 9000} {
		l, err := net.Listen("tcp", fmt.Sprintf("[::]:%d", port))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		go h.serve(l)
	}
	h.spec = nil
	h.plan = apply(t, h.Kernel, nil, parse(t, text), 0)
	h.spec = parse(t, text)
	if err := h.CountSockets(); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *host) serve(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		h.mu.Lock()
		h.servers = append(h.servers, c)
		h.mu.Unlock()
		go func() {
			_, _ = io.Copy(io.Discard, c)
			_ = c.Close()
		}()
	}
}

// dial opens a connection of the i-th client. The namespace is the calling thread's.
func (h *host) dial(i int, port int) (net.Conn, error) {
	from, to := fmt.Sprintf("10.50.%d.7", i%clientHosts), "10.99.0.1"
	if i%3 == 0 {
		from, to = fmt.Sprintf("fd00:50:%x::7", i%clientHosts), "fd00:99::1"
	}
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 30 * time.Second}
	d.SetMultipathTCP(i%2 == 0)
	return d.Dial("tcp", net.JoinHostPort(to, fmt.Sprint(port)))
}

// truth is the kernel's own list of the host's sockets that are open, by VIP's port and by client.
type truth struct {
	all     int
	port    map[uint16]int
	source  map[string]int
	network map[string]int // of /24 or /56, and VIP's port
	tenant  int            // of the VIPs' ports together
}

// openSockets are those of the servers' side, as the kernel lists them.
func openSockets(t *testing.T) (all []*netlink.Socket) {
	t.Helper()
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		list, err := netlink.SocketDiagTCP(family)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range list {
			open := []uint8{netlink.TCP_ESTABLISHED, netlink.TCP_FIN_WAIT1, netlink.TCP_FIN_WAIT2, netlink.TCP_CLOSE_WAIT, netlink.TCP_LAST_ACK, netlink.TCP_CLOSING}
			const timeWait = 3 // idiag_timer: what is left of a closed socket
			if slices.Contains(open, s.State) && s.Timer != timeWait && slices.Contains([]uint16{8080, 8081, 9000}, s.ID.SourcePort) {
				all = append(all, s)
			}
		}
	}
	return all
}

func truthNow(t *testing.T) truth {
	t.Helper()
	now := truth{port: map[uint16]int{}, source: map[string]int{}, network: map[string]int{}}
	for _, s := range openSockets(t) {
		client, _ := netip.AddrFromSlice(s.ID.Destination)
		client = client.Unmap()
		bits := 64
		if client.Is4() {
			bits = 32
		}
		prefix, _ := client.Prefix(bits)
		wide, _ := client.Prefix(bits - 8)
		now.all++
		now.port[s.ID.SourcePort]++
		now.source[prefix.Addr().String()]++
		if s.ID.SourcePort != 9000 {
			now.network[fmt.Sprint(wide, s.ID.SourcePort)]++
			now.tenant++
		}
	}
	return now
}

// counted is the same as the census counts it.
func (h *host) counted() truth {
	now := truth{port: map[uint16]int{}, source: map[string]int{}, network: map[string]int{}}
	port := map[uint16]uint16{h.num("web"): 8080, h.num("api"): 8081}
	other := 0
	for _, l := range h.ConnLimits() {
		switch {
		case l.Scope == spec.PerNIC:
			now.all = int(l.Open)
		case l.Scope == spec.PerTenant:
			now.tenant = int(l.Open)
		case l.Scope == spec.PerVIP && l.Open > 0:
			now.port[port[l.VIP]] = int(l.Open)
			other += int(l.Open)
		}
	}
	for _, lens := range h.census.all[0].Lens {
		for _, s := range h.sourcesOf(lens.ID) {
			switch {
			case s.Open == 0: // handshakes only
			case lens.ByVIP == 0:
				now.source[s.Source.Addr().String()] = int(s.Open)
			default:
				now.network[fmt.Sprint(s.Source, port[s.VIP])] = int(s.Open)
			}
		}
	}
	if now.all > other {
		now.port[9000] = now.all - other
	}
	return now
}

func (h *host) num(vip string) uint16 {
	for _, c := range h.plan.VIPs {
		if c.Spec.Name == vip {
			return c.Num
		}
	}
	return 0
}

// agree waits until what is counted is what is.
func (h *host) agree(t *testing.T, when string) {
	t.Helper()
	var want, got string
	limit := time.Now().Add(30 * time.Second)
	for {
		want, got = fmt.Sprint(truthNow(t)), fmt.Sprint(h.counted())
		if want == got || time.Now().After(limit) {
			break
		}
		time.Sleep(10 * time.Millisecond) // sockets close when the other end's packets have come
	}
	if want != got {
		t.Fatalf("%s: counted\n%s\nthere are\n%s", when, got, want)
	}
}

// churn opens and closes connections in every way, and returns those that stay open.
func (h *host) churn(t *testing.T, d *rand.Rand, count int, open []net.Conn) []net.Conn {
	t.Helper()
	for i := range count {
		c, err := h.dial(d.IntN(1000), []int{8080, 8081, 9000}[d.IntN(3)])
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, c)
		if i%50 == 0 {
			halfOpen(t, i)
		}
		if len(open) < 40 {
			continue
		}
		k := d.IntN(len(open))
		end(open[k], d.IntN(4))
		open = slices.Delete(open, k, k+1)
	}
	return open
}

// end closes a connection: by a reset, by half and later whole, or as usual.
func end(c net.Conn, how int) {
	tcp := c.(*net.TCPConn)
	switch how {
	case 0:
		_ = tcp.SetLinger(0)
	case 1:
		_, _ = tcp.Write([]byte("x"))
		_ = tcp.CloseWrite()
	}
	_ = tcp.Close()
}

// halfOpen sends SYNs, one of them twice, that nobody will ever confirm.
func halfOpen(t *testing.T, i int) {
	t.Helper()
	source := netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})
	in := frame(ip4{Src: source, Dst: addr("10.99.0.1")}, tcp{Dst: 8080, Flags: "S", Seq: uint32(i)})
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	clear(in[:12]) // lo's own address
	for range 2 {
		if err := unix.Sendto(fd, in, 0, &unix.SockaddrLinklayer{Ifindex: nicByName(t, "lo").Attrs().Index}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSocketsAreCounted: after connections of every kind, edits, an engine that is gone for a time, and a time without a
// probe, what is counted is what the kernel lists.
func TestSocketsAreCounted(t *testing.T) {
	h := newHost(t, hostSpec)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	d := rand.New(rand.NewPCG(seed, 0))
	if by, ok := h.SocketCount(); !ok || by.By != "tp_btf" {
		t.Fatalf("counts %v by %q, this kernel has tp_btf", ok, by.By)
	}
	open := h.churn(t, d, soak(400), nil)
	h.agree(t, "while counting")

	dir := h.dir
	h.Close()
	open = h.churn(t, d, soak(200), open)
	var err error
	if h.Kernel, err = Open(dir, true); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	if err := h.LoadPrograms(); err != nil {
		t.Fatal(err)
	}
	if err := h.Take(); err != nil {
		t.Fatal(err)
	}
	h.agree(t, "after a time without an engine")

	if err := h.endCensus(); err != nil {
		t.Fatal(err)
	}
	open = h.churn(t, d, soak(200), open)
	if err := h.CountSockets(); err != nil {
		t.Fatal(err)
	}
	h.agree(t, "after a time without a census")

	for _, c := range open {
		end(c, d.IntN(4))
	}
	h.agree(t, "with no connection left")
}
