package datapath

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"hairpin/engine/packet"
	"hairpin/engine/spec"
)

// mixSpec is a spec of which a packet shows the number twice: as its backend and as the port of its encapsulation.
func mixSpec(t testing.TB, number int) *spec.Spec {
	t.Helper()
	return parse(t, fmt.Sprintf(`
version: 1
nics: {eth0: {xdp: [balancer]}}
vips: [{name: dns, addresses: [10.99.0.1], port: 53, protocol: udp, ring: 251, flow: none, encap_port: %d, backends: [{address: 10.1.%d.%d}]}]
`, 10000+number, 20+number>>8, number&0xff))
}

// mixed sends packets until stop, and reports every one that does not show one whole spec. It returns how many it sent and
// the numbers that were seen.
func (n *node) mixed(t *testing.T, chain int, stop *atomic.Bool) (packets int, seen map[int]int) {
	in := frame(ip4{}, udp{Dst: 53})
	seen = map[int]int{}
	out := make([]byte, len(in)+64)
	for ; !stop.Load(); packets++ {
		o := ebpf.RunOptions{Data: in, DataOut: out, Repeat: 1}
		verdict, err := n.roots[chain].Run(&o)
		if err != nil || verdict != xdpTX {
			t.Errorf("packet %d: verdict %d, %v", packets, verdict, err)
			return packets, seen
		}
		dst, port := out[30:34], int(out[36])<<8|int(out[37])
		byPort, byBackend := port-10000, int(dst[2]-20)<<8|int(dst[3])
		if byPort != byBackend {
			s, err := packet.Parse(o.DataOut, uint16(port))
			t.Errorf("packet %d mixes specs %d and %d: %v, %v", packets, byPort, byBackend, s, err)
			return packets, seen
		}
		seen[byPort]++
	}
	return packets, seen
}

// TestOneSwitch flips between two generations as fast as the gate does: every packet sees one of them, whole.
func TestOneSwitch(t *testing.T) {
	n := &node{Kernel: newKernel(t), roots: map[int]*ebpf.Program{}}
	n.apply(t, mixSpec(t, 1), 0)
	first := int(n.Control().Active)
	_, second := stageSpec(t, n.Kernel, n.spec, mixSpec(t, 2))
	seen, packets := n.whileMixed(t, func() {
		for range soak(150_000) {
			if err := n.Activate(first, second, 0); err != nil {
				t.Error(err)
				return
			}
			first, second = second, first
		}
	})
	if len(seen) != 2 {
		t.Errorf("%d packets saw the specs %v, want both", packets, seen)
	}
}

// TestOneSwitchAndReuse applies one spec after another, so that numbers of generations, versions of tables and places of
// rings are used again and again: every packet sees one spec, whole, and what was gone never comes back.
func TestOneSwitchAndReuse(t *testing.T) {
	n := &node{Kernel: newKernel(t), roots: map[int]*ebpf.Program{}}
	n.apply(t, mixSpec(t, 1), 0)
	edits := min(soak(30), 500)
	seen, packets := n.whileMixed(t, func() {
		for i := range edits {
			n.apply(t, mixSpec(t, 2+i), 0)
		}
	})
	if len(seen) < edits/2 {
		t.Errorf("%d packets saw only %d of %d specs", packets, len(seen), edits+1)
	}
}

// whileMixed does something while two goroutines send packets.
func (n *node) whileMixed(t *testing.T, do func()) (seen map[int]int, packets int) {
	t.Helper()
	var stop atomic.Bool
	var group sync.WaitGroup
	var lock sync.Mutex
	chain, before := n.chain(t, "eth0", XDP), n.ledger(t)
	seen = map[int]int{}
	for range 2 {
		group.Go(func() {
			count, numbers := n.mixed(t, chain, &stop)
			lock.Lock()
			defer lock.Unlock()
			packets += count
			for number, times := range numbers {
				seen[number] += times
			}
		})
	}
	func() {
		defer group.Wait()
		defer stop.Store(true)
		do()
	}()
	if got := n.ledger(t).exits() - before.exits(); got != uint64(packets) {
		t.Errorf("%d packets came in and %d left", packets, got)
	}
	return seen, packets
}

// TestGenerationNumbersRest: a number that was left is not given out for a second.
func TestGenerationNumbersRest(t *testing.T) {
	t.Parallel()
	n := &node{Kernel: newKernel(t), roots: map[int]*ebpf.Program{}}
	began := time.Now()
	var order []uint32
	for i := range Generations + 4 {
		n.apply(t, mixSpec(t, 1+i), 0)
		active := n.Control().Active
		if active == 0 || len(order) > 0 && order[len(order)-1] == active {
			t.Errorf("generation %d is live twice in a row", active)
		}
		order = append(order, active)
	}
	if took := time.Since(began); took < reuseAfter {
		t.Errorf("%d generations in %v: their numbers did not rest", len(order), took)
	}
}
