package datapath

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"hairpin/engine/packet"
	"hairpin/engine/reason"
)

// rateSpec limits one VIP in every way, and another not at all.
const rateSpec = `
version: 1
stages:
  vip:     {kind: ratelimit, limits: [{rate: 1, per: vip, vip: web}]}
  reset:   {kind: ratelimit, limits: [{rate: 1, per: vip, vip: web}], action: reset}
  nic:     {kind: ratelimit, rate: 1}
  pass:    {kind: firewall, rules: [{name: friends, match: src net 192.0.2.0/24, action: pass}]}
nics:
  eth0: {xdp: [pass, vip, balancer], tcx_ingress: [nic], tcx_egress: [vip]}
  eth1: {xdp: [reset, balancer]}
  eth2: {xdp: [{stage: vip, shadow: true}, balancer]}
  eth3: {xdp: [{stage: vip, disabled: true}, balancer]}
vips:
  - {name: web,   addresses: [10.99.0.1, "fd00:99::1"], port: 80, protocol: tcp, ring: 251, backends: [{address: 10.1.1.11}]}
  - {name: other, addresses: [10.99.0.1, "fd00:99::1"], port: 81, protocol: tcp, ring: 251, backends: [{address: 10.1.1.11}]}
  - {name: echo,  addresses: [10.99.0.1, "fd00:99::1"], port: 7, protocol: udp, ring: 251, backends: [{address: 10.1.1.11}]}
`

// newRates is a node with all windows full: their stamps lie in the future.
func newRates(t *testing.T) *node {
	t.Helper()
	k := newKernel(t)
	addNIC(t, "eth2", 1600)
	addNIC(t, "eth3", 1600)
	n := &node{Kernel: k, roots: map[int]*ebpf.Program{}}
	n.apply(t, parse(t, rateSpec), 0)
	n.fillWindows()
	return n
}

func (n *node) fillWindows() {
	for i := range n.windows.all {
		for j := range n.windows.all[i].Stamp {
			n.windows.all[i].Stamp[j] = Monotonic() + uint64(time.Hour)
		}
	}
}

// limited are packets that find a full window.
var limited = []row{
	{"a syn", frame(ip4{}, syn), dropped("rate_limited", "web")},
	{"a syn over v6", frame(ip6{}, syn), dropped("rate_limited", "web")},
	{"a syn with ip options", frame(ip4{Options: []byte{7, 7, 4, 0, 0, 0, 0}}, syn), dropped("rate_limited", "web")},
	{"a syn with a vlan tag", frame(vlan{}, ip4{}, syn), dropped("rate_limited", "web")},
	{"a syn with two vlan tags, over v6", frame(vlan{TPID: packet.TypeQinQ}, vlan{}, ip6{}, syn), dropped("rate_limited", "web")},
	{"a syn with tcp options and data", frame(ip4{}, tcp{Flags: "S", Options: []byte{2, 4, 5, 180, 34, 2, 1, 1}}, fill(100)), dropped("rate_limited", "web")},
	{"a syn with ece and cwr", frame(ip4{}, tcp{Flags: "SEC"}), dropped("rate_limited", "web")},
	{"a syn with psh and urg", frame(ip6{}, tcp{Flags: "SPU"}), dropped("rate_limited", "web")},
}

// unlimited are packets that begin no connection, or none that is limited.
var unlimited = []row{
	{"a syn for a vip without a limit", frame(ip4{}, tcp{Dst: 81, Flags: "S"}), sent("other", gue)},
	{"a syn with ack", frame(ip4{}, tcp{Flags: "SA"}), sent("web", gue)},
	{"an ack", frame(ip4{}, tcp{Flags: "A"}), sent("web", gue)},
	{"a fin", frame(ip6{}, tcp{Flags: "FA"}), sent("web", gue)},
	{"a reset", frame(ip4{}, tcp{Flags: "R"}), sent("web", gue)},
	{"no flags at all", frame(ip4{}, tcp{}), sent("web", gue)},
	{"udp", frame(ip6{}, udp{}, fill(3)), sent("echo", gue)},
	{"a syn for no vip", frame(elsewhere4, syn), passed("no_vip")},
	{"arp", frame(packet.ARP{}), passed("not_ip")},
	{"a vlan tag and a vip without a limit", frame(vlan{}, ip4{}, tcp{Dst: 81, Flags: "S"}), sent("other", gue)},
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	n := newRates(t)
	for _, r := range limited {
		t.Run(r.sentence, func(t *testing.T) {
			n.judge(t, n.chain(t, "eth0", XDP), r, "rate_limited", "vip", false)
			n.judge(t, n.chain(t, "eth0", TCXEgress), r, "rate_limited", "vip", false)
			n.judge(t, n.chain(t, "eth0", TCXIngress), r, "rate_limited", "nic", false)
		})
	}
	for _, r := range unlimited {
		t.Run(r.sentence, func(t *testing.T) { n.judge(t, n.chain(t, "eth0", XDP), r, r.want.reason, "", false) })
	}
	for _, r := range limited[:3] {
		t.Run("in shadow, "+r.sentence, func(t *testing.T) {
			n.judge(t, n.chain(t, "eth2", XDP), r, "redirected", "vip", true)
		})
		t.Run("disabled, "+r.sentence, func(t *testing.T) { n.judge(t, n.chain(t, "eth3", XDP), r, "redirected", "", false) })
	}
	friend := row{"a syn that a firewall passes", frame(ip4{Src: addr("192.0.2.7")}, syn), sent("web", gue)}
	t.Run(friend.sentence, func(t *testing.T) { n.judge(t, n.chain(t, "eth0", XDP), friend, "forwarded", "", false) })
}

// judge sends the packet of a row, compares the reason it leaves with, and looks whether the named stage refused it.
func (n *node) judge(t *testing.T, chain int, r row, want, stage string, shadow bool) {
	t.Helper()
	before := n.ledger(t)
	verdict, _ := n.run(t, chain, r.in, 0)
	moved := n.ledger(t).since(before)
	why, _ := reason.ByName(want)
	v := verdictOf(n.chains.all[chain].Hook, why.Verdict)
	if want == "redirected" {
		v = xdpRedirect
	}
	if verdict != v {
		t.Errorf("verdict %d, want %d", int32(verdict), int32(v))
	}
	if !strings.Contains(moved, " "+want+" 1/") {
		t.Errorf("counted %s; want %s", moved, want)
	}
	refused := strings.Contains(moved, "\" rate_limited")
	if refused != (stage != "") || refused && shadow != strings.Contains(moved, "in shadow") {
		t.Errorf("counted %s; refused by a stage: want %v, in shadow: %v", moved, stage != "", shadow)
	}
}

// TestRateLimitReset: what is refused is answered the way it came, and only SYNs are.
func TestRateLimitReset(t *testing.T) {
	t.Parallel()
	n := newRates(t)
	chain := n.chain(t, "eth1", XDP)
	for _, r := range limited {
		t.Run(r.sentence, func(t *testing.T) {
			verdict, out := n.run(t, chain, r.in, 0)
			if verdict != xdpTX {
				t.Fatalf("verdict %d, want %d", verdict, xdpTX)
			}
			if diff := packet.Diff(out, resetOf(t, r.in)); diff != "" {
				t.Error(diff)
			}
			answer, err := packet.Parse(out)
			if err != nil {
				t.Fatal(err)
			}
			if err := answer.Check(); err != nil {
				t.Error(err)
			}
		})
	}
	if got := n.ledger(t)["chain "+string('0'+byte(chain))+" rate_limited"].Packets; got != uint64(len(limited)) {
		t.Errorf("%d packets left as rate_limited, want %d", got, len(limited))
	}
	flood := 0
	for range 2000 {
		if verdict, _ := n.run(t, chain, limited[0].in, 0); verdict == xdpTX {
			flood++
		}
	}
	if flood == 0 {
		t.Error("no SYN of a flood was answered")
	}
}

// resetOf is the answer to the SYN of a frame, built without the kernel.
func resetOf(t *testing.T, in []byte) []byte {
	t.Helper()
	s, src, dst := flow(t, in)
	l2 := slices.Clone(in[:s.NetworkAt])
	copy(l2[0:6], in[6:12])
	copy(l2[6:12], in[0:6])
	header := 20
	if s.Version == 4 {
		header = int(in[s.NetworkAt]&0xf) * 4
	} else {
		header = 40
	}
	seq := binary.BigEndian.Uint32(in[s.NetworkAt+header+4:])
	answer := tcp{Src: packet.Is(dst.Port()), Dst: packet.Is(src.Port()), Flags: "RA", Ack: seq + 1, Window: packet.Zero}
	var l3 packet.Layer = ip4{Src: dst.Addr(), Dst: src.Addr(), DF: true, TTL: 64}
	if s.Version == 6 {
		l3 = ip6{Src: dst.Addr(), Dst: src.Addr(), TTL: 64}
	}
	return append(l2, build(l3, answer)...)
}

// TestRateLimitDry: a dry packet is judged as a real one, and changes nothing.
func TestRateLimitDry(t *testing.T) {
	t.Parallel()
	n := newNode(t, `
version: 1
stages:
  limits: {kind: ratelimit, limits: [{rate: 1, per: vip}, {rate: 1, per: source}]}
nics: {eth0: {xdp: [limits, balancer]}}
vips:
  - {name: web, addresses: [10.99.0.1], port: 80, protocol: tcp, ring: 251, backends: [{address: 10.1.1.11}]}
`)
	dry := func(want string) {
		t.Helper()
		before := n.ledger(t)
		result, err := n.Dry(int(n.Control().Active), 0, frame(ip4{}, syn))
		if err != nil {
			t.Fatal(err)
		}
		if got := reasonName(int(result.Note.Reason)); got != want {
			t.Errorf("a dry packet leaves as %s, want %s", got, want)
		}
		if moved := n.ledger(t).since(before); moved != "" {
			t.Errorf("a dry packet counted %s", moved)
		}
	}
	for range 5 {
		dry("forwarded")
	}
	n.fillWindows()
	dry("rate_limited")
}

// TestRateLimitSources: sources are told apart by prefix, family and VIP. The packets come within a second, or the test
// begins anew with sources of its own.
func TestRateLimitSources(t *testing.T) {
	t.Parallel()
	n := newNode(t, `
version: 1
stages:
  wide:   {kind: ratelimit, limits: [{rate: 3, per: source, prefix: 24, prefix6: 56}]}
  narrow: {kind: ratelimit, limits: [{rate: 2, per: source_vip}, {rate: 1, per: source_vip, vip: other}]}
nics: {eth0: {xdp: [wide, balancer]}, eth1: {xdp: [narrow, balancer]}}
vips:
  - {name: web,   addresses: [10.99.0.1, "fd00:99::1"], port: 80, protocol: tcp, ring: 251, backends: [{address: 10.1.1.11}]}
  - {name: other, addresses: [10.99.0.1, "fd00:99::1"], port: 81, protocol: tcp, ring: 251, backends: [{address: 10.1.1.11}]}
`)
	const tries = 30
	for i, row := range []struct {
		sentence, nic string
		from          []netip.Addr
		port          uint16
		pass          int // of those
	}{
		{"a /24 shares one limit", "eth0", addrs("10.%d.1.1", "10.%d.1.2", "10.%d.1.3", "10.%d.1.254"), 80, 3},
		{"another /24 does not", "eth0", addrs("10.%d.1.1", "10.%d.1.2", "10.%d.1.3", "10.%d.2.1"), 80, 4},
		{"a /56 shares one limit", "eth0", addrs("2001:db8:%d:100::1", "2001:db8:%d:1ff::2", "2001:db8:%d:110::3", "2001:db8:%d:1f0::4"), 80, 3},
		{"another /56 does not", "eth0", addrs("2001:db8:%d:100::1", "2001:db8:%d:1ff::2", "2001:db8:%d:110::3", "2001:db8:%d:200::4"), 80, 4},
		{"by default an address", "eth1", addrs("10.%d.1.1", "10.%d.1.1", "10.%d.1.1", "10.%d.1.2"), 80, 3},
		{"by default a /64", "eth1", addrs("2001:db8:%d:100::1", "2001:db8:%d:100::2", "2001:db8:%d:100:ffff::2", "2001:db8:%d:101::2"), 80, 3},
		{"a vip of its own rate", "eth1", addrs("10.%d.1.1", "10.%d.1.1", "10.%d.1.2"), 81, 2},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			chain := n.chain(t, row.nic, XDP)
			for try := 0; ; try++ {
				began, pass := time.Now(), 0
				for _, from := range row.from {
					from = retry(from, i*tries+try)
					before := n.ledger(t)
					var l3 packet.Layer = ip4{Src: from}
					if from.Is6() {
						l3 = ip6{Src: from}
					}
					n.run(t, chain, frame(l3, tcp{Dst: packet.Is(row.port), Flags: "S"}), 0)
					if !strings.Contains(n.ledger(t).since(before), "source_rate_limited") {
						pass++
					}
				}
				if pass == row.pass {
					return
				}
				if time.Since(began) < time.Second || try == tries-1 {
					t.Fatalf("%d of %d connections passed, want %d", pass, len(row.from), row.pass)
				}
			}
		})
	}
}

// addrs are addresses in whose place %d stands a number that retry changes.
func addrs(list ...string) []netip.Addr {
	all := make([]netip.Addr, len(list))
	for i, s := range list {
		all[i] = addr(strings.ReplaceAll(s, "%d", "0"))
	}
	return all
}

func retry(a netip.Addr, try int) netip.Addr {
	b := a.AsSlice()
	if a.Is4() {
		b[1] = byte(try)
	} else {
		b[5] = byte(try)
	}
	changed, _ := netip.AddrFromSlice(b)
	return changed
}
