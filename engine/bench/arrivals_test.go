package bench

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
)

const (
	arrivalsARun = 4096
	second       = uint64(time.Second)
)

// arrival is struct arrival of arrivals.bpf.c.
type arrival struct {
	At, Done, Key uint64
	Rate, Passed  uint32
}

// asker is the limits of the data path with clocks of their own.
type asker struct {
	program *ebpf.Program
	asked   *ebpf.Memory
}

func newAsker(t *testing.T, offered bool) *asker {
	t.Helper()
	spec, err := LoadArrivals()
	if err != nil {
		t.Fatal(err)
	}
	if offered {
		if err := spec.Variables["offered"].Set(uint32(1)); err != nil {
			t.Fatal(err)
		}
	}
	loaded, err := ebpf.NewCollection(spec)
	if err != nil {
		t.Fatalf("load: %+v", err)
	}
	defer loaded.Close()
	a := &asker{program: loaded.DetachProgram("arrive")}
	if a.asked, err = loaded.Maps["asked"].Memory(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.program.Close() })
	return a
}

// ask fills in what becomes of arrivals; who is 0 or 1, for two that ask at the same time.
func (a *asker) ask(list []arrival, who byte) error {
	const size = int(unsafe.Sizeof(arrival{}))
	frame := make([]byte, 64)
	frame[0] = who
	for len(list) > 0 {
		var part [arrivalsARun]arrival
		n := copy(part[:], list)
		for i := n; i < len(part); i++ {
			part[i] = arrival{At: 1, Key: 1, Rate: 1} // asks a source that nobody looks at
		}
		bytes := unsafe.Slice((*byte)(unsafe.Pointer(&part)), arrivalsARun*size)
		at := int64(who) * int64(len(bytes))
		if _, err := a.asked.WriteAt(bytes, at); err != nil {
			return fmt.Errorf("write arrivals: %w", err)
		}
		if _, err := a.program.Run(&ebpf.RunOptions{Data: frame, Repeat: 1}); err != nil {
			return fmt.Errorf("ask about arrivals: %w", err)
		}
		if _, err := a.asked.ReadAt(bytes, at); err != nil {
			return fmt.Errorf("read arrivals: %w", err)
		}
		copy(list, part[:n])
		list = list[n:]
	}
	return nil
}

// exact is how many of these a log of every connection lets pass, with that rate in any time as long.
func exact(list []arrival, rate int, long uint64, offered bool) (passed int) {
	var log []uint64
	for _, a := range list {
		fits := len(log) < rate || a.At-log[len(log)-rate] >= long
		if fits {
			passed++
		}
		if fits || offered {
			log = append(log, a.At)
		}
	}
	return passed
}

// most is the most that surely passed in any second.
func most(list []arrival) (most, passed int) {
	var all []arrival
	for _, a := range list {
		if a.Passed != 0 {
			all = append(all, a)
		}
	}
	slices.SortFunc(all, func(a, b arrival) int { return int(int64(a.At - b.At)) })
	first := 0
	for i := range all {
		for all[i].Done-all[first].At >= second {
			first++
		}
		most = max(most, i-first+1)
	}
	return most, len(all)
}

// pattern is a way in which connections come: how long after the last one the i-th does, for a limit of that rate.
type pattern struct {
	name string
	gap  func(r *rand.Rand, i, rate int) uint64
}

// every is the time between connections that come as often as that in a second.
func every(times float64) uint64 { return uint64(float64(second) / times) }

var patterns = []pattern{
	{"even, a bit more than twice the rate", func(_ *rand.Rand, _, rate int) uint64 { return every(2.1 * float64(rate)) }},
	{"even, just the rate", func(_ *rand.Rand, _, rate int) uint64 {
		return every(float64(rate)) + uint64(100*time.Microsecond)/uint64(rate) + 1
	}},
	{"random, three times the rate", func(r *rand.Rand, _, rate int) uint64 {
		return uint64(r.ExpFloat64() * float64(every(3*float64(rate))))
	}},
	{"random, a bit less than the rate", func(r *rand.Rand, _, rate int) uint64 {
		return uint64(r.ExpFloat64() * float64(every(0.95*float64(rate))))
	}},
	{"twice the rate at once, each second", func(_ *rand.Rand, i, rate int) uint64 { return burst(i, 2*rate, second+uint64(100*time.Microsecond)) }},
	{"the rate at once, each second", func(_ *rand.Rand, i, rate int) uint64 { return burst(i, rate, second+uint64(100*time.Microsecond)) }},
	{"half the rate at once, again and again", func(_ *rand.Rand, i, rate int) uint64 { return burst(i, (rate+1)/2, second*35/100) }},
	{"bursts of any size at any time", func(r *rand.Rand, _, rate int) uint64 {
		if r.IntN(max(2, rate/2)) == 0 {
			return uint64(r.Int64N(int64(second)))
		}
		return uint64(r.Int64N(2000))
	}},
	{"all but one at once, and one late", func(r *rand.Rand, i, rate int) uint64 {
		switch i % (rate + 1) {
		case 0:
			return second/2 + uint64(r.Int64N(int64(second)))
		case rate:
			return second/2 - uint64(r.Int64N(int64(second/2)))
		}
		return 1000
	}},
	{"a ramp from nothing to ten times the rate", func(_ *rand.Rand, i, rate int) uint64 {
		return every(float64(rate) * float64(1+i%(10*rate)) / float64(rate))
	}},
}

// burst is a gap before each group of n, and a microsecond within it.
func burst(i, n int, gap uint64) uint64 {
	if i%n == 0 {
		return gap
	}
	return 1000
}

// limitRates are whole batches, one more, one less, and fewer than there are batches.
var limitRates = []int{1, 2, 7, 8, 9, 15, 17, 100, 127, 128, 129, 255, 256, 257, 1000, 12345}

// TestWindowExactly: a window lets pass at most its rate in any second, and at least 98 % of what an exact log does.
func TestWindowExactly(t *testing.T) { testExactly(t, limited{batches: 128, least: 0.98}) }

// TestSourceExactly: a source has at most its rate in any second, and at least 85 % of what an exact log gives it.
func TestSourceExactly(t *testing.T) {
	testExactly(t, limited{batches: 8, least: 0.85, source: true, slack: 1 << 16})
}

// limited is one of the two logs of the data path: of so many batches, which are complete up to so many ns later than they
// are.
type limited struct {
	batches int
	least   float64
	source  bool
	slack   uint64
}

func testExactly(t *testing.T, l limited) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	for _, offered := range []bool{false, true} {
		a, start := newAsker(t, offered), second
		for _, rate := range limitRates {
			worst := 1.0
			for k, p := range patterns {
				start += 20 * second
				list := p.arrivals(rand.New(rand.NewPCG(seed, uint64(k))), &start, rate, l.source)
				if err := a.ask(list, 0); err != nil {
					t.Fatal(err)
				}
				peak, passed := most(list)
				share := float64(passed) / float64(max(exact(list, rate, second, offered), 1))
				worst = min(worst, share)
				sure := exact(list, rate-(rate-1)/l.batches, second+l.slack, offered) // a whole batch before it is complete
				if peak > rate || passed < sure || !offered && share < l.least {
					t.Errorf("rate %d, %s, offered %v: %d in one second; %d passed, of %d at least; %.4f of an exact log", rate, p.name,
						offered, peak, passed, sure, share)
				}
			}
			if !offered {
				t.Logf("rate %d: at least %.4f of an exact log", rate, worst)
			}
		}
	}
}

// arrivals are some seconds of a pattern, from start on, which it moves.
func (p pattern) arrivals(r *rand.Rand, start *uint64, rate int, source bool) []arrival {
	list := make([]arrival, max(arrivalsARun, 5*rate))
	for i := range list {
		*start += p.gap(r, i, rate)
		list[i] = arrival{At: *start, Rate: uint32(rate)}
		if source {
			list[i].Key = uint64(rate)<<50 | 7
		}
	}
	return list
}

// TestOnTwoCPUs: two CPUs that ask at once let pass at most one connection more than one does, of a source none.
func TestOnTwoCPUs(t *testing.T) {
	for _, row := range []struct {
		arrival
		most  int
		least float64
	}{{arrival{Rate: 1}, 2, 0.98}, {arrival{Rate: 12345}, 12346, 0.98}, {arrival{Rate: 1000, Key: 5}, 1000, 0.85}} {
		list, err := newAsker(t, false).askTwice(row.arrival, 1100*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		peak, passed := most(list)
		share := float64(passed) / float64(exact(list, int(row.Rate), second, false))
		t.Logf("rate %d: %d came, %d passed, at most %d in a second, %.4f of an exact log", row.Rate, len(list), passed, peak, share)
		if peak > row.most || share < row.least {
			t.Errorf("rate %d: at most %d in a second, %.4f of an exact log", row.Rate, peak, share)
		}
	}
}

// askTwice asks about the same arrival on two CPUs, as often as they can, and returns all in the order in which they came.
func (a *asker) askTwice(what arrival, during time.Duration) ([]arrival, error) {
	var lists [2][]arrival
	var errs [2]error
	var wait sync.WaitGroup
	for who := range lists {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for began := time.Now(); errs[who] == nil && time.Since(began) < during; {
				part := slices.Repeat([]arrival{what}, arrivalsARun)
				errs[who] = a.ask(part, byte(who))
				lists[who] = append(lists[who], part...)
			}
		}()
	}
	wait.Wait()
	all := slices.Concat(lists[0], lists[1])
	slices.SortFunc(all, func(a, b arrival) int { return int(int64(a.At - b.At)) })
	return all, errors.Join(errs[:]...)
}
