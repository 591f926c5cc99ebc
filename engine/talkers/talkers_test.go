package talkers

import (
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// zipf draws keys of which the i-th is i^-s as frequent as the first.
type zipf struct{ sums []float64 }

func newZipf(n int, s float64) zipf {
	z := zipf{make([]float64, n)}
	sum := 0.0
	for i := range z.sums {
		sum += math.Pow(float64(i+1), -s)
		z.sums[i] = sum
	}
	return z
}

func (z zipf) draw(g *rand.Rand) int {
	i, _ := slices.BinarySearch(z.sums, g.Float64()*z.sums[len(z.sums)-1])
	return i
}

// TestZipf: of a million flows the twenty largest are found in samples of one in ten, and how much they sent is known to
// within the bound that is said.
func TestZipf(t *testing.T) {
	t.Parallel()
	const flows, packets, oneIn, most = 1_000_000, 4_000_000, 10, 20
	g := rand.New(rand.NewPCG(7, 11))
	z, exact, bytes := newZipf(flows, 1.2), make([]float64, flows), make([]float64, flows)
	byPackets, byBytes := NewSummary[int](4096), NewSummary[int](4096)
	for range packets {
		key := z.draw(g)
		size := float64(60 + 1400*(key%2))
		exact[key]++
		bytes[key] += size
		if g.IntN(oneIn) == 0 {
			byPackets.Add(key, 1, oneIn)
			byBytes.Add(key, size, oneIn)
		}
	}
	for name, set := range map[string]struct {
		found []Estimate[int]
		exact []float64
	}{"packets": {byPackets.Top(most), exact}, "bytes": {byBytes.Top(most), bytes}} {
		rank := make([]int, flows)
		for i := range rank {
			rank[i] = i
		}
		slices.SortFunc(rank, func(a, b int) int { return int(set.exact[b] - set.exact[a]) })
		last := set.exact[rank[most-1]]
		for i, e := range set.found {
			is := set.exact[e.Key]
			if math.Abs(e.Sum-is) > e.Bound() {
				t.Errorf("%s: number %d is %d: %.0f, really %.0f, and the bound is %.0f", name, i+1, e.Key, e.Sum, is, e.Bound())
			}
			if is < last-e.Bound() || !slices.Contains(rank[:most+1], e.Key) {
				t.Errorf("%s: number %d is %d with %.0f, which is none of the first %d: the last of them has %.0f", name, i+1, e.Key, is, most, last)
			}
			if e.Bound() > is/2 {
				t.Errorf("%s: a bound of %.0f for %.0f says nothing", name, e.Bound(), is)
			}
		}
	}
	if len(byPackets.at) != 4096 || len(byPackets.least) != 4096 {
		t.Errorf("%d keys in %d places", len(byPackets.at), len(byPackets.least))
	}
}

// TestSpaceSaving: without sampling no count is below the truth, nor above it by more than is said.
func TestSpaceSaving(t *testing.T) {
	g := rand.New(rand.NewPCG(1, 2))
	s, exact := NewSummary[int](50), map[int]float64{}
	z := newZipf(1000, 1)
	const all = 100_000
	for range all {
		key := z.draw(g)
		exact[key]++
		s.Add(key, 1, 1)
	}
	for key, is := range exact {
		e := s.Of(key)
		if e.Sum > 0 && (e.Sum < is || e.Sum-e.Over > is) || e.Sum == 0 && e.Over < is || e.Over > all/50 {
			t.Errorf("%d: %+v, really %v", key, e, is)
		}
	}
}

// TestWindow: what is older than two spans is forgotten, what is younger than one is not.
func TestWindow(t *testing.T) {
	w := NewWindow[string](8, 10*time.Second, time.Time{})
	at := time.Unix(1000, 0)
	for i, key := range []string{"a", "b", "c", "d"} {
		w.Add(at.Add(time.Duration(i)*6*time.Second), key, 1, 1)
	}
	got := map[string]float64{}
	for _, e := range w.Top(9) {
		got[e.Key] = e.Sum
	}
	if got["a"] != 1 || got["c"] != 1 || got["d"] != 1 || w.Over(at.Add(18*time.Second)) != 18*time.Second {
		t.Errorf("%v %v", got, w.Over(at.Add(18*time.Second)))
	}
	if over := w.Over(at.Add(24 * time.Second)); over != 12*time.Second || w.Of("a").Sum != 0 || w.Of("c").Sum != 1 {
		t.Errorf("after a turn: %v, a %v, c %v", over, w.Of("a"), w.Of("c"))
	}
	if w.Over(at.Add(time.Hour)) != 0 || len(w.Top(9)) != 0 {
		t.Errorf("after an hour: %v", w.Top(9))
	}
}

// TestBookBegins: all measures are averages over the same time, so that nobody has more new connections than packets, though
// those were seen earlier than the first of these.
func TestBookBegins(t *testing.T) {
	start := time.Unix(1000, 0)
	b := NewBook(start)
	src := netip.MustParseAddrPort("198.51.100.7:1")
	for tick := range 400 {
		at := start.Add(time.Duration(tick) * 100 * time.Millisecond)
		s := Sample{At: at, Protocol: 6, Src: src, Dst: src, Flags: "S", Bytes: 60, OneIn: 1}
		burst := tick%130 >= 70
		if burst || tick%10 == 0 {
			b.Packet(s)
		}
		if burst {
			b.Opening(s)
		}
		top := b.Top(Source, New, 1, at)
		if len(top) == 0 {
			continue
		}
		if over := b.Over(at); over > 2*span || top[0].Rate[New] > top[0].Rate[Packets] {
			t.Fatalf("after %d ticks, over %s: %+v", tick, over, top[0])
		}
	}
}
