package bench

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestRateEdits: in the second around a change of the rate, no more pass than the larger one allows, and one: the batches
// of both are whole numbers.
func TestRateEdits(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	a, start := newAsker(t, false), second
	for _, rates := range [][2]uint32{{1, 2}, {7, 8}, {8, 9}, {11, 12}, {10, 1000}, {127, 129}, {1000, 1001}, {300, 5000}} {
		for _, key := range []uint64{0, uint64(rates[1]) << 50} {
			r := rand.New(rand.NewPCG(seed, uint64(rates[0])))
			start += 20 * second
			list := make([]arrival, 20*int(rates[1]))
			for i := range list {
				start += uint64(r.ExpFloat64() * float64(every(2*float64(rates[1]))))
				list[i] = arrival{At: start, Key: key, Rate: rates[start/(second*5/4)%2]}
			}
			if err := a.ask(list, 0); err != nil {
				t.Fatal(err)
			}
			if peak, _ := most(list); peak > int(rates[1])+1 {
				t.Errorf("rates %v, key %#x: %d in one second", rates, key, peak)
			}
		}
	}
}

// TestSourcesUnderFlood: while a set sees as many strangers as each of all sets does in a flood of a million SYNs a
// second, no source gets more than its rate, those that send much keep their place, and one that sends little is let in.
func TestSourcesUnderFlood(t *testing.T) { testFlood(t, 200, 60, 20, true) }

// TestSourcesUnderAnyFlood: when a set sees more than it can tell apart, still no source gets more than its rate, however
// often it has to leave and comes back.
func TestSourcesUnderAnyFlood(t *testing.T) {
	for _, rate := range []int{1, 5, 8, 9, 15, 200, 1000} {
		testFlood(t, rate, 1000, 400, false)
	}
}

// Sources of testFlood: three that send thrice the rate, eight that share what some send, eight that take turns to send the
// rate at once, one that sends once a second, and strangers who send once.
const (
	floodSet = uint64(3) << 50
	heavy    = 3
	some     = 10
	all      = 20
	light    = 30
	stranger = 1000
)

func testFlood(t *testing.T, rate, strangers, someSend int, fair bool) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	list := flood(rand.New(rand.NewPCG(seed, 0)), rate, strangers, someSend, !fair)
	if err := newAsker(t, false).ask(list, 0); err != nil {
		t.Fatal(err)
	}
	each := map[uint64][]arrival{}
	for _, a := range list {
		each[a.Key&^floodSet] = append(each[a.Key&^floodSet], a)
	}
	letIn := 0
	for source, list := range each {
		peak, passed := most(list)
		if peak > rate {
			t.Errorf("source %d: %d passed in one second, of %d", source, peak, rate)
		}
		share := float64(passed) / float64(exact(list, rate, second, false))
		if fair && source < stranger && share < 0.85 {
			t.Errorf("source %d: %.4f of an exact log", source, share)
		}
		if source >= stranger {
			letIn += passed
		}
	}
	t.Logf("rate %d: of %d connections, %d that came from strangers were let in", rate, len(list), letIn)
}

func flood(r *rand.Rand, rate, strangers, someSend int, atOnce bool) (list []arrival) {
	add := func(at, source uint64) {
		list = append(list, arrival{At: at, Key: floodSet | source, Rate: uint32(rate)})
	}
	next := uint64(stranger)
	for s := uint64(10); s < 30; s++ {
		anytime := func() uint64 { return s*second + uint64(r.Int64N(int64(second))) }
		for i := range uint64(heavy * 3 * rate) {
			add(anytime(), 1+i%heavy)
		}
		for i := range uint64(someSend) {
			add(anytime(), some+(s+i)%8)
		}
		for i := range uint64(rate) {
			if atOnce {
				add(s*second+s%2*second/3+i*1000, all+s%8)
			}
		}
		for range strangers {
			next++
			add(anytime(), next)
		}
		add(anytime(), light)
	}
	slices.SortFunc(list, func(a, b arrival) int { return int(int64(a.At - b.At)) })
	return list
}
