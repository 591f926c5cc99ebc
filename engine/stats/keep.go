package stats

import (
	"encoding/binary"
	"math"
	"time"
)

// Kept is a set as it goes to the process that reads the counters next.
type Kept[K comparable] struct {
	Start  time.Time
	Slot   int64
	Now    time.Duration
	Meters []KeptMeter[K]
}

// KeptMeter is the last reading of one key, and its history.
type KeptMeter[K comparable] struct {
	Key    K
	Total  Total
	At     time.Duration
	Slot   int64
	Series KeptSeries
}

// KeptSeries is a series.
type KeptSeries struct {
	Seconds KeptRing
	Tens    KeptRing // average and maximum in turn
	Minutes KeptRing
	Ten     KeptSpan // those that are not over
	Minute  KeptSpan
}

// KeptRing is what a ring holds: so many zeros, or numbers of four bytes, least significant first, the oldest first.
type KeptRing struct {
	Zeros  int32  `json:",omitempty"`
	Values []byte `json:",omitempty"`
}

// KeptSpan is a span that is not over.
type KeptSpan struct {
	Have int
	Sum  float64
	Max  float32
}

// Keep is everything that s knows.
func (s *Set[K]) Keep() Kept[K] {
	k := Kept[K]{Start: s.start, Slot: s.slot, Now: s.now, Meters: make([]KeptMeter[K], 0, len(s.meters))}
	for key, m := range s.meters {
		k.Meters = append(k.Meters, KeptMeter[K]{key, m.total, m.at, m.slot, m.series.keep()})
	}
	return k
}

// Resume makes s, which must be empty, go on where the set was that was kept.
func (s *Set[K]) Resume(k Kept[K]) {
	s.start, s.slot, s.now, s.swept = k.Start, k.Slot, k.Now, k.Slot
	for _, m := range k.Meters {
		series := newSeries(s.depth)
		series.resume(m.Series)
		s.meters[m.Key] = &meter{m.Total, m.At, m.Slot, series}
	}
}

func (s *Series) keep() (k KeptSeries) {
	k.Seconds = keepRing(&s.seconds, func(v float32) []float32 { return []float32{v} })
	if s.longer == nil {
		return k
	}
	both := func(p Point) []float32 { return []float32{p.Average, p.Max} }
	k.Tens, k.Minutes = keepRing(&s.longer.tens, both), keepRing(&s.longer.minutes, both)
	k.Ten, k.Minute = s.longer.ten.keep(), s.longer.minute.keep()
	return k
}

func (s *Series) resume(k KeptSeries) {
	resumeRing(&s.seconds, k.Seconds, 1, func(v []float32) float32 { return v[0] })
	if s.longer == nil {
		return
	}
	both := func(v []float32) Point { return Point{v[0], v[1]} }
	resumeRing(&s.longer.tens, k.Tens, 2, both)
	resumeRing(&s.longer.minutes, k.Minutes, 2, both)
	s.longer.ten.resume(k.Ten)
	s.longer.minute.resume(k.Minute)
}

func (p span) keep() KeptSpan { return KeptSpan{p.have, p.sum, p.max} }

// resume takes a span that was not over; one that makes no sense is forgotten.
func (p *span) resume(k KeptSpan) {
	if k.Have >= 0 && k.Have < p.of {
		p.have, p.sum, p.max = k.Have, k.Sum, k.Max
	}
}

func keepRing[T comparable](r *ring[T], numbers func(T) []float32) (k KeptRing) {
	if r.buf == nil {
		return KeptRing{Zeros: r.held}
	}
	r.each(int(r.held), func(v T) {
		for _, n := range numbers(v) {
			k.Values = binary.LittleEndian.AppendUint32(k.Values, math.Float32bits(n))
		}
	})
	return k
}

// resumeRing fills an empty ring. A number is of each values in a row; what is left over is passed over.
func resumeRing[T comparable](r *ring[T], k KeptRing, each int, number func([]float32) T) {
	var zero T
	r.push(zero, int(max(0, k.Zeros)))
	v := make([]float32, each)
	for raw := k.Values; len(raw) >= 4*each; raw = raw[4*each:] {
		for i := range v {
			v[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
		}
		r.push(number(v), 1)
	}
}
