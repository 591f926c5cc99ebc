package datapath

import (
	"fmt"
	"net/netip"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"hairpin/engine/packet"
)

// TestTalliesBehind: of two CPUs that meet at the same moment a tally that nobody saw for long, neither loses what the
// other counts.
func TestTalliesBehind(t *testing.T) {
	n := newNode(t, fmt.Sprintf(flowSpec, 100, 90, 80)) // not beside other tests: each CPU is to be there at once
	if runtime.NumCPU() < 2 {
		return // nobody meets anybody
	}
	chain, num := n.chain(t, "eth0", XDP), n.vip(t, "web").Num
	begin := func(worker, round int) (passed uint32) {
		in := frame(ip4{Src: netip.AddrFrom4([4]byte{203, 0, 113, byte(worker)})}, tcp{Src: packet.Is(uint16(round)), Flags: "S"})
		verdict, err := n.roots[chain].Run(&ebpf.RunOptions{Data: in, DataOut: make([]byte, 200), Repeat: 1})
		if err != nil {
			t.Error(err)
		}
		if verdict == xdpTX {
			return 1
		}
		return 0
	}
	rounds := soak(40_000)
	var next, done atomic.Int64
	var other uint32
	go func() {
		onCPU(1)
		for r := range rounds {
			for int(next.Load()) <= r {
			}
			other = begin(1, r)
			done.Add(1)
		}
	}()
	onCPU(0)
	now := uint32(1 << 20)
	for r := range rounds {
		now += []uint32{70, 5000}[r%2]
		n.setClock(now)
		next.Add(1)
		passed := begin(0, r)
		for int(done.Load()) <= r {
		}
		passed += other
		if counted := (flowSource{n.Kernel, now}).tallyNow(uint32(num)); counted != passed {
			t.Errorf("round %d: %d flows began, %d are counted", r, passed, counted)
		}
	}
}

// onCPU keeps the goroutine on one CPU for good, if there is such a one. Its thread ends with it.
func onCPU(cpu int) {
	runtime.LockOSThread()
	var only unix.CPUSet
	only.Set(cpu)
	_ = unix.SchedSetaffinity(0, &only) // possible CPUs need not be there
}
