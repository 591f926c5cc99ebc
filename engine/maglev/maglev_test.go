package maglev

import (
	"encoding/binary"
	"hash/fnv"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// list is n backends of weight 100 on consecutive addresses.
func list(n int) []Entry {
	entries := make([]Entry, n)
	for i := range entries {
		entries[i] = Entry{ID: uint16(i + 1), Key: netip.AddrFrom4([4]byte{10, 1, byte(1 + i>>8), byte(i)}), Weight: 100}
	}
	return entries
}

// build is the ring of entries by a builder of its own.
func build(t testing.TB, size int, entries []Entry) []uint16 {
	t.Helper()
	ring := make([]uint16, size)
	if err := new(Builder).Build(ring, entries); err != nil {
		t.Fatal(err)
	}
	return ring
}

// random is a generator whose seed is printed when the test fails.
func random(t *testing.T) *rand.Rand {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// sizes are the rings that a spec may ask for.
var sizes = []int{251, 509, 1021, 2039, 4099, 8191, 16381, 32749, 65537, 131071}

func TestBalanceEqual(t *testing.T) {
	for _, size := range sizes {
		for _, n := range []int{1, 2, 3, 12, 100, 655, 1000} {
			if size < 100*n {
				continue
			}
			shares := Shares(build(t, size, list(n)))
			most := 0
			for _, slots := range shares {
				most = max(most, slots)
			}
			if ratio := float64(most) * float64(n) / float64(size); ratio > 1.02 || len(shares) != n {
				t.Errorf("%d slots, %d backends: max/avg %.4f, %d have slots", size, n, ratio, len(shares))
			}
		}
	}
}

// TestShareExact wants every backend to get its exact share, rounded up or down: nothing nearer exists. From 50 slots a
// backend up that is also within 1.02 of the average per unit of weight.
func TestShareExact(t *testing.T) {
	rnd := random(t)
	var b Builder
	for range 300 {
		size := sizes[rnd.IntN(len(sizes))]
		entries := list(1 + rnd.IntN(min(size/10, 2000)))
		limit := []uint32{1, 2, 10, 100, 65535, 1<<32 - 1}[rnd.IntN(6)]
		sum := 0.0
		for i := range entries {
			entries[i].Weight = rnd.Uint32N(limit) + 1
			if rnd.IntN(10) == 0 {
				entries[i].Weight = uint32(rnd.IntN(2))
			}
			sum += float64(entries[i].Weight)
		}
		ring := make([]uint16, size)
		if err := b.Build(ring, entries); err != nil {
			t.Fatal(err)
		}
		shares := Shares(ring)
		for _, e := range entries {
			exact := float64(e.Weight) * float64(size) / sum
			got := float64(shares[e.ID])
			if got <= exact-1 || got >= exact+1 {
				t.Fatalf("%d slots, %d backends: weight %d of %.0f has %.0f slots, its share is %.3f", size, len(entries), e.Weight, sum, got, exact)
			}
			if exact >= 50 && got/exact > 1.02 {
				t.Fatalf("%d slots, weight %d of %.0f: %.4f of the average per weight", size, e.Weight, sum, got/exact)
			}
		}
		if sum > 0 && shares[0] != 0 {
			t.Fatalf("%d slots of %d lead nowhere", shares[0], size)
		}
	}
}

func TestOrderAndIDsDoNotMatter(t *testing.T) {
	rnd := random(t)
	for _, limit := range []int{1, 500} {
		entries := list(300)
		for i := range entries {
			entries[i].Weight = uint32(1 + rnd.IntN(limit))
		}
		keys := map[uint16]netip.Addr{}
		for _, e := range entries {
			keys[e.ID] = e.Key
		}
		want := build(t, 4099, entries)
		var b Builder
		for range 20 {
			rnd.Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
			other := map[uint16]netip.Addr{}
			for i, id := range rnd.Perm(MaxID)[:len(entries)] {
				entries[i].ID = uint16(id + 1)
				other[uint16(id+1)] = entries[i].Key
			}
			got := make([]uint16, len(want))
			if err := b.Build(got, entries); err != nil {
				t.Fatal(err)
			}
			for i := range got {
				if keys[want[i]] != other[got[i]] {
					t.Fatalf("slot %d leads to %v, then to %v", i, keys[want[i]], other[got[i]])
				}
			}
		}
	}
}

// TestScaledWeightsAreEqual also holds the short cut for equal weights against the way for any weights.
func TestScaledWeightsAreEqual(t *testing.T) {
	for _, n := range []int{1, 7, 100, 300} {
		entries := list(n)
		want := build(t, 4099, entries)
		var b Builder
		sum, heaviest, err := b.admit(entries)
		if err != nil {
			t.Fatal(err)
		}
		got := make([]uint16, len(want))
		b.floor.open(got)
		b.classify(entries, heaviest)
		b.seat(entries, b.sorted)
		b.apportion(entries, sum)
		b.fillWeighted(heaviest)
		if !slices.Equal(got, want) {
			t.Errorf("%d backends: the short cut for equal weights gives another ring", n)
		}
	}
	entries := list(50)
	for i := range entries {
		entries[i].Weight = uint32(1 + i)
	}
	want := build(t, 4099, entries)
	for i := range entries {
		entries[i].Weight *= 4
	}
	if got := build(t, 4099, entries); !slices.Equal(got, want) {
		t.Error("weights four times as large give another ring")
	}
}

// TestFollowsPermutations builds small rings by the words of the paper: in turns, each backend takes the first free slot
// of offset + j·skip. It shares nothing with the way under test but the hash.
func TestFollowsPermutations(t *testing.T) {
	for _, size := range sizes[:6] {
		for _, n := range []int{1, 2, 30, 250} {
			entries := list(n)
			var b Builder
			if _, _, err := b.admit(entries); err != nil {
				t.Fatal(err)
			}
			want := make([]uint16, size)
			next := make([]int, n)
			for placed := 0; placed < size; placed++ {
				seat := placed % n
				e := entries[index(b.order[seat])]
				h := hash(e.Key)
				offset := int(scale(mix(h+saltOffset), uint32(size)))
				skip := 1 + int(scale(mix(h+saltSkip), uint32(size-1)))
				for {
					slot := (offset + next[seat]*skip) % size
					next[seat]++
					if want[slot] == 0 {
						want[slot] = e.ID
						break
					}
				}
			}
			if got := build(t, size, entries); !slices.Equal(got, want) {
				t.Errorf("%d slots, %d backends: not the ring of the paper", size, n)
			}
		}
	}
}

// TestRingsAreFrozen holds the rings still: nodes of different versions serve one VIP, and must agree on every slot.
func TestRingsAreFrozen(t *testing.T) {
	weighted := list(100)
	for i := range weighted {
		weighted[i].Weight = uint32(1 + i)
	}
	weighted[7].Key = netip.MustParseAddr("fd00:1:1::11")
	for _, row := range []struct {
		sentence string
		size     int
		entries  []Entry
		want     uint64
	}{{"equal", 65537, list(12), 0x2b3352f5b795da66}, {"weighted", 4099, weighted, 0xfdf5f87dfc2bf33d}} {
		sum := fnv.New64a()
		if err := binary.Write(sum, binary.BigEndian, build(t, row.size, row.entries)); err != nil {
			t.Fatal(err)
		}
		if got := sum.Sum64(); got != row.want {
			t.Errorf("%s weights: the ring has the sum %#x, in versions before %#x", row.sentence, got, row.want)
		}
	}
}

func TestNothingToServe(t *testing.T) {
	var b Builder
	zero := list(3)
	for i := range zero {
		zero[i].Weight = 0
	}
	for name, entries := range map[string][]Entry{"no list": nil, "empty list": {}, "weights of zero": zero} {
		ring := build(t, 251, list(3))
		if err := b.Build(ring, entries); err != nil {
			t.Fatal(err)
		}
		if slices.Max(ring) != 0 {
			t.Errorf("%s: the old ring is still there", name)
		}
	}
	one := list(3)
	one[0].Weight, one[2].Weight = 0, 0
	if ring := build(t, 251, one); slices.Min(ring) != 2 || slices.Max(ring) != 2 {
		t.Error("the only backend with a weight does not have all slots")
	}
	if shares := Shares(build(t, 251, list(2000))); len(shares) != 251 {
		t.Errorf("251 slots, 2000 backends: %d of them have slots", len(shares))
	}
}

// TestEqualHashes uses two keys that are built to collide in all 64 bits.
func TestEqualHashes(t *testing.T) {
	a := netip.MustParseAddr("2001:db8::1")
	raw := a.As16()
	raw[7] ^= 1
	delta := mix(0x20010db800000000+saltHigh) ^ mix(0x20010db800000001+saltHigh)
	for i := range 8 {
		raw[15-i] ^= byte(delta >> (8 * i))
	}
	b := netip.AddrFrom16(raw)
	if hash(a) != hash(b) || a == b {
		t.Fatalf("%v and %v do not collide", a, b)
	}
	entries := append(list(10), Entry{ID: 11, Key: a, Weight: 100}, Entry{ID: 12, Key: b, Weight: 100})
	want := build(t, 251, entries)
	slices.Reverse(entries)
	if got := build(t, 251, entries); !slices.Equal(got, want) {
		t.Error("the order of the list decides between keys of equal hash")
	}
}

func TestRefuses(t *testing.T) {
	with := func(change func([]Entry)) []Entry {
		entries := list(5)
		change(entries)
		return entries
	}
	for _, row := range []struct {
		size    int
		entries []Entry
		want    string
	}{
		{250, nil, "build ring: 250 slots: not a prime from 251 to 131071"},
		{253, nil, "build ring: 253 slots: not a prime from 251 to 131071"},
		{241, nil, "build ring: 241 slots: not a prime from 251 to 131071"},
		{131101, nil, "build ring: 131101 slots: not a prime from 251 to 131071"},
		{0, nil, "build ring: 0 slots: not a prime from 251 to 131071"},
		{251, with(func(e []Entry) { e[3].ID = 0 }), "build ring: entries[3]: id 0: not from 1 to 32767"},
		{251, with(func(e []Entry) { e[3].ID = 32768 }), "build ring: entries[3]: id 32768: not from 1 to 32767"},
		{251, with(func(e []Entry) { e[2].Key = netip.Addr{} }), "build ring: entries[2]: no key"},
		{251, with(func(e []Entry) { e[4].Key, e[4].Weight = netip.AddrFrom16(e[1].Key.As16()), 7 }), "build ring: entries[1] and entries[4]: both have the key"},
		{251, list(MaxID + 1), "build ring: 32768 entries: more than 32767"},
	} {
		ring := make([]uint16, row.size)
		for i := range ring {
			ring[i] = 9
		}
		err := new(Builder).Build(ring, row.entries)
		if err == nil || !strings.HasPrefix(err.Error(), row.want) {
			t.Errorf("got %v, want %s", err, row.want)
		}
		if len(ring) > 0 && slices.Min(ring) != 9 {
			t.Errorf("%s: the ring was touched", row.want)
		}
	}
}

func TestBuildAllocatesOnce(t *testing.T) {
	var b Builder
	ring := make([]uint16, 4099)
	entries := list(100)
	entries[0].Weight = 50
	if allocs := testing.AllocsPerRun(10, func() {
		if err := b.Build(ring, entries); err != nil {
			t.Fatal(err)
		}
	}); allocs != 0 {
		t.Errorf("%.0f allocations a ring", allocs)
	}
}
