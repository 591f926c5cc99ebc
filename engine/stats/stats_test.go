package stats

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestBetween(t *testing.T) {
	for _, row := range []struct {
		name          string
		before, after Total
		elapsed       time.Duration
		want          Rate
	}{
		{"one second", Total{10, 600}, Total{15, 1000}, time.Second, Rate{5, 400, true, false}},
		{"two seconds", Total{10, 600}, Total{15, 1000}, 2 * time.Second, Rate{2.5, 200, true, false}},
		{"nothing came", Total{10, 600}, Total{10, 600}, time.Second, Rate{0, 0, true, false}},
		{"no time went by", Total{10, 600}, Total{15, 1000}, 0, Rate{}},
		{"the clock was set back", Total{10, 600}, Total{15, 1000}, -time.Second, Rate{}},
		{"fewer packets", Total{10, 600}, Total{9, 1000}, time.Second, Rate{Back: true}},
		{"fewer bytes", Total{10, 600}, Total{15, 599}, time.Second, Rate{Back: true}},
		{"fewer at the same moment", Total{10, 600}, Total{0, 0}, 0, Rate{Back: true}},
		{"close to the largest number", Total{1<<64 - 3, 0}, Total{1<<64 - 1, 0}, time.Second, Rate{2, 0, true, false}},
	} {
		if r := Between(row.before, row.after, row.elapsed); r != row.want {
			t.Errorf("%s: %+v, want %+v", row.name, r, row.want)
		}
	}
}

// TestSeries compares a series with one that keeps everything and thinks afterwards.
func TestSeries(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	dice := rand.New(rand.NewPCG(seed, 0))
	s, short := NewSeries(Day), NewSeries(Minute)
	var all []float64
	for i := range 4000 {
		v, seconds := float64(dice.IntN(1000)), 1
		switch {
		case i < 700: // long enough for the first ring to be full of nothing
			v = 0
		case dice.IntN(50) == 0:
			seconds = 1 + dice.IntN(200)
		}
		s.Push(v, seconds)
		short.Push(v, seconds)
		for range seconds {
			all = append(all, v)
		}
		if i%97 != 0 && i != 3999 {
			continue
		}
		for _, n := range []int{0, 1, 60, 1000} {
			if got, want := s.AppendLast(nil, n), last(all, min(n, 600)); !slices.Equal(got, want) {
				t.Fatalf("after %d seconds the last %d are\n%v, want\n%v", len(all), n, got, want)
			}
			if got, want := short.AppendLast(nil, n), last(all, min(n, 60)); !slices.Equal(got, want) {
				t.Fatalf("after %d seconds the last %d of the short one are\n%v, want\n%v", len(all), n, got, want)
			}
		}
		for at, held := range map[Span]int{ByTheSecond: 600, ByTen: 360, ByTheMinute: 1440} {
			if got, want := s.Points(at), last(points(all, int(time.Duration(at).Seconds())), held); !slices.Equal(got, want) {
				t.Fatalf("after %d seconds, %v:\n%v, want\n%v", len(all), time.Duration(at), got, want)
			}
		}
	}
	if got := short.Points(ByTen); got != nil {
		t.Errorf("a series of a minute knows tens: %v", got)
	}
	if got := short.AppendLast([]float64{7}, 1); len(got) != 2 || got[0] != 7 {
		t.Errorf("appended to 7: %v", got)
	}
}

// TestSeriesGap: a pause longer than all that is held costs no more than what is held.
func TestSeriesGap(t *testing.T) {
	s := NewSeries(Day)
	s.Push(3, 1)
	s.Push(7, 1<<31-1)
	for at, held := range map[Span]int{ByTheSecond: 600, ByTen: 360, ByTheMinute: 1440} {
		got := s.Points(at)
		if want := slices.Repeat([]Point{{7, 7}}, held); !slices.Equal(got, want) {
			t.Errorf("%v: %d points, from %v to %v", time.Duration(at), len(got), got[0], got[len(got)-1])
		}
	}
}

func TestSeriesOfNothing(t *testing.T) {
	before := heap()
	all := make([]*Series, 1000)
	for i := range all {
		all[i] = NewSeries(Day)
		all[i].Push(0, 700)
	}
	if each := (heap() - before) / len(all); each > 500 {
		t.Errorf("a series that has seen nothing but zero holds %d bytes", each)
	}
	if got := all[0].AppendLast(nil, 1000); len(got) != 600 {
		t.Errorf("%d zeros are remembered, want 600", len(got))
	}
}

// TestSet: totals that grow by 10 a second, read at odd times.
func TestSet(t *testing.T) {
	start := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for _, row := range []struct {
		name  string
		ticks []time.Duration // of the total 10 × seconds
		want  []float64
	}{
		{"on time", seconds(0, 1, 2, 3), []float64{10, 10, 10}},
		{"early and late", seconds(0, 0.9, 2.3, 2.8, 4), []float64{10, 10, 10, 10}},
		{"three missed", seconds(0, 1, 5, 6), []float64{10, 10, 10, 10, 10, 10}},
		{"two in one second", seconds(0, 1, 1.2, 2), []float64{10, 10}},
		{"the same moment twice", seconds(0, 1, 1, 2), []float64{10, 10}},
		{"a clock that is set back", seconds(0, 2, 1, 3), []float64{10, 10, 10}},
	} {
		s := NewSet[string](Minute, time.Minute)
		for _, at := range row.ticks {
			s.Tick(start.Add(at))
			r := s.Read("web", Total{Packets: uint64(10 * max(s.now, at).Seconds()), Bytes: uint64(1000 * max(s.now, at).Seconds())})
			if r.Back || r.Known && (r.PPS < 9.9 || r.PPS > 10.1) {
				t.Errorf("%s: at %v: %+v", row.name, at, r)
			}
		}
		got := s.AppendLast(nil, "web", 60)
		for i := range got {
			got[i] = float64(int(got[i] + 0.5))
		}
		if !slices.Equal(got, row.want) {
			t.Errorf("%s: %v, want %v", row.name, got, row.want)
		}
	}
}

// TestSetSum: whatever the times of the ticks, the seconds add up to the packets that were counted.
func TestSetSum(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	dice := rand.New(rand.NewPCG(seed, 0))
	s := NewSet[int](Day, time.Hour)
	var at time.Duration
	var total uint64
	for range 300 { // on whole seconds, some missed, some twice
		s.Tick(time.Unix(0, 0).Add(at))
		s.Read(1, Total{Packets: total})
		at += time.Duration(dice.IntN(4)) * time.Second
		total += uint64(dice.IntN(100))
	}
	s.Tick(time.Unix(0, 0).Add(at + time.Second))
	s.Read(1, Total{Packets: total})
	sum := 0.0
	for _, v := range s.AppendLast(nil, 1, 600) {
		sum += v
	}
	if len(s.AppendLast(nil, 1, 1000)) > 600 || sum < float64(total)-1 || sum > float64(total)+1 {
		t.Errorf("the seconds add up to %.2f, counted were %d", sum, total)
	}
}

func TestSetBack(t *testing.T) {
	s := NewSet[int](Minute, time.Minute)
	var got []Rate
	for i, packets := range []uint64{100, 110, 5, 25} {
		s.Tick(time.Unix(int64(i), 0))
		got = append(got, s.Read(1, Total{Packets: packets}))
	}
	want := []Rate{{}, {PPS: 10, Known: true}, {Back: true}, {PPS: 20, Known: true}}
	if !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if s.Backs() != 1 {
		t.Errorf("%d totals went back, want 1", s.Backs())
	}
	if h := s.AppendLast(nil, 1, 60); !slices.Equal(h, []float64{10, 0, 20}) {
		t.Errorf("history %v", h)
	}
	s.Read(1, Total{Packets: 1})
	s.Tick(time.Unix(4, 0))
	if r := s.Read(1, Total{Packets: 31}); r.PPS != 30 {
		t.Errorf("after it went back within a second: %+v", r)
	}
}

func TestSetForgets(t *testing.T) {
	s := NewSet[string](Minute, 30*time.Second)
	for i := range 100 {
		s.Tick(time.Unix(int64(i), 0))
		s.Read("stays", Total{Packets: uint64(i)})
		if i < 20 || i == 45 { // away for less than half a minute, then for good
			s.Read("goes", Total{Packets: uint64(i)})
		}
		if i == 45 {
			if h := s.AppendLast(nil, "goes", 60); len(h) != 45 || h[44] != 1 || h[20] != 1 {
				t.Errorf("back after 26 s: %v", h)
			}
		}
	}
	if h := s.AppendLast(nil, "goes", 60); s.Len() != 1 || h != nil || s.Points("goes", ByTheSecond) != nil {
		t.Errorf("%d keys; of the one that is gone %v", s.Len(), h)
	}
	if p := s.Points("stays", ByTheSecond); len(p) != 60 || p[0] != (Point{1, 1}) {
		t.Errorf("of the one that stays: %v", p)
	}
}

// points are the averages and maxima of each n whole seconds.
func points(all []float64, n int) []Point {
	var out []Point
	for chunk := range slices.Chunk(all, n) {
		if len(chunk) < n {
			break
		}
		sum := 0.0
		for _, v := range chunk {
			sum += v
		}
		out = append(out, Point{float32(sum / float64(n)), float32(slices.Max(chunk))})
	}
	return out
}

func last[T any](all []T, n int) []T {
	if n == 0 || len(all) == 0 {
		return nil
	}
	return all[max(0, len(all)-n):]
}

func seconds(all ...float64) []time.Duration {
	out := make([]time.Duration, len(all))
	for i, s := range all {
		out[i] = time.Duration(s * float64(time.Second))
	}
	return out
}
