package stats

import (
	"math"
	"time"
)

// Set keeps the last total and a series of packets per second for each key. Keys that are not read for long are
// forgotten. It belongs to one goroutine.
type Set[K comparable] struct {
	depth  Depth
	forget time.Duration
	meters map[K]*meter
	start  time.Time     // of the first tick; seconds are counted from here
	now    time.Duration // of this tick, since start
	slot   int64         // the second that this tick stands for
	swept  int64         // the second in which keys were last forgotten
	backs  uint64
}

// meter is one key's. Its times are since the set's start.
type meter struct {
	total  Total
	at     time.Duration
	slot   int64
	series Series
}

// NewSet is empty. A key is forgotten when it was not read for longer than forget.
func NewSet[K comparable](d Depth, forget time.Duration) *Set[K] {
	return &Set[K]{depth: d, forget: forget, meters: map[K]*meter{}}
}

// Tick begins a reading of all counters. Ticks are meant to come every second and may be late, missed or doubled: each
// value stands in its second all the same.
func (s *Set[K]) Tick(now time.Time) {
	if s.start.IsZero() {
		s.start = now
	}
	s.now = max(s.now, now.Sub(s.start)) // a clock that was set back stands still
	s.slot = int64(math.Round(s.now.Seconds()))
	if s.slot-s.swept >= 10 {
		s.sweep()
	}
}

// Read tells the total of k at this tick and returns its rate since the one before. Of seconds that were missed, each
// gets the average.
func (s *Set[K]) Read(k K, t Total) Rate {
	m, known := s.meters[k]
	if !known {
		s.meters[k] = &meter{total: t, at: s.now, slot: s.slot, series: newSeries(s.depth)}
		return Rate{}
	}
	r := Between(m.total, t, s.now-m.at)
	if r.Back {
		s.backs++
	}
	missed := s.slot - m.slot
	if missed == 0 && !r.Back {
		return r // a second tick in one second: the next value covers it
	}
	if missed > 0 {
		m.series.Push(r.PPS, int(min(missed, math.MaxInt32)))
	}
	m.total, m.at, m.slot = t, s.now, s.slot
	return r
}

// AppendLast appends the packets per second of k in the newest n seconds to dst, oldest first.
func (s *Set[K]) AppendLast(dst []float64, k K, n int) []float64 {
	if m, ok := s.meters[k]; ok {
		return m.series.AppendLast(dst, n)
	}
	return dst
}

// Points are the history of k at one resolution, oldest first.
func (s *Set[K]) Points(k K, at Span) []Point {
	if m, ok := s.meters[k]; ok {
		return m.series.Points(at)
	}
	return nil
}

// Len is the number of keys.
func (s *Set[K]) Len() int { return len(s.meters) }

// Backs is how often a total was less than before, over all keys ever.
func (s *Set[K]) Backs() uint64 { return s.backs }

func (s *Set[K]) sweep() {
	s.swept = s.slot
	for k, m := range s.meters {
		if s.now-m.at > s.forget {
			delete(s.meters, k)
		}
	}
}
