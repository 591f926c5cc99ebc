package engine

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// servers answer the checks of many backends, all on this node, while they are up.
type servers struct {
	conn *net.UDPConn
	down [flappers]atomic.Bool
}

const (
	flappers    = 1000
	flapperPort = 9000
)

// flapper is the address of a backend.
func flapper(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, 2, byte(i / 250), byte(1 + i%250)})
}

func newServers(t *testing.T) *servers {
	t.Helper()
	lo := nic(t, "lo")
	if err := netlink.LinkSetUp(lo); err != nil {
		t.Fatal(err)
	}
	_, all, _ := net.ParseCIDR("10.2.0.0/16")
	if err := netlink.RouteAdd(&netlink.Route{LinkIndex: lo.Attrs().Index, Dst: all, Type: unix.RTN_LOCAL, Scope: unix.RT_SCOPE_HOST, Table: unix.RT_TABLE_LOCAL}); err != nil {
		t.Fatal(err)
	}
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{Port: flapperPort})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	s := &servers{conn: conn}
	raw, err := conn.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_PKTINFO, 1) })
	}
	if err != nil {
		t.Fatal(err)
	}
	go s.answer()
	return s
}

func (s *servers) answer() {
	for question, control := make([]byte, 100), make([]byte, 100); ; {
		n, k, _, from, err := s.conn.ReadMsgUDPAddrPort(question, control)
		if err != nil {
			return
		}
		messages, err := unix.ParseSocketControlMessage(control[:k])
		if err != nil || len(messages) != 1 {
			continue
		}
		to := [4]byte(messages[0].Data[8:12]) // ifindex, spec_dst, addr
		if i := int(to[2])*250 + int(to[3]) - 1; i < flappers && !s.down[i].Load() {
			_, _, _ = s.conn.WriteMsgUDPAddrPort(question[:n], unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: to}), from)
		}
	}
}

// flappingSpec has half of the backends in one VIP, and the others in fifty.
func flappingSpec() string {
	const others = 50
	var b strings.Builder
	b.WriteString("version: 1\nnics: {eth0: {xdp: [balancer]}}\nvips:\n")
	add := func(name, vip string, ring, from, to int) {
		fmt.Fprintf(&b, "  - {name: %s, addresses: [%s], port: 80, protocol: tcp, ring: %d, health: {watermark: 0, damping: 0s}, checks: [{kind: udp, to: backend, port: %d, "+
			"interval: 500ms, timeout: 400ms, rise: 1, fall: 2, send: up, expect: up}], backends: [", name, vip, ring, flapperPort)
		for i := from; i < to; i++ {
			fmt.Fprintf(&b, "{address: %s},", flapper(i))
		}
		b.WriteString("]}\n")
	}
	add("web", "10.99.0.1", 16381, 0, flappers/2)
	for i := range others {
		from := flappers/2 + i*flappers/2/others
		add(fmt.Sprintf("web%d", i), fmt.Sprintf("10.99.1.%d", 1+i), 251, from, from+flappers/2/others)
	}
	return b.String()
}

// TestFlapping: while 1,000 backends go up and down at random, the node answers, and when they rest, rings are what the checks say,
// with the ids that there were.
func TestFlapping(t *testing.T) {
	t.Parallel()
	const seed, pause = 3, 50 * time.Millisecond
	turns := 60
	if os.Getenv("HAIRPIN_SOAK") != "" {
		turns *= 50
	}
	p, r := privateNode(t), rand.New(rand.NewPCG(seed, 0))
	s := newServers(t)
	o := running(t, p)
	mustApply(t, o, parse(t, flappingSpec()), 0)
	converged := func(what string) {
		t.Helper()
		began := time.Now()
		until(t, o, what, func(st *State) bool { return s.shown(st) })
		t.Logf("%s: after %v", what, time.Since(began).Round(time.Millisecond))
	}
	converged("all are up")
	ids := 0
	inside(t, o, func() { ids = len(o.kernel.IDs()) })
	slowest, busy := time.Duration(0), processTime(t)
	began := time.Now()
	for range turns {
		for range 1 + r.IntN(60) {
			d := &s.down[r.IntN(flappers)]
			d.Store(!d.Load())
		}
		time.Sleep(pause)
		asked := time.Now()
		inside(t, o, func() {})
		slowest = max(slowest, time.Since(asked))
	}
	t.Logf("%.2f CPUs for checks, answers and rings, the loop was taken for %v at most", float64(processTime(t)-busy)/float64(time.Since(began)), slowest)
	converged("rings are what checks say")
	for i := range s.down {
		s.down[i].Store(false)
	}
	converged("all are up again")
	inside(t, o, func() {
		if now := len(o.kernel.IDs()); now != ids || now != flappers {
			t.Errorf("%d ids, %d before, of %d backends", now, ids, flappers)
		}
	})
	for _, e := range o.State().Events {
		if e.Severity == "crit" && e.Who == "health" && !strings.Contains(e.What+strings.Join(e.Detail, " "), "has lost its quorum") {
			t.Errorf("%s: %s %v", e.Who, e.What, e.Detail)
		}
	}
}

// shown tells whether a State has every backend as it is, and in the ring just when it is up.
func (s *servers) shown(st *State) bool {
	seen := 0
	for _, v := range st.VIPs {
		for _, b := range v.Backends {
			a := b.Address.As4()
			down := s.down[int(a[2])*250+int(a[3])-1].Load()
			if b.Out != down || (b.Share > 0) == down || b.Health != map[bool]string{true: "down", false: "up"}[down] {
				return false
			}
			seen++
		}
	}
	return seen == flappers
}

// processTime is the CPU time of this process.
func processTime(t *testing.T) time.Duration {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
