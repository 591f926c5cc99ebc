package datapath

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"hairpin/engine/packet"
	"hairpin/engine/plan"
	"hairpin/engine/spec"
)

const tracedSpec = `
version: 1
nics:
  eth0: {xdp: [guard, syns, conns, balancer], tcx_ingress: [late]}
stages:
  guard: {kind: firewall, rules: [{name: friend, match: "src 203.0.113.9", action: pass}, {name: xmas, match: "tcp and flags FPU", action: drop}], drop: {sources: [192.0.2.0/24, "2001:db8:bad::/48"]}}
  syns: {kind: ratelimit, limits: [{rate: 100000, per: nic}, {rate: 50000, per: vip, vip: web}, {rate: 3, per: source, prefix: 24, prefix6: 56}]}
  conns: {kind: connlimit, limits: [{max: 100000, per: nic}, {max: 40, per: source, prefix: 24, prefix6: 56}]}
  late: {kind: firewall, drop: {sources: [198.51.99.0/24]}}
vips:
  - {name: web,  addresses: [10.99.0.1, "fd00:99::1"], port: 80, protocol: tcp, ring: 251, backends: [{address: 10.1.1.1}, {address: 10.1.1.2}, {address: 10.1.1.3}, {address: "fd00:1::4"}]}
  - {name: game, addresses: [10.99.0.1], port: 7, protocol: udp, ring: 251, flow: sticky, encap: ipip, backends: [{address: 10.1.1.1}, {address: 10.1.1.2}, {address: 10.1.7.3}]}
  - {name: dns,  addresses: [10.99.0.1, "fd00:99::1"], port: 53, protocol: udp, ring: 251, flow: none, backends: [{address: 10.1.1.1}, {address: 10.1.8.2}, {address: 10.1.9.3}]}
`

// otherSpec differs from tracedSpec in everything that a plan writes.
const otherSpec = `
version: 1
nics:
  eth0: {xdp: [wall, conns, pace, balancer]}
  eth1: {xdp: [wall, balancer], tcx_ingress: [late]}
stages:
  wall: {kind: firewall, rules: [{name: all, match: "dst 10.99.0.9", action: drop}], drop: {sources: [198.51.0.0/16]}}
  pace: {kind: ratelimit, limits: [{rate: 1, per: source_vip, vip: web, prefix: 32, prefix6: 64}, {rate: 9, per: vip, vip: mail}]}
  conns: {kind: connlimit, limits: [{max: 1, per: source, prefix: 16, prefix6: 32}, {max: 7, per: vip}]}
  late: {kind: firewall, drop: {sources: [198.51.99.0/24]}}
vips:
  - {name: web,  addresses: [10.99.0.1], port: 80, protocol: tcp, ring: 1021, backends: [{address: 10.1.1.1}, {address: 10.1.1.2, state: drain}, {address: 10.1.1.9}]}
  - {name: game, addresses: [10.99.0.1], port: 7, protocol: udp, ring: 251, flow: sticky, settle: 1m, backends: [{address: 10.1.1.1, weight: 1}, {address: 10.1.1.2}]}
  - {name: mail, addresses: [10.99.0.9], port: 25, protocol: tcp, ring: 251, backends: [{address: 10.1.1.5}]}
`

// everything is the bytes of every map there is, but for what dry runs write.
func (n *node) everything(t testing.TB) map[string][]byte {
	t.Helper()
	all := map[string][]byte{"events": n.produced(t)}
	for name, m := range n.maps {
		switch {
		case name == "trail" || name == "scratch_dry" || name == "entry_dry" || name == "rows_dry":
		case m.Type() == ebpf.RingBuf:
		case m.Type() == ebpf.Hash:
			t.Logf("map %s is not compared", name)
		case m.Type() == ebpf.ProgramArray || m.Type() == ebpf.ArrayOfMaps:
			value := make([]byte, m.ValueSize())
			for at := range m.MaxEntries() {
				if m.Lookup(at, &value) == nil { // where there was nothing more room may be made
					all[fmt.Sprint(name, " ", at)] = bytes.Clone(value)
				}
			}
		case m.Type() == ebpf.PerCPUArray:
			var perCPU [][]byte
			if err := m.Lookup(uint32(0), &perCPU); err != nil {
				t.Fatal(err)
			}
			all[name] = bytes.Join(perCPU, nil)
		default:
			all[name] = whole(t, name, m)
		}
	}
	return all
}

// whole is all elements of an array.
func whole(t testing.TB, name string, m *ebpf.Map) []byte {
	t.Helper()
	if m.Type() != ebpf.Array {
		t.Fatalf("map %s is a %s: this test does not know how to read it", name, m.Type())
	}
	if memory, err := mapMemory[uint64](m, false); err == nil {
		defer memory.unmap()
		return bytes.Clone(memory.raw)
	}
	raw, err := m.Memory()
	if err == nil {
		b := make([]byte, raw.Size())
		if _, err = raw.ReadAt(b, 0); err == nil {
			return b
		}
	}
	var b []byte
	value := make([]byte, m.ValueSize())
	for at := range m.MaxEntries() {
		if err := m.Lookup(at, &value); err != nil {
			t.Fatalf("map %s: %v", name, err)
		}
		b = append(binary.LittleEndian.AppendUint32(b, at), value...)
	}
	return b
}

// rested waits until the active generation is the only one: others are forgotten a second after they were left.
func (n *node) rested(t testing.TB) {
	t.Helper()
	for limit := time.Now().Add(time.Minute); len(n.liveTables()) > 1; time.Sleep(10 * time.Millisecond) {
		if n.Retire(); time.Now().After(limit) {
			t.Fatal("generations that were left are not forgotten")
		}
	}
}

// TestAsideLeavesNothing writes a spec beside what runs that differs from it in everything, asks it, and finds every map as
// it was, byte for byte: also while VIPs settle, and when the same is done again.
func TestAsideLeavesNothing(t *testing.T) {
	t.Parallel()
	n := newNode(t, tracedSpec)
	n.add(t, "web", "10.1.1.5")
	n.add(t, "game", "10.1.1.5")
	for _, c := range n.clients("web", 60) {
		n.deliver(t, c.frame("S", 1))
	}
	other := parse(t, otherSpec)
	ask := func() (reasons map[string]int) {
		world, err := n.World(n.spec)
		if err != nil {
			t.Fatal(err)
		}
		p, err := plan.Compute(world, other)
		if err != nil {
			t.Fatal(err)
		}
		reasons = map[string]int{}
		err = n.Aside(p, func(generation int) error {
			for _, b := range n.Unreached() {
				n.SetNextHop(b.ID, reach(b.Address))
			}
			if names := n.NamesOf(generation, other); len(names) != 3 {
				t.Errorf("its VIPs are %v", names)
			}
			for _, nic := range []string{"eth0", "eth1"} {
				for _, in := range [][]byte{
					frame(ip4{Src: addr("203.0.113.9")}, syn), frame(ip4{Src: addr("198.51.7.7")}, syn),
					frame(ip4{Src: addr("203.0.113.9"), Dst: addr("10.99.0.9")}, tcp{Dst: 25, Flags: "S"}),
					frame(ip4{Src: addr("203.0.113.7")}, udp{Dst: 7}, fill(4)), frame(ip6{}, syn),
				} {
					result, err := n.Dry(generation, n.chain(t, nic, XDP), in)
					if err != nil {
						t.Fatal(err)
					}
					reasons[reasonName(int(result.Note.Reason))]++
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return reasons
	}
	n.rested(t)
	before := n.everything(t)
	first := ask()
	unchanged(t, before, n.everything(t))
	want := fmt.Sprint(first)
	for range 3 {
		if got := fmt.Sprint(ask()); got != want {
			t.Errorf("asked again it answers %s, first %s", got, want)
		}
	}
	for _, reason := range []string{"forwarded", "firewall_source", "firewall_rule", "no_vip", "redirected"} {
		if first[reason] == 0 {
			t.Errorf("no packet left with reason %s: %s", reason, want)
		}
	}
	unchanged(t, before, n.everything(t))
	for _, c := range n.clients("web", 60) { // and what runs goes on
		n.dryEqualsReal(t, n.chain(t, "eth0", XDP), c.frame("A", 2))
	}
	n.edit(t, 0, func(*spec.Spec) (*spec.Spec, error) { return other, nil })
	if got := n.deliver(t, frame(ip4{Src: addr("203.0.113.9"), Dst: addr("10.99.0.9")}, packet.TCP{Dst: 25, Flags: "S"})); got != netip.Addr(addr("10.1.1.5")) && got.IsValid() {
		t.Errorf("applied for real it sends mail to %v", got)
	}
}
