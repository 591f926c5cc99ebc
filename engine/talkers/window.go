package talkers

import "time"

// Window is a summary of the last while: of one to two spans.
type Window[K comparable] struct {
	span     time.Duration
	places   int
	now, was *Summary[K]
	since    time.Time // of was, or of now where there is none
	turned   time.Time
}

// NewWindow remembers from span to twice as long, with so many places. It looks from since on; zero: from its first sample.
func NewWindow[K comparable](places int, span time.Duration, since time.Time) *Window[K] {
	return &Window[K]{span: span, places: places, now: NewSummary[K](places), since: since, turned: since}
}

// Add counts a sample of a time that does not go back.
func (w *Window[K]) Add(at time.Time, key K, weight float64, oneIn int) {
	w.turn(at)
	w.now.Add(key, weight, oneIn)
}

func (w *Window[K]) turn(at time.Time) {
	switch {
	case w.since.IsZero():
		w.since, w.turned = at, at
	case at.Sub(w.turned) >= 2*w.span:
		w.was, w.now, w.since, w.turned = nil, NewSummary[K](w.places), at, at
	case at.Sub(w.turned) >= w.span:
		w.was, w.now, w.since, w.turned = w.now, NewSummary[K](w.places), w.turned, at
	}
}

// Over is how long it remembers by then.
func (w *Window[K]) Over(now time.Time) time.Duration {
	w.turn(now)
	return now.Sub(w.since)
}

// Of is the estimate of one key.
func (w *Window[K]) Of(key K) Estimate[K] {
	e := w.now.Of(key)
	if w.was != nil {
		o := w.was.Of(key)
		e.Sum, e.Over, e.Vary = e.Sum+o.Sum, e.Over+o.Over, e.Vary+o.Vary
	}
	return e
}

// Top are those with the most.
func (w *Window[K]) Top(n int) []Estimate[K] {
	var list []Estimate[K]
	for key := range w.now.at {
		list = append(list, w.Of(key))
	}
	if w.was != nil {
		for key := range w.was.at {
			if w.now.at[key] == nil {
				list = append(list, w.Of(key))
			}
		}
	}
	return top(list, n)
}
