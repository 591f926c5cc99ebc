package datapath

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"hairpin/engine/packet"
	"hairpin/engine/spec"
)

// settleSpec has one VIP of each kind that a change of rings treats differently.
const settleSpec = `
version: 1
nics: {eth0: {xdp: [balancer]}}
vips:
  - {name: web,  addresses: [10.99.0.1, "fd00:99::1"], port: 80, protocol: tcp, ring: 251, backends: [{address: 10.1.1.1}, {address: 10.1.1.2}, {address: 10.1.1.3}]}
  - {name: game, addresses: [10.99.0.1], port: 7, protocol: udp, ring: 251, flow: sticky, backends: [{address: 10.1.1.1}, {address: 10.1.1.2}, {address: 10.1.1.3}]}
  - {name: dns,  addresses: [10.99.0.1], port: 53, protocol: udp, ring: 251, flow: none, backends: [{address: 10.1.1.1}, {address: 10.1.1.2}, {address: 10.1.1.3}]}
`

// client is one end of a flow to a VIP.
type client struct {
	n    *node
	vip  string
	src  netip.AddrPort
	next uint32 // TCP sequence number
}

// clients are count flows to a VIP, from addresses and ports of their own; every third one of web's speaks IPv6.
func (n *node) clients(vip string, count int) []*client {
	list := make([]*client, count)
	for i := range list {
		src := netip.AddrFrom4([4]byte{198, 51, byte(100 + i>>8), byte(i)})
		if vip == "web" && i%3 == 2 {
			src = netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 14: byte(i >> 8), 15: byte(i)})
		}
		list[i] = &client{n: n, vip: vip, src: netip.AddrPortFrom(src, uint16(20000+7*i)), next: uint32(i) * 0x9e3779b9}
	}
	return list
}

// frame is a packet of the client: TCP with these flags, or UDP.
func (c *client) frame(flags string, seq uint32) []byte {
	var ip, l4 packet.Layer = ip4{Src: c.src.Addr()}, udp{Src: packet.Is(c.src.Port()), Dst: map[string]packet.Field{"game": 7, "dns": 53}[c.vip]}
	if c.src.Addr().Is6() {
		ip = ip6{Src: c.src.Addr()}
	}
	if c.vip == "web" {
		l4 = tcp{Src: packet.Is(c.src.Port()), Flags: flags, Seq: seq}
	}
	return frame(ip, l4, fill(4))
}

// send sends a packet and returns the backend that got it; the zero Addr when none did.
func (c *client) send(t testing.TB, flags string) netip.Addr {
	t.Helper()
	b := c.n.deliver(t, c.frame(flags, c.next))
	if flags == "S" {
		c.next++
	}
	return b
}

// connect sends a SYN and the ACK that confirms it, which must reach one backend.
func (c *client) connect(t testing.TB) netip.Addr {
	t.Helper()
	first, second := c.send(t, "S"), c.send(t, "A")
	if first != second || !first.IsValid() {
		t.Fatalf("%v: the SYN went to %v, the ACK to %v", c, first, second)
	}
	return first
}

func (c *client) String() string { return fmt.Sprintf("flow %s to %s", c.src, c.vip) }

// ring is where the ring of the running spec leads.
func (c *client) ring(t testing.TB) netip.Addr {
	t.Helper()
	return c.n.ringChoice(t, c.vip, c.frame("A", 0))
}

// deliver sends a frame into eth0 and returns the backend that got it.
func (n *node) deliver(t testing.TB, in []byte) netip.Addr {
	t.Helper()
	verdict, out := n.run(t, n.chain(t, "eth0", XDP), in, 0)
	if verdict != xdpTX {
		return netip.Addr{}
	}
	s, err := packet.Parse(out)
	if err != nil {
		t.Fatal(err)
	}
	return s.Dst
}

// stay demands that every client's next packet goes where it was.
func stay(t testing.TB, when string, homes map[*client]netip.Addr) {
	t.Helper()
	moved := 0
	for c, home := range homes {
		if got := c.send(t, "PA"); got != home {
			if moved++; moved < 4 {
				t.Errorf("%s: %v went to %v, was at %v", when, c, got, home)
			}
		}
	}
	if moved > 0 {
		t.Errorf("%s: %d of %d flows moved", when, moved, len(homes))
	}
}

// connected are these clients after their handshakes, and where they are.
func connected(t testing.TB, list []*client) map[*client]netip.Addr {
	t.Helper()
	homes := map[*client]netip.Addr{}
	for _, c := range list {
		homes[c] = c.connect(t)
	}
	return homes
}

// edit applies a change of the running spec.
func (n *node) edit(t testing.TB, deadline time.Duration, change func(*spec.Spec) (*spec.Spec, error)) {
	t.Helper()
	s, err := change(n.spec)
	if err != nil {
		t.Fatal(err)
	}
	n.apply(t, s, deadline)
}

func (n *node) setState(t testing.TB, vip, backend string, state spec.State) {
	t.Helper()
	n.edit(t, 0, func(s *spec.Spec) (*spec.Spec, error) { return spec.SetState(s, vip, addr(backend), state) })
}

func (n *node) setWeight(t testing.TB, vip, backend string, weight uint32) {
	t.Helper()
	n.edit(t, 0, func(s *spec.Spec) (*spec.Spec, error) { return spec.SetWeight(s, vip, addr(backend), weight) })
}

func (n *node) add(t testing.TB, vip, backend string) {
	t.Helper()
	n.edit(t, 0, func(s *spec.Spec) (*spec.Spec, error) {
		return spec.AddBackend(s, vip, spec.Backend{Address: addr(backend), Weight: spec.DefaultWeight})
	})
}

func (n *node) remove(t testing.TB, vip, backend string) {
	t.Helper()
	n.edit(t, 0, func(s *spec.Spec) (*spec.Spec, error) { return spec.RemoveBackend(s, vip, addr(backend)) })
}

// moved are those of the clients whose slot the change of the ring moves to another backend.
func moved(t testing.TB, list []*client, change func()) (these []*client, old map[*client]netip.Addr) {
	t.Helper()
	old = map[*client]netip.Addr{}
	for _, c := range list {
		old[c] = c.ring(t)
	}
	change()
	for _, c := range list {
		if c.ring(t) != old[c] {
			these = append(these, c)
		} else {
			delete(old, c)
		}
	}
	if len(these) < 5 {
		t.Fatalf("only %d of %d flows are on moved slots", len(these), len(list))
	}
	return these, old
}

// entries is how many entries of the connection table are in use.
func (n *node) entries() (used int) {
	for i := range n.connections.all {
		for _, e := range n.connections.all[i] {
			if e != 0 {
				used++
			}
		}
	}
	return used
}

// age makes every entry of the connection table that many ticks older.
func (n *node) age(ticks uint64) {
	for i := range n.connections.all {
		for j, e := range n.connections.all[i] {
			if e != 0 {
				born := (e>>entryAgeShift - ticks) & entryAgeMask
				n.connections.all[i][j] = e&^(entryAgeMask<<entryAgeShift) | born<<entryAgeShift
			}
		}
	}
}
