package datapath

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"hairpin/engine/packet"
	"hairpin/engine/spec"
)

// chainsSpec has two firewalls, of which wall drops 192.0.2.7 and open nothing that is sent, on two NICs with the same chain.
// A packet that is forwarded shows the number in the port of its encapsulation. The backends of near are reached by eth0,
// those of far by eth1.
func chainsSpec(t testing.TB, chain string, number int) *spec.Spec {
	t.Helper()
	return parse(t, fmt.Sprintf(`
version: 1
stages:
  wall: {kind: firewall, drop: {sources: [192.0.2.7]}}
  open: {kind: firewall, drop: {sources: [203.0.113.1]}}
nics: {eth0: {xdp: [%[1]s]}, eth1: {xdp: [%[1]s]}}
vips:
  - {name: near, addresses: [10.99.0.1], port: 53, protocol: udp, ring: 251, flow: none, encap_port: %[2]d, backends: [{address: 10.1.1.11}]}
  - {name: far,  addresses: [10.99.0.2], port: 53, protocol: udp, ring: 251, flow: none, encap_port: %[2]d, backends: [{address: 10.1.9.11}]}
`, chain, 10000+number))
}

// Chains in which wall drops, and chains in which it does not.
var (
	walledChains = []string{"wall, balancer", "wall, open, balancer", "open, wall, balancer", "wall, {stage: open, shadow: true}, balancer",
		"{stage: open, disabled: true}, wall, balancer"}
	openChains = []string{"balancer", "open, balancer", "{stage: wall, disabled: true}, balancer", "{stage: wall, shadow: true}, open, balancer",
		"open, {stage: wall, shadow: true}, balancer", "open, {stage: wall, disabled: true}, balancer"}
)

// seen is what packets met.
type seen struct{ sent, dropped, forwarded uint64 }

// alternate sends packets that wall drops through one NIC and the other in turn, until stop. In odd specs wall drops them, so
// none is forwarded with an odd number, and no packet sees an older spec than the one before it on the other NIC.
func (n *node) alternate(t *testing.T, stop *atomic.Bool) (s seen) {
	roots := []*ebpf.Program{n.roots[n.chain(t, "eth0", XDP)], n.roots[n.chain(t, "eth1", XDP)]}
	in := [][]byte{frame(ip4{Src: addr("192.0.2.7")}, udp{Dst: 53}), frame(ip4{Src: addr("192.0.2.7"), Dst: addr("10.99.0.2")}, udp{Dst: 53})}
	out := make([]byte, len(in[0])+64)
	last := 0
	for ; !stop.Load(); s.sent++ {
		o := ebpf.RunOptions{Data: in[s.sent%2], DataOut: out, Repeat: 1}
		verdict, err := roots[s.sent%2].Run(&o)
		switch {
		case err != nil || verdict != xdpTX && verdict != xdpDrop:
			t.Errorf("packet %d: verdict %d, %v", s.sent, verdict, err)
			return s
		case verdict == xdpDrop:
			s.dropped++
			continue
		}
		s.forwarded++
		number := (int(out[36])<<8 | int(out[37])) - 10000
		if number < last || number%2 != 0 {
			t.Errorf("packet %d was forwarded by spec %d, after one by %d", s.sent, number, last)
			return s
		}
		last = number
	}
	return s
}

// TestChainEditsAreOneStep edits the chains of two NICs under packets through both: each packet meets one whole chain, and the
// switch is the same for both NICs.
func TestChainEditsAreOneStep(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	dice := rand.New(rand.NewPCG(seed, 0))
	n := &node{Kernel: newKernel(t), roots: map[int]*ebpf.Program{}}
	n.apply(t, chainsSpec(t, "balancer", 0), 0)
	before := n.ledger(t)
	var stop atomic.Bool
	var group sync.WaitGroup
	all := make([]seen, 2)
	for i := range all {
		group.Go(func() { all[i] = n.alternate(t, &stop) })
	}
	func() {
		defer group.Wait()
		defer stop.Store(true)
		for i := range min(soak(30), 500) {
			list := openChains
			if i%2 == 0 {
				list = walledChains
			}
			n.apply(t, chainsSpec(t, list[dice.IntN(len(list))], i+1), 0)
		}
	}()
	var total seen
	for _, s := range all {
		total = seen{total.sent + s.sent, total.dropped + s.dropped, total.forwarded + s.forwarded}
	}
	after := n.ledger(t)
	if got := after.exits() - before.exits(); got != total.sent || total.dropped == 0 || total.forwarded == 0 {
		t.Errorf("%d left, %+v", got, total)
	}
	var noted uint64
	var snap Snapshot
	if err := n.Snapshot(&snap); err != nil {
		t.Fatal(err)
	}
	for d, c := range snap.Drops {
		if n.names(d.Chain)[d.Account] == "wall" && !d.Shadow {
			noted += c.Packets
		}
	}
	if noted != total.dropped {
		t.Errorf("wall dropped %d packets, the ledger has %d under its name", total.dropped, noted)
	}
}

// TestCountsFollowStages: what reached a stage and what it dropped stays its own wherever it comes to stand.
func TestCountsFollowStages(t *testing.T) {
	t.Parallel()
	n := &node{Kernel: newKernel(t), roots: map[int]*ebpf.Program{}}
	listed, other := frame(ip4{Src: addr("192.0.2.7")}, udp{Dst: 53}), frame(ip4{Src: addr("192.0.2.8")}, udp{Dst: 53})
	type counts struct{ reached, dropped, shadow uint64 }
	for i, step := range []struct {
		chain  string
		listed int
		other  int
		want   map[string]counts
	}{
		{"wall, balancer", 10, 5, map[string]counts{"wall": {15, 10, 0}, "balancer": {reached: 5}}},
		{"open, wall, balancer", 0, 7, map[string]counts{"open": {reached: 7}, "wall": {22, 10, 0}, "balancer": {reached: 12}}},
		{"open, balancer", 3, 0, map[string]counts{"open": {reached: 10}, "wall": {22, 10, 0}, "balancer": {reached: 15}}},
		{"{stage: wall, shadow: true}, balancer", 4, 0, map[string]counts{"open": {reached: 10}, "wall": {26, 10, 4}, "balancer": {reached: 19}}},
		{"open, {stage: wall, disabled: true}, balancer", 1, 0, map[string]counts{"open": {reached: 11}, "wall": {26, 10, 4}, "balancer": {reached: 20}}},
		{"wall, open, balancer", 2, 1, map[string]counts{"open": {reached: 12}, "wall": {29, 12, 4}, "balancer": {reached: 21}}},
	} {
		n.apply(t, chainsSpec(t, step.chain, i), 0)
		if err := n.CarryAccounts(); err != nil {
			t.Fatal(err)
		}
		chain := n.chain(t, "eth0", XDP)
		for range step.listed {
			n.run(t, chain, listed, 0)
		}
		for range step.other {
			n.run(t, chain, other, 0)
		}
		var snap Snapshot
		if err := n.Snapshot(&snap); err != nil {
			t.Fatal(err)
		}
		reached, dropped, shadow := n.Reached(&snap, chain), snap.Dropped(chain, false), snap.Dropped(chain, true)
		for account, name := range n.names(chain) {
			if got := (counts{reached[account].Packets, dropped[account].Packets, shadow[account].Packets}); name != "" && got != step.want[name] {
				t.Errorf("%s: %s: %+v, want %+v", step.chain, name, got, step.want[name])
			}
		}
	}
}

// TestEveryHook: a NIC with a chain at each hook, of which two end without a stage that ends packets, and one in which every
// stage is disabled.
func TestEveryHook(t *testing.T) {
	t.Parallel()
	n := newNode(t, `
version: 1
stages: {wall: {kind: firewall, drop: {sources: [192.0.2.7]}}}
nics:
  eth0: {xdp: [{stage: wall, shadow: true}, balancer], tcx_ingress: [wall], tcx_egress: [{stage: wall, disabled: true}]}
  eth1: {xdp: [{stage: wall, disabled: true}]}
vips: [{name: web, addresses: [10.99.0.1], port: 80, protocol: tcp, ring: 251, backends: [{address: 10.1.1.11}]}]
`)
	listed, other := frame(from4("192.0.2.7"), syn), frame(from4("192.0.2.8"), syn)
	for _, at := range []struct {
		nic  string
		hook Hook
		rows []row
	}{
		{"eth0", XDP, []row{{"not listed", other, sent("web", gue)}, {"no ip", frame(packet.ARP{}), passed("not_ip")}}},
		{"eth0", TCXIngress, []row{{"listed", listed, dropped("firewall_source", "web")}, {"not listed", other, passed("chain_end")}}},
		{"eth0", TCXEgress, []row{{"listed, where the stage is disabled", listed, passed("chain_end")}}},
		{"eth1", XDP, []row{{"listed, where every stage is disabled", listed, passed("chain_end")}}},
	} {
		for _, r := range at.rows {
			t.Run(fmt.Sprintf("%s %s/%s", at.nic, at.hook, r.sentence), func(t *testing.T) {
				n.check(t, n.chain(t, at.nic, at.hook), r, 0)
			})
		}
	}
	chain, before := n.chain(t, "eth0", XDP), n.ledger(t)
	if verdict, _ := n.run(t, chain, listed, 0); verdict != xdpTX {
		t.Errorf("a stage in shadow: verdict %d", verdict)
	}
	if got, want := n.ledger(t).since(before), dropLine(chain, 1, "web", "firewall_source", true)+" 1/54"; !strings.Contains(got, want) {
		t.Errorf("counted %s, want also %s", got, want)
	}
}
