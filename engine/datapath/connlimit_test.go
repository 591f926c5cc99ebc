package datapath

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"hairpin/engine/packet"
	"hairpin/engine/reason"
	"hairpin/engine/spec"
)

// limitedSpec limits by what the test writes into the seats.
const limitedSpec = `
version: 1
stages:
  connlimit:
    source: sockets
    limits: [{max: 1000}, {max: 100, per: vip, vip: web}, {max: 10, per: source}, {max: 8, per: source_vip, prefix: 24, prefix6: 48}]
  watching: {kind: connlimit, source: sockets, max: 1}
  firewall: {rules: [{name: friends, match: src net 198.51.100.0/24, action: pass}]}
nics:
  eth0: {xdp: [connlimit, balancer], tcx_ingress: [connlimit]}
  eth1: {xdp: [{stage: watching, shadow: true}, balancer], tcx_ingress: [firewall, connlimit]}
vips:
  - {name: web, addresses: [10.99.0.1, "fd00:99::1"], port: 80, protocol: tcp, ring: 251, backends: [{address: 10.1.1.11}]}
  - {name: api, addresses: [10.99.0.1, "fd00:99::1"], port: 81, protocol: tcp, ring: 251, backends: [{address: 10.1.1.11}]}
`

// forgetSeats makes every count zero.
func (n *node) forgetSeats() {
	clear(n.seats.raw)
	clear(n.seatSets.raw)
}

// fillSeats lets n connections of all, and of the VIP web, be open.
func (n *node) fillSeats(t testing.TB, all, web uint32) {
	n.forgetSeats()
	n.seats.all[0].Open, n.seats.all[n.vip(t, "web").Num].Open = all, web
}

func TestConnLimitRows(t *testing.T) {
	t.Parallel()
	n := newNode(t, limitedSpec)
	eth0, tc := n.chain(t, "eth0", XDP), n.chain(t, "eth0", TCXIngress)
	api, api6 := tcp{Dst: 81, Flags: "S"}, tcp{Dst: 81, Flags: "SEC"}
	for _, r := range []struct {
		all, web uint32
		chain    int
		row
	}{
		{999, 0, eth0, row{"one place left on the nic", frame(ip4{}, syn), sent("web", gue)}},
		{1000, 0, eth0, row{"none left on the nic", frame(ip4{}, syn), dropped("conn_limited", "web")}},
		{1000, 0, eth0, row{"none left, over v6", frame(ip6{}, syn), dropped("conn_limited", "web")}},
		{1000, 0, eth0, row{"none left, for no vip", frame(ip4{Dst: addr("192.0.2.1")}, syn), dropped("conn_limited", "")}},
		{1000, 0, eth0, row{"none left, ip options", frame(ip4{Options: []byte{1, 1, 1, 1}}, syn), dropped("conn_limited", "web")}},
		{1000, 0, eth0, row{"none left, a vlan tag", frame(vlan{}, ip4{}, syn), dropped("conn_limited", "web")}},
		{1000, 0, eth0, row{"none left, ecn wanted", frame(ip6{}, api6), dropped("conn_limited", "api")}},
		{1000, 0, eth0, row{"none left, an ack", frame(ip4{}, tcp{Flags: "A"}), sent("web", gue)}},
		{1000, 0, eth0, row{"none left, the end of a connection", frame(ip4{}, tcp{Flags: "FA"}), sent("web", gue)}},
		{1000, 0, eth0, row{"none left, a reset", frame(ip6{}, tcp{Flags: "R"}), sent("web", gue)}},
		{1000, 0, eth0, row{"none left, an answer to a syn", frame(ip4{}, tcp{Flags: "SA"}), sent("web", gue)}},
		{1000, 0, eth0, row{"none left, udp", frame(ip4{}, udp{Dst: 80}), passed("no_vip")}},
		{1000, 0, eth0, row{"none left, arp", frame(packet.ARP{}), passed("not_ip")}},
		{100, 99, eth0, row{"one place left for the vip", frame(ip4{}, syn), sent("web", gue)}},
		{100, 100, eth0, row{"none left for the vip", frame(ip4{}, syn), dropped("conn_limited", "web")}},
		{100, 100, eth0, row{"none left for the vip, another vip", frame(ip4{}, api), sent("api", gue)}},
		{100, 100, eth0, row{"none left for the vip, another vip over v6", frame(ip6{}, api), sent("api", gue)}},
		{1000, 0, tc, row{"none left, behind the driver", frame(ip4{}, syn), dropped("conn_limited", "web")}},
		{100, 99, tc, row{"one place left, behind the driver", frame(ip4{}, syn), passed("chain_end")}},
	} {
		t.Run(r.sentence, func(t *testing.T) {
			n.fillSeats(t, r.all, r.web)
			n.check(t, r.chain, r.row, 0)
		})
	}
}

// TestConnLimitShadow: one in shadow mode passes what it counts.
func TestConnLimitShadow(t *testing.T) {
	t.Parallel()
	n := newNode(t, limitedSpec)
	chain := n.chain(t, "eth1", XDP)
	n.fillSeats(t, 1, 0)
	before := n.ledger(t)
	n.run(t, chain, frame(ip4{}, syn), 0)
	got := n.ledger(t).since(before)
	if want := dropLine(chain, 1, "web", "conn_limited", true) + " 1/54"; !slices.Contains(splitLedger(got), want) {
		t.Errorf("counted %s, want %s", got, want)
	}
}

// TestConnLimitExcepts: who is excepted by a rule passes, and is counted.
func TestConnLimitExcepts(t *testing.T) {
	t.Parallel()
	n := newNode(t, limitedSpec)
	n.fillSeats(t, 1000, 0)
	for from, want := range map[string]uint32{"198.51.100.9": tcUnspec, "198.51.101.9": tcShot} {
		in := frame(ip4{Src: addr(from)}, syn)
		if verdict, _ := n.run(t, n.chain(t, "eth1", TCXIngress), in, 0); verdict != want {
			t.Errorf("from %s: verdict %d, want %d", from, int32(verdict), int32(want))
		}
	}
	for _, l := range n.ConnLimits() {
		if l.Chain == n.chain(t, "eth1", TCXIngress) && l.Scope == spec.PerNIC && l.Over.Packets != 2 {
			t.Errorf("%d SYNs were over the limit, want 2", l.Over.Packets)
		}
	}
}

// TestConnLimitSources: each source has its own places, those of one prefix share them, and a refused SYN takes none.
func TestConnLimitSources(t *testing.T) {
	t.Parallel()
	n := newNode(t, limitedSpec)
	chain := n.chain(t, "eth0", XDP)
	send := func(from string, port uint16, count int) (ok int) {
		for range count {
			var ip packet.Layer = ip4{Src: addr(from)}
			if addr(from).Is6() {
				ip = ip6{Src: addr(from)}
			}
			if verdict, _ := n.run(t, chain, frame(ip, tcp{Dst: packet.Is(port), Flags: "S"}), 0); verdict == xdpTX {
				ok++
			}
		}
		return ok
	}
	for _, r := range []struct {
		from  string
		port  uint16
		count int
		want  int
	}{
		{"203.0.113.1", 80, 20, 8},    // of its network, for this VIP
		{"203.0.113.1", 81, 20, 2},    // 10 of the source together
		{"203.0.113.2", 80, 20, 0},    // its network has its 8
		{"203.0.113.2", 81, 20, 6},    // 8 of the network for the other VIP
		{"203.0.114.2", 80, 20, 8},    // another network
		{"2001:db8:1::1", 80, 20, 8},  // of its network of 48 bits
		{"2001:db8:1::2", 81, 5, 2},   // of one network of 64 bits with the one before
		{"2001:db8:1:2::2", 81, 9, 6}, // 8 of the network of 48 bits
		{"2001:db8:2::2", 80, 20, 8},  // another network
		{"203.0.113.1", 80, 1, 0},     // still
	} {
		if got := send(r.from, r.port, r.count); got != r.want {
			t.Errorf("%s to port %d: %d of %d passed, want %d", r.from, r.port, got, r.count, r.want)
		}
	}
	if got, want := pendingNow(n.seats.all[0].Pending), uint32(8+2+6+8+8+2+6+8); got != want {
		t.Errorf("%d places are held, %d SYNs passed", got, want)
	}
	over := map[string]uint64{}
	for _, l := range n.ConnLimits() {
		if l.Chain == chain && l.Source.IsValid() && l.Pending == 10 {
			over[l.Source.String()] = l.Over.Packets
		}
	}
	if want := map[string]uint64{"203.0.113.1/32": 19, "2001:db8:1::/64": 3}; !maps.Equal(over, want) {
		t.Errorf("sources that hold all they may, and what was refused: %v, want %v", over, want)
	}
	n.age16(3)
	if got := send("203.0.113.1", 80, 20); got != 8 {
		t.Errorf("after handshakes came to nothing, %d passed", got)
	}
}

// age16 makes every handshake that many ticks older.
func (n *node) age16(ticks uint64) {
	for i := range n.seats.all {
		if p := n.seats.all[i].Pending; p != 0 {
			n.seats.all[i].Pending = p&(1<<48-1) | (p>>48-ticks)<<48
		}
	}
}

// TestConnLimitOnAllCPUs: SYNs on every CPU at a time take as many places as there are, and never one more.
func TestConnLimitOnAllCPUs(t *testing.T) {
	t.Parallel()
	n := newNode(t, limitedSpec)
	chain := n.chain(t, "eth0", XDP)
	in := frame(ip4{}, tcp{Dst: 81, Flags: "S"})
	limited, _ := reason.ByName("source_conn_limited")
	for round := range 50 {
		n.forgetSeats()
		before := n.exited(chain, int(limited.ID))
		var all sync.WaitGroup
		for range 2 {
			all.Add(1)
			go func() {
				defer all.Done()
				for range 20 {
					if _, err := n.roots[chain].Run(&ebpf.RunOptions{Data: in, Repeat: 1}); err != nil {
						t.Error(err)
					}
				}
			}()
		}
		all.Wait()
		if refused := n.exited(chain, int(limited.ID)) - before; refused != 32 {
			t.Fatalf("round %d: %d of 40 SYNs were refused, there are 8 places", round, refused)
		}
	}
}

func (n *node) exited(chain, reason int) (packets uint64) {
	for i := range n.counters.all {
		packets += n.counters.all[i].Exit[chain][reason].Packets
	}
	return packets
}

// TestConnLimitDry: a dry packet meets the limit and takes no place.
func TestConnLimitDry(t *testing.T) {
	t.Parallel()
	n := newNode(t, limitedSpec)
	for all, want := range map[uint32]string{999: "forwarded", 1000: "conn_limited"} {
		n.fillSeats(t, all, 0)
		seats, sets := slices.Clone(n.seats.raw), slices.Clone(n.seatSets.raw)
		result, err := n.Dry(int(n.Control().Active), n.chain(t, "eth0", XDP), frame(ip4{}, syn))
		if err != nil {
			t.Fatal(err)
		}
		if got := reasonName(int(result.Note.Reason)); got != want {
			t.Errorf("with %d connections, a dry packet leaves as %s, want %s", all, got, want)
		}
		if !slices.Equal(seats, n.seats.raw) || !slices.Equal(sets, n.seatSets.raw) {
			t.Error("a dry packet took a place")
		}
	}
}

// TestConnLimitHoldsUnderFlood: SYNs from everywhere fill what there is for sources that have no connection, and take no
// place from those that have.
func TestConnLimitHoldsUnderFlood(t *testing.T) {
	t.Parallel()
	n := newNode(t, `
version: 1
stages: {connlimit: {source: sockets, limits: [{max: 10, per: source}]}}
nics: {eth0: {xdp: [connlimit, balancer]}}
vips: [{name: web, addresses: [10.99.0.1], port: 80, protocol: tcp, ring: 251, backends: [{address: 10.1.1.11}]}]
`)
	chain := n.chain(t, "eth0", XDP)
	in := frame(ip4{Src: addr("203.0.113.1")}, syn)
	n.run(t, chain, in, 0)
	seat := slices.IndexFunc(n.seats.all[VIPs:], func(s seats) bool { return s.Pending != 0 })
	if seat < 0 {
		t.Fatal("the source has no place")
	}
	n.seats.all[VIPs+seat] = seats{Open: 10}
	began := time.Now()
	n.flooder(t, syn).send(t, soak(150_000))
	t.Logf("flood took %s", time.Since(began))
	if verdict, _ := n.run(t, chain, in, 0); verdict != xdpDrop {
		t.Error("a source with as many connections as it may have got another one")
	}
	if got := netip.AddrFrom4([4]byte(n.seatNames.all[seat].Address[:4])); got != addr("203.0.113.1") || n.seats.all[VIPs+seat].Open != 10 {
		t.Errorf("its place is %s's now", got)
	}
}

func splitLedger(line string) []string { return strings.Split(line, ", ") }

// TestConnLimitReset: a refused connection is answered, once a SYN, by a reset that its sender must take for one.
func TestConnLimitReset(t *testing.T) {
	t.Parallel()
	n := newNode(t, `
version: 1
stages: {connlimit: {source: sockets, max: 5, action: reset}}
nics: {eth0: {xdp: [connlimit, balancer]}}
vips: [{name: web, addresses: [10.99.0.1, "fd00:99::1"], port: 80, protocol: tcp, ring: 251, backends: [{address: 10.1.1.11}]}]
`)
	n.seats.all[0].Open = 5
	for _, in := range [][]byte{frame(ip4{}, tcp{Flags: "S", Seq: 7}), frame(ip6{}, tcp{Flags: "S", Seq: 7})} {
		verdict, out := n.run(t, n.chain(t, "eth0", XDP), in, 0)
		got, err := packet.Parse(out)
		if err != nil {
			t.Fatal(err)
		}
		sent, _ := packet.Parse(in)
		if verdict != xdpTX || got.Dst != sent.Src || got.Src != sent.Dst || got.SrcPort != sent.DstPort || got.Check() != nil {
			t.Errorf("verdict %d, frame %v: %v", verdict, got, got.Check())
		}
	}
}
