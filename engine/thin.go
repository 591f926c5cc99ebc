package engine

import (
	"time"

	"hairpin/engine/stats"
)

// thinner makes of the states of a span of time one whose rates are the averages over it.
type thinner struct {
	span time.Duration
	last time.Time // of the state before
	rows map[rowKey]*thinRow
	tick int
}

// thinRow is what one counter did since the span began.
type thinRow struct {
	first stats.Total
	at    time.Time
	peak  float64
	tick  int // when it was last there
}

// add takes a state, and makes one of all since the last that it made, if a span of the clock is over.
func (t *thinner) add(s *State) (*State, bool) {
	if t.rows == nil {
		t.rows = map[rowKey]*thinRow{}
	}
	t.tick++
	counters(s, func(k rowKey, c *Counter, _ *[]float64) {
		r := t.rows[k]
		if r == nil {
			r = &thinRow{first: stats.Total{Packets: c.Packets, Bytes: c.Bytes}, at: s.Time}
			t.rows[k] = r
		}
		r.peak, r.tick = max(r.peak, c.PPS, c.Peak), t.tick
	})
	over := !t.last.IsZero() && !s.Time.Truncate(t.span).Equal(t.last.Truncate(t.span))
	t.last = s.Time
	if !over {
		return nil, false
	}
	thin := withOwnCounters(s)
	thin.Span = t.span
	counters(thin, func(k rowKey, c *Counter, _ *[]float64) {
		r := t.rows[k]
		now := stats.Total{Packets: c.Packets, Bytes: c.Bytes}
		if rate := stats.Between(r.first, now, s.Time.Sub(r.at)); rate.Known {
			c.PPS, c.BPS = rate.PPS, rate.BPS
		}
		if c.Peak = r.peak; k.what == ofBackend {
			c.Peak = 0
		}
		*r = thinRow{now, s.Time, 0, t.tick}
	})
	for k, r := range t.rows {
		if r.tick != t.tick {
			delete(t.rows, k)
		}
	}
	return thin, true
}
