package datapath

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"hairpin/engine/spec"
)

// somePrefixes are random ones of both families, most of them below a few networks, as real lists are.
func somePrefixes(r *rand.Rand, n int) []netip.Prefix {
	list := make([]netip.Prefix, n)
	for i := range list {
		list[i] = somePrefix(r)
	}
	return list
}

func somePrefix(r *rand.Rand) netip.Prefix {
	var b [16]byte
	for i := range b {
		b[i] = byte(r.UintN(256))
	}
	if r.IntN(2) == 0 {
		b[0] = 10 + b[0]%3
		length := 12 + r.IntN(21)
		if r.IntN(100) == 0 {
			length = r.IntN(33)
			length = max(length, 6)
		}
		return netip.PrefixFrom(netip.AddrFrom4([4]byte(b[:4])), length).Masked()
	}
	copy(b[:], []byte{0x20, 1, 0xd, 0xb8})
	b[4], b[5] = b[4]&3, b[5]&7 // crowded here, and empty behind
	if r.IntN(2) == 0 {
		clear(b[8:15])
	}
	if r.IntN(8) == 0 {
		b[2] = byte(r.UintN(256))
	}
	lengths := []int{16 + r.IntN(113), 32, 48, 56, 64, 128, 128}
	return netip.PrefixFrom(netip.AddrFrom16(b), lengths[r.IntN(len(lengths))]).Masked()
}

// model says by another way than the tables what a list has: it looks for the prefix before an address in a sorted list, by
// netip alone.
type model []netip.Prefix

func newModel(list []netip.Prefix) model {
	all := slices.Clone(list)
	slices.SortFunc(all, func(a, b netip.Prefix) int {
		if c := a.Addr().Compare(b.Addr()); c != 0 {
			return c
		}
		return a.Bits() - b.Bits()
	})
	kept := all[:0]
	for _, p := range all {
		if len(kept) == 0 || !kept[len(kept)-1].Contains(p.Addr()) {
			kept = append(kept, p)
		}
	}
	return model(kept)
}

func (m model) contains(a netip.Addr) bool {
	i, found := slices.BinarySearchFunc(m, a, func(p netip.Prefix, a netip.Addr) int { return p.Addr().Compare(a) })
	return found || i > 0 && m[i-1].Contains(a)
}

// borders are the first and last address of a prefix, and those beside it.
func borders(p netip.Prefix) []netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	last, _ := netip.AddrFromSlice(b)
	all := []netip.Addr{p.Addr(), last}
	for _, beside := range []netip.Addr{p.Addr().Prev(), last.Next()} {
		if beside.IsValid() {
			all = append(all, beside)
		}
	}
	return all
}

// near is an address that shares its first bits with a prefix, and goes another way behind them.
func near(r *rand.Rand, p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := r.IntN(len(b) * 8); i < len(b)*8; i++ {
		if r.IntN(2) == 0 {
			b[i/8] ^= 0x80 >> (i % 8)
		}
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// heap is a store of blocks in Go's memory.
type heap struct{ blocks []block }

func (h *heap) more() (block, error) {
	b := block{uint32(len(h.blocks) * PrefixBlock), make([]prefixNode, PrefixBlock)}
	h.blocks = append(h.blocks, b)
	return b, nil
}

func (h *heap) bytes() int { return len(h.blocks) * PrefixBlock * nodeWords * 4 }

// ofFamily is a list as tables are made of it.
func ofFamily(list []netip.Prefix, six bool) []prefix {
	var all []prefix
	for _, p := range list {
		if p.Addr().Is6() == six {
			all = append(all, prefixOf(p))
		}
	}
	return disjoint(all)
}

// TestTableIsSmall: what 100,000 prefixes need, whatever they are.
func TestTableIsSmall(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for name, row := range map[string]struct {
		length func() int
		six    bool
		limit  int // MB
	}{
		"addresses":             {func() int { return 32 }, false, 16},
		"networks of 256":       {func() int { return 24 }, false, 8},
		"networks of all sizes": {func() int { return 17 + r.IntN(16) }, false, 16},
		"v6 networks":           {func() int { return 48 }, true, 10},
		"v6 addresses":          {func() int { return 128 }, true, 20},
	} {
		var list []netip.Prefix
		for range 100_000 {
			var b [16]byte
			binary.BigEndian.PutUint64(b[:], r.Uint64()>>3|1<<61)
			binary.BigEndian.PutUint64(b[8:], r.Uint64())
			a := netip.AddrFrom16(b)
			if !row.six {
				a = netip.AddrFrom4([4]byte(b[4:8]))
			}
			list = append(list, netip.PrefixFrom(a, row.length()).Masked())
		}
		var h heap
		m := tableMaker{more: h.more}
		began := time.Now()
		canonical := ofFamily(list, row.six)
		if _, err := m.make(canonical); err != nil {
			t.Fatal(err)
		}
		t.Logf("%d %s: %.1f MB in %s", len(canonical), name, float64(h.bytes())/1e6, time.Since(began).Round(time.Millisecond))
		if h.bytes() > row.limit<<20 {
			t.Errorf("100,000 %s need %d bytes", name, h.bytes())
		}
	}
}

// TestTables compares tables in the real program with netip, for random lists and for borders and random addresses.
func TestTables(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 0))
	n := newNode(t, firewallSpec(""))
	sizes := []int{1, 2, 3, 10, 100, 1000, 100_000}
	for i := range soak(len(sizes)) {
		size := sizes[i%len(sizes)]
		list := somePrefixes(r, size)
		n.block(t, list, nil)
		m, differ, dropped := newModel(list), 0, 0
		var asked []netip.Addr
		for range 2000 {
			p := list[r.IntN(len(list))]
			asked = append(append(asked, borders(p)...), near(r, p), somePrefix(r).Addr())
		}
		for _, a := range asked {
			if got, want := n.drops(t, a), m.contains(a); got != want {
				if differ++; differ < 4 {
					t.Errorf("seed %d: %d prefixes: %s is dropped: %v, want %v", seed, size, a, got, want)
				}
			} else if want {
				dropped++
			}
		}
		if dropped == 0 || dropped == len(asked) {
			t.Errorf("seed %d: %d of %d addresses are listed: nothing is compared", seed, dropped, len(asked))
		}
	}
}

// TestEveryLength: a list of one prefix of each length, at its borders.
func TestEveryLength(t *testing.T) {
	t.Parallel()
	n := newNode(t, firewallSpec(""))
	for _, a := range []netip.Addr{addr("198.51.100.133"), addr("2001:db8:5a5a:c3c3:9669:8778:f00f:e11e")} {
		for length := range a.BitLen() + 1 {
			p := netip.PrefixFrom(a, length).Masked()
			n.block(t, []netip.Prefix{p}, nil)
			for _, b := range borders(p) {
				if got := n.drops(t, b); got != p.Contains(b) {
					t.Errorf("%s is listed, and %s is dropped: %v", p, b, got)
				}
			}
			other := addr("2001:db8::1")
			if a.Is6() {
				other = addr("198.51.100.133")
			}
			if n.drops(t, other) {
				t.Fatalf("%s is listed, and %s is dropped", p, other)
			}
		}
	}
}

// block makes the lists of the firewall of n these, in place of a generation: no packet comes meanwhile.
func (n *node) block(t testing.TB, sources, destinations []netip.Prefix) {
	t.Helper()
	f, err := n.putTables("firewall", spec.DropLists{Sources: sources, Destinations: destinations})
	if err != nil {
		t.Fatal(err)
	}
	n.firewalls.all[1] = f
}

// drops tells whether the firewall on eth0 drops a packet from a.
func (n *node) drops(t testing.TB, a netip.Addr) bool {
	t.Helper()
	result, err := n.Dry(int(n.Control().Active), n.chain(t, "eth0", XDP), fromTo(a, netip.Addr{}))
	if err != nil {
		t.Fatal(err)
	}
	switch reasonName(int(result.Note.Reason)) {
	case "firewall_source":
		return true
	case "chain_end":
		return false
	}
	t.Fatalf("a packet from %s left as %s", a, reasonName(int(result.Note.Reason)))
	return false
}

// fromTo is a packet with these addresses; the zero one stands for some of the other's family.
func fromTo(src, dst netip.Addr) []byte {
	if src.Is6() || dst.Is6() {
		return frame(ip6{Src: src, Dst: dst}, udp{})
	}
	return frame(ip4{Src: src, Dst: dst}, udp{})
}

func firewallSpec(lists string) string {
	return fmt.Sprintf("version: 1\nstages: {firewall: {drop: {%s}}}\nnics: {eth0: {xdp: [firewall]}}\n", lists)
}
