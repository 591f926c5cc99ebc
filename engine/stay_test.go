package engine

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hairpin/engine/packet"
	"hairpin/engine/spec"
)

// flow is one connection of a client, and where it went at its beginning.
type flow struct {
	udp     bool
	client  netip.AddrPort
	backend netip.Addr
}

func (f flow) String() string {
	return fmt.Sprintf("%s flow of %s", map[bool]string{false: "tcp", true: "udp"}[f.udp], f.client)
}

func (f flow) frame(flags string, seq uint32) []byte {
	ip := packet.IPv4{Src: f.client.Addr(), Dst: netip.MustParseAddr("10.99.0.1")}
	if f.udp {
		return packet.Build(packet.Eth{}, ip, packet.UDP{Src: packet.Is(f.client.Port()), Dst: packet.Is(5060)}, packet.Fill(20))
	}
	return packet.Build(packet.Eth{}, ip, packet.TCP{Src: packet.Is(f.client.Port()), Dst: packet.Is(80), Seq: seq, Flags: flags})
}

// crowd are clients at the far end of eth0, who see which backend each of their packets is sent to.
type crowd struct {
	*rand.Rand
	fd    int
	flows map[netip.AddrPort]*flow // by client
	begun uint32
	asked int // packets of flows that went on
}

// client is one that was never there before.
func (c *crowd) client() netip.AddrPort {
	const ports = 50_000
	c.begun++
	n := c.begun / ports
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 18, byte(n >> 8), byte(n)}), uint16(10_000+c.begun%ports))
}

func newCrowd(t *testing.T, seed uint64) *crowd {
	t.Helper()
	passOn(t, "eth0peer") // a veth loses what comes by XDP_TX without it
	index := nic(t, "eth0peer").Attrs().Index
	const everything = unix.ETH_P_ALL<<8&0xff00 | unix.ETH_P_ALL>>8
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	for _, err := range []error{
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 16<<20),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 10_000}),
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: everything, Ifindex: index}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return &crowd{Rand: rand.New(rand.NewPCG(seed, 0)), fd: fd, flows: map[netip.AddrPort]*flow{}}
}

// atOnce is how many packets are sent before those that went are read: a quarter of what a veth holds while its CPU is taken.
const atOnce = 64

// ask sends one packet of each flow and returns where they went. What is dropped is not in it.
func (c *crowd) ask(t *testing.T, p Paths, flows []*flow, flags string, seq uint32) map[netip.AddrPort]netip.Addr {
	t.Helper()
	went := map[netip.AddrPort]netip.Addr{}
	for some := range slices.Chunk(flows, atOnce) {
		maps.Copy(went, c.askSome(t, p, some, flags, seq))
	}
	return went
}

func (c *crowd) askSome(t *testing.T, p Paths, flows []*flow, flags string, seq uint32) map[netip.AddrPort]netip.Addr {
	t.Helper()
	before := exits(t, p)
	for _, f := range flows {
		if _, err := unix.Write(c.fd, f.frame(flags, seq)); err != nil {
			t.Fatal(err)
		}
	}
	went := map[netip.AddrPort]netip.Addr{}
	buf := make([]byte, 2048)
	for limit := time.Now().Add(time.Minute); len(went) < len(flows); {
		n, err := unix.Read(c.fd, buf)
		if err != nil {
			now := exits(t, p)
			if len(went)+int(now["no_backend"]-before["no_backend"]) == len(flows) {
				break
			}
			if time.Now().After(limit) {
				t.Fatalf("%d packets sent, %d went to backends; exits before %v, now %v: %v", len(flows), len(went), before, now, err)
			}
			continue
		}
		const outer = 14 + 20 + 8
		if n < outer+20+4 || binary.BigEndian.Uint16(buf[14+20+2:]) != packet.GUEPort {
			continue
		}
		client := netip.AddrPortFrom(netip.AddrFrom4([4]byte(buf[outer+12:])), binary.BigEndian.Uint16(buf[outer+20:]))
		went[client] = netip.AddrFrom4([4]byte(buf[14+16:]))
	}
	return went
}

// begin opens n flows of each kind. A new connection goes to a backend that takes new ones, and stays there.
func (c *crowd) begin(t *testing.T, p Paths, s *spec.Spec, n int) {
	t.Helper()
	for _, udp := range []bool{false, true} {
		fresh := make([]*flow, n)
		for i := range fresh {
			fresh[i] = &flow{udp: udp, client: c.client()}
		}
		first := c.ask(t, p, fresh, "S", 1000)
		second := c.ask(t, p, fresh, "A", 1001)
		for _, f := range fresh {
			to, ok := first[f.client]
			if !ok {
				continue
			}
			if b := s.VIP("web").Backend(to); !udp && (b == nil || !b.TakesNew()) {
				t.Errorf("new %s went to %s, which takes none", f, to)
			}
			if second[f.client] != to {
				t.Errorf("%s began on %s and went on to %s", f, to, second[f.client])
			}
			f.backend = to
			c.flows[f.client] = f
		}
	}
}

// forget drops the flows that s owes nothing: those of backends that serve no more.
func (c *crowd) forget(s *spec.Spec) {
	for client, f := range c.flows {
		v := s.VIP(map[bool]string{false: "web", true: "sip"}[f.udp])
		if b := v.Backend(f.backend); b == nil || b.State == spec.Maintenance || b.State == spec.Down {
			delete(c.flows, client)
		}
	}
}

// goOn checks that every flow is where it was.
func (c *crowd) goOn(t *testing.T, p Paths, what string) {
	t.Helper()
	var all []*flow
	for _, f := range c.flows {
		all = append(all, f)
	}
	c.asked += len(all)
	went := c.ask(t, p, all, "PA", 2000)
	for _, f := range all {
		if went[f.client] != f.backend {
			t.Errorf("%s: %s was on %s and is on %s", what, f, f.backend, went[f.client])
		}
	}
}

// spec is any of many for two VIPs with the same backends. Mostly all of them live.
func (c *crowd) spec(t *testing.T) *spec.Spec {
	t.Helper()
	s := parse(t, `
version: 1
nics: {eth0: {xdp: [balancer]}}
vips:
  - {name: web, addresses: [10.99.0.1], port: 80, protocol: tcp, ring: 251}
  - {name: sip, addresses: [10.99.0.1], port: 5060, protocol: udp, ring: 509}
`)
	for i := range s.VIPs {
		v := &s.VIPs[i]
		if c.IntN(4) == 0 {
			v.Ring = []uint32{251, 509, 1021}[c.IntN(3)]
		}
		for _, n := range c.Perm(len(neighbours)) {
			if c.IntN(8) == 0 {
				continue
			}
			states := []spec.State{spec.Up, spec.Up, spec.Up, spec.Up, spec.Up, spec.Drain, spec.Drain, spec.Maintenance}
			v.Backends = append(v.Backends, spec.Backend{Address: netip.MustParseAddr(neighbours[n]),
				Weight: []uint32{100, 100, 50, 10, 0}[c.IntN(5)], State: states[c.IntN(len(states))]})
		}
	}
	return s
}

// TestConnectionsStay: whatever is changed, taken back or restarted, a connection stays on its backend for as long as that
// serves it.
func TestConnectionsStay(t *testing.T) {
	t.Parallel()
	steps := 100
	if soak() {
		steps = 20_000
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	p := privateNode(t)
	c := newCrowd(t, seed)
	o := running(t, p)
	s := c.spec(t)
	mustForce(t, o, s, 0)
	for step := range steps {
		what := fmt.Sprintf("step %d", step)
		c.begin(t, p, s, 5)
		switch c.IntN(8) {
		case 0:
			o.Close()
			o = running(t, p)
			what += ", a new engine"
		case 1:
			waiting := c.spec(t)
			mustForce(t, o, waiting, time.Minute)
			c.goOn(t, p, what+", a change that waits")
			c.begin(t, p, waiting, 10)
			if c.IntN(2) == 0 {
				s = waiting
				if err := o.Confirm(t.Context(), "test"); err != nil {
					t.Fatal(err)
				}
				break
			}
			inside(t, o, func() {
				if err := o.kernel.Revert(); err != nil {
					t.Error(err)
				}
			})
			if _, err := o.Plan(t.Context(), s); err != nil { // which makes the engine look
				t.Fatal(err)
			}
			what += ", back from it"
		default:
			s = c.spec(t)
			mustForce(t, o, s, 0)
		}
		c.forget(s)
		c.goOn(t, p, what)
		if t.Failed() {
			t.Fatalf("%s, with\n%s", what, spec.Marshal(s))
		}
	}
	if c.asked < 20*steps {
		t.Errorf("%d packets of older flows in %d steps are few", c.asked, steps)
	}
	t.Logf("%d flows, %d packets later than their handshakes", c.begun, c.asked)
	consistent(t, p, o)
}
