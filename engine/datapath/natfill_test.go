package datapath

import (
	"encoding/binary"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cilium/ebpf"
)

// TestNATFills: flows find room until the table is nearly full. All of them are confirmed, so that none makes room.
func TestNATFills(t *testing.T) {
	t.Parallel()
	n := newNode(t, snatSpec)
	began := time.Now()
	const batch = 4096
	o := ebpf.RunOptions{Data: wrapped(ip4{}, syn), DataOut: make([]byte, 256), Repeat: 1}
	root, begun := n.roots[n.chain(t, "eth0", XDP)], 0
	refused := func(percent int) (sum int) {
		for ; begun < NATSets*NATWays*percent/100; begun++ {
			binary.BigEndian.PutUint32(o.Data[42+12:], uint32(20<<24+begun))
			o.DataOut = o.DataOut[:256]
			if _, err := root.Run(&o); err != nil {
				t.Fatal(err)
			}
			if begun%batch == 0 {
				n.confirmFlows()
			}
		}
		for _, h := range n.Hosted() {
			sum += int(h.Full.Packets)
		}
		return sum
	}
	fills := map[int]int{50: 0}
	if soak(1) > 1 {
		fills = map[int]int{50: 0, 75: 100, 90: NATSets * NATWays / 50}
	}
	for _, percent := range []int{50, 75, 90} {
		most, asked := fills[percent]
		if !asked {
			continue
		}
		got := refused(percent)
		t.Logf("%d %% full after %v: %d of %d flows found no room", percent, time.Since(began), got, begun)
		if got > most {
			t.Errorf("at %d %%, %d flows found no room, at most %d may", percent, got, most)
		}
	}
	if flows, _ := n.Translations(); flows < begun-fills[90]-100 {
		t.Errorf("%d flows are alive of %d", flows, begun)
	}
}

// confirmFlows has both sides of every flow have spoken.
func (n *node) confirmFlows() {
	for i := range n.natFlows.all {
		for way := range n.natFlows.all[i].State {
			if at := &n.natFlows.all[i].State[way]; *at != 0 {
				atomic.OrUint64(at, natConfirmed|natAnswered)
			}
		}
	}
}
