package datapath

import (
	"encoding/binary"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"hairpin/engine/packet"
	"hairpin/engine/spec"
)

// soak is n, or a hundred times as much in a soak run.
func soak(n int) int {
	if os.Getenv("HAIRPIN_SOAK") != "" {
		return 100 * n
	}
	return n
}

// flooder sends packets of one kind from addresses and ports that it makes up.
type flooder struct {
	n       *node
	options ebpf.RunOptions
	chain   int
	random  *rand.PCG
}

func (n *node) flooder(t testing.TB, l4 packet.Layer) *flooder {
	seed := uint64(time.Now().UnixNano())
	t.Logf("flood of seed %d", seed)
	in := frame(ip4{}, l4, fill(1))
	return &flooder{n, ebpf.RunOptions{Data: in, DataOut: make([]byte, len(in)+64), Repeat: 1}, n.chain(t, "eth0", XDP), rand.NewPCG(seed, 0)}
}

// send sends so many packets and returns how many were forwarded.
func (f *flooder) send(t testing.TB, packets int) (forwarded int) {
	t.Helper()
	in, out := f.options.Data, f.options.DataOut
	for range packets {
		f.options.DataOut = out
		binary.LittleEndian.PutUint64(in[26:], f.random.Uint64()&0xffffffff|uint64(binary.LittleEndian.Uint32(in[30:]))<<32)
		binary.LittleEndian.PutUint16(in[34:], uint16(f.random.Uint64()))
		binary.LittleEndian.PutUint32(in[38:], uint32(f.random.Uint64())) // of TCP, the sequence number
		verdict, err := f.n.roots[f.chain].Run(&f.options)
		if err != nil {
			t.Fatal(err)
		}
		if verdict == xdpTX {
			forwarded++
		}
	}
	f.options.DataOut = out
	return forwarded
}

// TestSYNFlood: connections made while settling stay, whatever a flood of SYNs does to the table. The insert budget is
// refilled again and again, as if hours went by.
func TestSYNFlood(t *testing.T) {
	n := newNode(t, settleSpec)
	all := n.clients("web", 900)
	homes := connected(t, all[:300])
	these, _ := moved(t, all[300:], func() { n.add(t, "web", "10.1.1.4") })
	maps.Copy(homes, connected(t, these))
	flood := n.flooder(t, syn)
	const part = 30_000
	for sent := 0; sent < soak(330_000); sent += part {
		if got := flood.send(t, part); got != part {
			t.Fatalf("%d of %d SYNs were forwarded", got, part)
		}
		for i := range n.counters.all {
			n.counters.all[i].BudgetUsed = 0
		}
		stay(t, "under the flood", homes)
		if t.Failed() {
			return
		}
	}
	for _, c := range n.clients("web", 1000)[900:] {
		homes[c] = c.connect(t)
	}
	stay(t, "after the flood", homes)
	if used := n.entries(); used < 50_000 {
		t.Errorf("only %d entries are used: the flood missed the table", used)
	}
}

// TestBudget: a flood fills the table slowly.
func TestBudget(t *testing.T) {
	n := newNode(t, settleSpec)
	n.add(t, "web", "10.1.1.4")
	began := coarse() >> tickShift
	flood := n.flooder(t, syn)
	for sent := 0; sent < 200_000; sent += 50_000 {
		flood.send(t, 50_000)
	}
	limit := int(coarse()>>tickShift-began+1) * len(n.counters.all) << 15
	if used := n.entries(); used > limit || used == 0 {
		t.Errorf("%d entries are used, the budget allows %d", used, limit)
	}
}

// TestQuietVIPRemembersNothing: a VIP that does not settle has no table to fill.
func TestQuietVIPRemembersNothing(t *testing.T) {
	n := newNode(t, settleSpec)
	before := slices.Clone(n.connections.raw)
	n.flooder(t, syn).send(t, 20_000)
	n.flooder(t, udp{}).send(t, 20_000)
	if !slices.Equal(before, n.connections.raw) {
		t.Error("the connection table was written")
	}
}

// TestACKFlood: nothing but SYNs of new flows, and packets of known ones, writes the table.
func TestACKFlood(t *testing.T) {
	n := newNode(t, settleSpec)
	n.add(t, "web", "10.1.1.4")
	n.add(t, "game", "10.1.1.4")
	n.settlings.all[n.vip(t, "game").Num].StickyUntil = 0
	before := slices.Clone(n.connections.raw)
	for _, l4 := range []packet.Layer{tcp{Flags: "A"}, tcp{Flags: "PA"}, tcp{Flags: "SA"}, tcp{Flags: "R"}, tcp{Flags: "FA"}, tcp{Flags: "FPU"}, tcp{}, udp{}} {
		n.flooder(t, l4).send(t, soak(15_000))
		if !slices.Equal(before, n.connections.raw) {
			t.Fatalf("%+v wrote the connection table", l4)
		}
	}
	for i := range n.counters.all {
		if used := n.counters.all[i].BudgetUsed; used != 0 {
			t.Errorf("%d inserts were charged", used)
		}
	}
}

// TestWayBack: flows that begin in an unconfirmed generation stay when the kernel goes back from it, and so do all older
// ones. Nothing but the kernel acts after the switch.
func TestWayBack(t *testing.T) {
	n := newNode(t, settleSpec)
	all := n.clients("web", 600)
	homes := connected(t, all[:200])
	n.add(t, "web", "10.1.1.4") // a generation that settles is as good to go back to as a quiet one
	maps.Copy(homes, connected(t, all[200:300]))
	testWayBack(t, n, all[300:], homes)
}

func TestWayBackToQuiet(t *testing.T) {
	n := newNode(t, settleSpec)
	all := n.clients("web", 500)
	testWayBack(t, n, all[200:], connected(t, all[:200]))
}

func testWayBack(t *testing.T, n *node, fresh []*client, homes map[*client]netip.Addr) {
	t.Helper()
	from, before := n.Control().Active, n.spec
	begun, _ := moved(t, fresh, func() {
		n.edit(t, 5*time.Second, func(s *spec.Spec) (*spec.Spec, error) {
			return spec.AddBackend(s, "web", spec.Backend{Address: addr("10.1.1.5"), Weight: 300})
		})
	})
	stay(t, "in the unconfirmed generation", homes)
	for _, c := range begun {
		if homes[c] = c.connect(t); homes[c] != c.ring(t) {
			t.Errorf("%v went to %v, the new ring says %v", c, homes[c], c.ring(t))
		}
	}
	if n.Control().Pending == 0 {
		t.Fatal("the deadline passed before the flows had begun")
	}
	await(t, "the kernel goes back", func() bool { return n.Control().Active == from })
	stay(t, "after the way back", homes)
	n.spec = before
	for _, c := range fresh {
		if _, ok := homes[c]; ok {
			continue
		}
		if homes[c] = c.connect(t); homes[c] != c.ring(t) {
			t.Errorf("the new %v went to %v, the old ring says %v", c, homes[c], c.ring(t))
		}
	}
	n.add(t, "web", "10.1.1.6")
	maps.DeleteFunc(homes, func(_ *client, home netip.Addr) bool { return home == addr("10.1.1.5") }) // the spec without it says so
	stay(t, "after the next change", homes)
}
