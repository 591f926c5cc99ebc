package bench

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"hairpin/engine/maglev"
	"hairpin/engine/packet"
	"hairpin/engine/spec"
)

// figure is one line of the second table.
type figure struct {
	name   string
	value  string
	budget string
}

// size is how large a node's spec is.
type size struct{ vips, backends, edits, repeats int }

// The node that the budgets are about, and one that plain test runs can afford.
var (
	large = size{vips: 512, backends: 8, edits: 130, repeats: 3}
	small = size{vips: 64, backends: 8, edits: 3, repeats: 1}
)

// spec is one of that size with the default ring, every backend one of its own.
func (z size) spec() *spec.Spec {
	s := &spec.Spec{Version: spec.Version, NICs: []spec.NIC{{Name: nic, XDP: []spec.Stage{spec.Balancer}}}}
	for i := range z.vips {
		v := spec.VIP{Name: fmt.Sprintf("vip%d", i), Addresses: []netip.Addr{netip.AddrFrom4([4]byte{10, 99, byte(i >> 8), byte(i)})},
			Port: packet.HTTPPort, Protocol: spec.TCP, EncapPort: spec.DefaultEncapPort, Ring: spec.DefaultRing, Settle: spec.DefaultSettle}
		for j := range z.backends {
			n := i*z.backends + j + 1
			a := netip.AddrFrom4([4]byte{10, 2, byte(n >> 8), byte(n)})
			v.Backends = append(v.Backends, spec.Backend{Address: a, Weight: spec.DefaultWeight})
		}
		s.VIPs = append(s.VIPs, v)
	}
	return s
}

// drained is s with one backend of one VIP draining.
func drained(s *spec.Spec, vip, backend int) *spec.Spec {
	next := *s
	next.VIPs = slices.Clone(s.VIPs)
	next.VIPs[vip].Backends = slices.Clone(s.VIPs[vip].Backends)
	next.VIPs[vip].Backends[backend].State = spec.Drain
	return &next
}

// control measures what the engine waits for.
func control(t *testing.T, bpffs string, z size) []figure {
	figures := buildRings(t, z)
	n, whole := applyWhole(t, bpffs, z)
	shape := fmt.Sprintf("%d VIPs, %d backends", z.vips, z.vips*z.backends)
	figures = append(figures,
		figure{"whole spec from nothing, " + shape, ms(slices.Min(whole)), "700 ms"},
		figure{"memory of the maps, without the connection table, " + shape, fmt.Sprintf("%.1f MB", float64(n.memory(t))/1e6), "80 MB"})
	looks := lookOften(t, n, z)
	figures = append(figures, figure{"one snapshot, " + shape, fmt.Sprintf("%s, median %s", ms(slices.Min(looks)), ms(middle(looks))), "2 ms"})
	edits := editOften(t, n, z)
	return append(figures,
		figure{"an edit of one backend until the kernel uses it, median", ms(middle(edits)), ""},
		figure{fmt.Sprintf("the same, 99 of 100 of %d", len(edits)), ms(edits[(len(edits)*99-1)/100]), "5 ms"})
}

func ms(d time.Duration) string { return fmt.Sprintf("%.2f ms", d.Seconds()*1000) }

// buildRings times a ring of 65,537 slots for 1,000 backends, and the one after a backend has left.
func buildRings(t *testing.T, z size) []figure {
	entries := make([]maglev.Entry, 1000)
	for i := range entries {
		entries[i] = maglev.Entry{ID: uint16(i + 1), Key: netip.AddrFrom4([4]byte{10, 2, byte(i >> 8), byte(i)}), Weight: 100}
	}
	ring := make([]uint16, spec.DefaultRing)
	var builder maglev.Builder
	var all, changed []time.Duration
	for range 20 * z.repeats {
		for list, entries := range map[*[]time.Duration][]maglev.Entry{&all: entries, &changed: entries[1:]} {
			began := time.Now()
			if err := builder.Build(ring, entries); err != nil {
				t.Fatal(err)
			}
			*list = append(*list, time.Since(began))
		}
	}
	return []figure{
		{"Maglev ring, 65,537 slots, 1,000 backends", ms(slices.Min(all)), "1.80 ms"},
		{"the same with one backend less", ms(slices.Min(changed)), "1.80 ms"},
	}
}

// applyWhole applies a spec to new nodes, and returns the last of them.
func applyWhole(t *testing.T, bpffs string, z size) (n *node, took []time.Duration) {
	for i := range z.repeats {
		n = newNode(t, bpffs, fmt.Sprintf("whole%d", i))
		s, began := z.spec(), time.Now()
		n.apply(t, s)
		n.reach()
		took = append(took, time.Since(began))
		for _, vip := range []int{0, z.vips - 1} {
			n.mustForward(t, vip)
		}
		if i < z.repeats-1 {
			n.Close()
		}
	}
	return n, took
}

// mustForward sends a dry packet to a VIP.
func (n *node) mustForward(t *testing.T, vip int) {
	t.Helper()
	frame := packet.Build(packet.Eth{}, packet.IPv4{Dst: n.running.VIPs[vip].Addresses[0]}, packet.TCP{Flags: "S"})
	result, err := n.Dry(int(n.Control().Active), 0, frame)
	if err != nil {
		t.Fatal(err)
	}
	if result.Note.Reason != 1 {
		t.Fatalf("a packet for VIP %d leaves by reason %d", vip, result.Note.Reason)
	}
}

// lookOften times snapshots.
func lookOften(t *testing.T, n *node, z size) (took []time.Duration) {
	for range 50 * z.repeats {
		began := time.Now()
		if err := n.Snapshot(&n.snapshot); err != nil {
			t.Fatal(err)
		}
		took = append(took, time.Since(began))
	}
	return took
}

// editOften drains one backend after the other, each of another VIP, and returns how long each took, sorted.
func editOften(t *testing.T, n *node, z size) (took []time.Duration) {
	for i := range z.edits {
		vip := i * 7 % z.vips
		took = append(took, n.apply(t, drained(n.running, vip, i%z.backends)))
		n.mustForward(t, vip)
	}
	slices.Sort(took)
	return took
}

// memory is what the kernel accounts for the node's maps, in bytes, but for the connection table.
func (n *node) memory(t *testing.T) (sum uint64) {
	t.Helper()
	pins, err := os.ReadDir(filepath.Join(n.dir, "maps"))
	if err != nil {
		t.Fatal(err)
	}
	for _, pin := range pins {
		if pin.Name() == "connections" {
			continue
		}
		info, err := n.pinned(t, pin.Name()).Info()
		if err != nil {
			t.Fatal(err)
		}
		bytes, ok := info.Memlock()
		if !ok {
			t.Fatalf("the kernel does not say how large map %s is", pin.Name())
		}
		sum += bytes
	}
	return sum
}
