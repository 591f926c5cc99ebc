package stats

import (
	"runtime"
	"testing"
	"time"
)

// node is the counters of a node of the largest size: one set for each kind of key, as deep as the kind deserves.
type node struct {
	vips     *Set[uint16]
	backends *Set[uint16]
	nics     *Set[[2]uint8] // NIC and which of its counters
	reasons  *Set[uint8]    // summed over NICs
	each     *Set[[2]uint8] // reason and NIC
	history  []float64
}

func newNode() *node {
	const forget = 10 * time.Minute
	return &node{
		NewSet[uint16](Day, forget), NewSet[uint16](Minute, forget), NewSet[[2]uint8](Day, forget),
		NewSet[uint8](Day, forget), NewSet[[2]uint8](Minute, forget), nil,
	}
}

// tick reads every counter once, none of which stands still.
func (n *node) tick(now time.Time, i int) {
	total := func(k int) Total { return Total{uint64(i * (1000 + k)), uint64(i * (64_000 + k))} }
	n.vips.Tick(now)
	for k := range 512 {
		n.vips.Read(uint16(k), total(k))
	}
	n.backends.Tick(now)
	for k := range 4096 {
		n.backends.Read(uint16(k), total(k))
	}
	n.nics.Tick(now)
	n.each.Tick(now)
	for nic := range 64 {
		for k := range 4 {
			n.nics.Read([2]uint8{uint8(nic), uint8(k)}, total(k))
		}
		for r := range 128 {
			n.each.Read([2]uint8{uint8(r), uint8(nic)}, total(r))
		}
	}
	n.reasons.Tick(now)
	for r := range 128 {
		n.reasons.Read(uint8(r), total(r))
	}
}

func BenchmarkTick(b *testing.B) {
	n, now := newNode(), time.Unix(0, 0)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		n.tick(now.Add(time.Duration(i)*time.Second), i)
	}
}

func BenchmarkLast60(b *testing.B) {
	n, now := newNode(), time.Unix(0, 0)
	for i := range 61 {
		n.tick(now.Add(time.Duration(i)*time.Second), i)
	}
	for b.Loop() {
		n.history = n.history[:0]
		for k := range 4096 {
			n.history = n.backends.AppendLast(n.history, uint16(k), 60)
		}
	}
}

// TestLargestNode: what a node of the largest size costs each second does not grow with time, nor does what it holds.
func TestLargestNode(t *testing.T) {
	before := heap()
	n, now := newNode(), time.Unix(0, 0)
	var fastest [7]time.Duration // of a hundred each
	for i := range 700 {
		start := time.Now()
		n.tick(now.Add(time.Duration(i)*time.Second), i)
		if took := time.Since(start); i%100 == 0 || took < fastest[i/100] {
			fastest[i/100] = took
		}
	}
	held := heap() - before
	t.Logf("a tick takes %v, %d keys hold %.1f MB", fastest,
		n.vips.Len()+n.backends.Len()+n.nics.Len()+n.reasons.Len()+n.each.Len(), float64(held)/1e6)
	if fastest[6] > 5*fastest[0] {
		t.Errorf("a tick takes %v", fastest)
	}
	if held > 25e6 {
		t.Errorf("%d bytes are held, the limit is 25 MB", held)
	}
	runtime.KeepAlive(n)
}

// heap is what is reachable, in bytes.
func heap() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
