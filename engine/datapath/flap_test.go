package datapath

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"hairpin/engine/maglev"
	"hairpin/engine/plan"
	"hairpin/engine/spec"
)

// flapping has VIPs whose backends go up and down as health says it, and rings that follow.
type flapping struct {
	*node
	vips    []*plan.Change
	out     []map[int]bool
	builder maglev.Builder
	rings   int           // that were made
	took    time.Duration // and what that took
}

func newFlapping(t *testing.T, vips, backends, ring int) *flapping {
	t.Helper()
	var text strings.Builder
	text.WriteString("version: 1\nnics: {eth0: {xdp: [balancer]}}\nvips:\n")
	for v := range vips {
		name, at := "web", packetVIP(v)
		if v > 0 {
			name = fmt.Sprintf("web%d", v)
		}
		fmt.Fprintf(&text, "  - {name: %s, addresses: [%s], port: 80, protocol: tcp, ring: %d, backends: [", name, at, ring)
		for b := range backends {
			fmt.Fprintf(&text, "{address: 10.1.%d.%d},", 1+(v*backends+b)/200%5, 10+(v*backends+b)%200)
		}
		text.WriteString("]}\n")
	}
	f := &flapping{node: newNode(t, text.String())}
	for i := range f.spec.VIPs {
		f.vips, f.out = append(f.vips, f.vip(t, f.spec.VIPs[i].Name)), append(f.out, map[int]bool{})
	}
	return f
}

func packetVIP(i int) string {
	if i == 0 {
		return `10.99.0.1, "fd00:99::1"`
	}
	return fmt.Sprintf("10.99.%d.%d", 1+i/200, 1+i%200)
}

// want is the ring of a VIP without those of its backends that are out.
func (f *flapping) want(t *testing.T, v int) []uint16 {
	t.Helper()
	c := f.vips[v]
	entries := make([]maglev.Entry, len(c.IDs))
	for i, b := range c.Spec.Backends {
		if entries[i] = (maglev.Entry{ID: c.IDs[i], Key: b.Address, Weight: b.Weight}); f.out[v][i] {
			entries[i].Weight = 0
		}
	}
	ring := make([]uint16, c.Spec.Ring)
	if err := f.builder.Build(ring, entries); err != nil {
		t.Fatal(err)
	}
	return ring
}

// follow makes the ring of a VIP what is known of its backends, as an engine does: who is back is opened before, who is out is
// shut behind.
func (f *flapping) follow(t *testing.T, v int) {
	t.Helper()
	began, c := time.Now(), f.vips[v]
	for i, id := range c.IDs {
		if !f.out[v][i] && f.Out(id) {
			f.SetOut(id, false)
			f.MarkBackend(id, true, false)
		}
	}
	if _, err := f.Reshape(int(f.Control().Active), &c.Spec, f.want(t, v)); err != nil {
		t.Fatal(err)
	}
	for i, id := range c.IDs {
		if f.out[v][i] && !f.Out(id) {
			f.SetOut(id, true)
		}
	}
	f.rings++
	f.took += time.Since(began)
}

// held is how many runs of slots are in use.
func (f *flapping) held() (n int) {
	for _, runs := range f.store.used {
		n += len(runs)
	}
	return n
}

// rest lets a second pass for the rings that were left.
func (f *flapping) rest() {
	for i := range f.store.resting {
		f.store.resting[i].until = 0
	}
	f.Retire()
	f.lookAtRings()
}

// TestFlapping: 1,000 backends of one VIP, and of many, go up and down at random. New flows begin on backends that are up, flows
// stay where they began, rings are in the end what they were, and neither slots nor ids are lost.
func TestFlapping(t *testing.T) {
	t.Parallel()
	for _, shape := range []struct{ vips, backends, ring, rounds int }{{1, 1000, 16381, 60}, {100, 10, 1021, 60}} {
		t.Run(fmt.Sprintf("%d VIPs", shape.vips), func(t *testing.T) {
			f, r := newFlapping(t, shape.vips, shape.backends, shape.ring), rand.New(rand.NewPCG(1, uint64(shape.vips)))
			rounds := soak(shape.rounds)
			ids, all, homes := len(f.IDs()), f.clients("web", 100+2*rounds), map[*client]netip.Addr{}
			first := make([][]uint16, shape.vips)
			for v := range first {
				first[v] = f.want(t, v)
			}
			maps.Copy(homes, connected(t, all[:100]))
			for round := range rounds {
				turned := map[int]bool{}
				for range 1 + r.IntN(50) {
					v, b := r.IntN(shape.vips), r.IntN(shape.backends)
					f.out[v][b] = !f.out[v][b]
					turned[v] = true
				}
				for v := range turned {
					f.follow(t, v)
				}
				for c, home := range connected(t, all[100+2*round:102+2*round]) {
					i := slices.IndexFunc(f.vips[0].Spec.Backends, func(b spec.Backend) bool { return b.Address == home })
					if homes[c] = home; f.out[0][i] {
						t.Fatalf("round %d: a flow began on %v, which is out", round, home)
					}
				}
				if f.rest(); f.held() > 2*shape.vips {
					t.Fatalf("round %d: %d runs of slots are in use by %d VIPs", round, f.held(), shape.vips)
				}
				if round%20 == 0 {
					stay(t, fmt.Sprintf("round %d", round), homes)
				}
			}
			for v := range f.vips {
				clear(f.out[v])
				f.follow(t, v)
				e := f.entriesOf(int(f.Control().Active), &f.vips[v].Spec)[0]
				if !slices.Equal(f.slots(e.Ring, e.RingSize), first[v]) {
					t.Errorf("vip %d: its ring is another than that of the same backends was", v)
				}
			}
			stay(t, "in the end", homes)
			if len(f.IDs()) != ids || f.there() > 1 {
				t.Errorf("%d ids, %d before; %d segments", len(f.IDs()), ids, f.there())
			}
			t.Logf("%d rings of %d slots: %v each", f.rings, shape.ring, (f.took / time.Duration(f.rings)).Round(time.Microsecond))
		})
	}
}
