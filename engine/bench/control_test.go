package bench

import (
	"cmp"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"hairpin/engine/maglev"
	"hairpin/engine/packet"
	"hairpin/engine/spec"
)

// size is how large a node's spec is.
type size struct {
	vips, backends, edits, repeats int
	ring                           uint32 // slots; 0 = the default
}

// The node that the budgets are about, and one that plain test runs can afford.
var (
	large = size{vips: 512, backends: 8, edits: 130, repeats: 3}
	small = size{vips: 64, backends: 8, edits: 3, repeats: 1}
)

// spec is one of that size with the default ring, every backend one of its own.
func (z size) spec() *spec.Spec {
	s := &spec.Spec{Version: spec.Version, NICs: []spec.NIC{{Name: nic, XDP: spec.Stands(spec.Balancer)}}}
	for i := range z.vips {
		v := spec.VIP{Name: fmt.Sprintf("vip%d", i), Addresses: []netip.Addr{netip.AddrFrom4([4]byte{10, 99, byte(i >> 8), byte(i)})},
			Port: packet.HTTPPort, Protocol: spec.TCP, EncapPort: spec.DefaultEncapPort, Ring: cmp.Or(z.ring, spec.DefaultRing), Settle: spec.DefaultSettle}
		for j := range z.backends {
			n := i*z.backends + j + 1
			if n > spec.MaxBackends {
				continue
			}
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
	all, less := buildRings(t, z)
	n, whole := applyWhole(t, bpffs, z)
	memory, looks, edits := float64(n.memory(t))/1e6, lookOften(t, n, z), editOften(t, n, z)
	backends := z.vips * z.backends
	return []figure{
		{"Maglev ring, 65,537 slots, 1,000 backends, one core", "ms", times(all), false, 1.8},
		{"the same after a change of one backend", "ms", times(less), false, 1.8},
		{fmt.Sprintf("an edit of one backend, from the call to the kernel using it, %d VIPs present", z.vips), "ms", times(edits), true, 5},
		{fmt.Sprintf("whole spec with %d VIPs and %d backends applied from nothing", z.vips, backends), "ms", times(whole), false, 700},
		{fmt.Sprintf("memory of the maps at %d VIPs, %d backends, 65,537 slots, without the connection table", z.vips, backends),
			"MB", []float64{memory}, false, 80},
		{fmt.Sprintf("one snapshot (%d VIPs, %d backends, all counters, %d CPUs)", z.vips, backends, runtime.NumCPU()),
			"ms", times(looks), false, 2},
	}
}

// buildRings times the ring of many backends, and the one after a backend has left.
func buildRings(t *testing.T, z size) (all, less []time.Duration) {
	entries := make([]maglev.Entry, 1000)
	for i := range entries {
		entries[i] = maglev.Entry{ID: uint16(i + 1), Key: netip.AddrFrom4([4]byte{10, 2, byte(i >> 8), byte(i)}), Weight: spec.DefaultWeight}
	}
	ring := make([]uint16, spec.DefaultRing)
	var builder maglev.Builder
	build := func(entries []maglev.Entry) time.Duration {
		began := time.Now()
		if err := builder.Build(ring, entries); err != nil {
			t.Fatal(err)
		}
		return time.Since(began)
	}
	for range 20 * z.repeats {
		all, less = append(all, build(entries)), append(less, build(entries[1:]))
	}
	return all, less
}

// applyWhole applies a spec to new nodes, and returns the last of them.
func applyWhole(t *testing.T, bpffs string, z size) (n *node, took []time.Duration) {
	for i := range z.repeats {
		n = newNode(t, bpffs, fmt.Sprintf("whole%d_%d_%d", z.vips, z.ring, i))
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

// editOften drains one backend after the other, each of another VIP, and returns how long each took.
func editOften(t *testing.T, n *node, z size) (took []time.Duration) {
	for i := range z.edits {
		vip := i * 7 % z.vips
		took = append(took, n.apply(t, drained(n.running, vip, i%z.backends)))
		n.mustForward(t, vip)
	}
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
