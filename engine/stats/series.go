package stats

import "time"

// Depth is how far back a series remembers.
type Depth uint8

// Depths, with the memory of a series that has seen anything but zero.
const (
	Minute Depth = iota // by the second for 60 s; 240 bytes
	Day                 // by the second for 10 min, by 10 s for 1 h, by the minute for 24 h; 17 kB
)

// Span is a resolution of a series.
type Span time.Duration

// Spans of a series with depth Day. One with depth Minute has only the first.
const (
	ByTheSecond Span = Span(time.Second)
	ByTen       Span = Span(10 * time.Second)
	ByTheMinute Span = Span(time.Minute)
)

// Point is one span of time: the average rate in it, and the highest of any second.
type Point struct {
	Average float32
	Max     float32
}

// Series is the history of one rate, one value a second. It belongs to one goroutine.
type Series struct {
	seconds ring[float32]
	longer  *longer // nil with depth Minute
}

// longer is what remains of the seconds after their ring has forgotten them.
type longer struct {
	tens    ring[Point]
	minutes ring[Point]
	ten     span // of the 10 s that are not over yet
	minute  span
}

// NewSeries is an empty series.
func NewSeries(d Depth) *Series {
	s := newSeries(d)
	return &s
}

func newSeries(d Depth) Series {
	if d == Minute {
		return Series{seconds: ring[float32]{size: 60}}
	}
	return Series{
		seconds: ring[float32]{size: 600},
		longer:  &longer{tens: ring[Point]{size: 360}, minutes: ring[Point]{size: 1440}, ten: span{of: 10}, minute: span{of: 60}},
	}
}

// Push says that the rate was perSecond during the last seconds, which are more than one after ticks were missed.
func (s *Series) Push(perSecond float64, seconds int) {
	v := float32(perSecond)
	s.seconds.push(v, seconds)
	if s.longer != nil {
		s.longer.ten.push(v, seconds, &s.longer.tens)
		s.longer.minute.push(v, seconds, &s.longer.minutes)
	}
}

// AppendLast appends the values of the newest n seconds to dst, oldest first; fewer while the series is younger.
func (s *Series) AppendLast(dst []float64, n int) []float64 {
	s.seconds.each(n, func(v float32) { dst = append(dst, float64(v)) })
	return dst
}

// Points are all that is held at one resolution, oldest first. The span that is not over yet is not among them.
func (s *Series) Points(at Span) []Point {
	var all []Point
	switch {
	case at == ByTheSecond:
		s.seconds.each(int(s.seconds.held), func(v float32) { all = append(all, Point{v, v}) })
	case s.longer != nil && at == ByTen:
		s.longer.tens.each(int(s.longer.tens.held), func(p Point) { all = append(all, p) })
	case s.longer != nil && at == ByTheMinute:
		s.longer.minutes.each(int(s.longer.minutes.held), func(p Point) { all = append(all, p) })
	}
	return all
}

// span gathers seconds until it has as many as it is of.
type span struct {
	of   int
	have int
	sum  float64
	max  float32
}

// push adds v for some seconds and hands each span that is full to out. More than out holds would be forgotten there.
func (p *span) push(v float32, seconds int, out *ring[Point]) {
	if most := p.of * (int(out.size) + 1); seconds > most {
		seconds = most
	}
	for seconds > 0 {
		n := min(seconds, p.of-p.have)
		p.sum += float64(v) * float64(n)
		p.max = max(p.max, v)
		p.have += n
		seconds -= n
		if p.have == p.of {
			out.push(Point{Average: float32(p.sum / float64(p.of)), Max: p.max}, 1)
			*p = span{of: p.of}
		}
	}
}
