package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"sync"
	"time"

	records "hairpin/engine/record"
	"hairpin/engine/spec"
)

// historySpan is the time that histories in a State go back.
const historySpan = historySeconds * time.Second

// mostMoments and mostMarks bound a Timeline.
const (
	mostMoments = 2500
	mostMarks   = 1000
)

// Recording is how a node looked over a time: what its engine records, or an incident file. Any goroutine may ask it.
type Recording struct {
	mu      sync.Mutex
	reader  *records.Reader[shot]
	events  []Event // oldest first
	spec    *spec.Spec
	text    string // that spec is of
	problem *Problem
}

// OpenRecording reads what the engine of this node recorded, also while it does. What is recorded later is not in it.
// ErrInvalid when there is nothing.
func OpenRecording(p Paths) (*Recording, error) { return openRecording(p.Record()) }

func openRecording(dir string) (*Recording, error) {
	r, err := records.OpenFolder[shot](dir)
	return newRecording(r, err)
}

// OpenIncident reads a file that Export wrote. ErrInvalid when it is none, or one of a later version; one that is cut short
// is read as far as it goes, and Damage says so.
func OpenIncident(file string) (*Recording, error) {
	r, err := records.OpenFile[shot](file)
	return newRecording(r, err)
}

func newRecording(r *records.Reader[shot], err error) (*Recording, error) {
	if err != nil {
		return nil, recordError(err)
	}
	c := &Recording{reader: r}
	r.Notes(func(_ time.Time, content []byte) {
		var e Event
		if json.Unmarshal(content, &e) == nil {
			c.events = append(c.events, e)
		}
	})
	return c, nil
}

// recordError gives err its meaning for front ends.
func recordError(err error) error {
	for _, is := range []error{records.ErrNone, records.ErrNotRecord, records.ErrNewer} {
		if errors.Is(err, is) {
			return fmt.Errorf("%w: %w", ErrInvalid, err)
		}
	}
	return err
}

// Close gives its files back.
func (r *Recording) Close() { r.reader.Close() }

// Damage says what cannot be read of it.
func (r *Recording) Damage() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.reader.Damage())
}

// Bounds are the times of the first and the last State in it; ErrInvalid when there is none.
func (r *Recording) Bounds() (first, last time.Time, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, span := range r.reader.Spans() {
		heads := r.reader.Heads(span)
		from, to := heads[0].Time, heads[len(heads)-1].Time
		if first.IsZero() || from.Before(first) {
			first = from
		}
		if to.After(last) {
			last = to
		}
	}
	if first.IsZero() {
		return first, last, recordError(records.ErrNone)
	}
	return first, last, nil
}

// At is the State that was shown at a time, or the last one before it. Its Span says how exact that is, its Time how far
// off. ErrInvalid when nothing is recorded.
func (r *Recording) At(t time.Time) (*State, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	heads, shots, err := r.reader.At(t, historySpan)
	if err != nil {
		return nil, recordError(err)
	}
	last := shots[len(shots)-1]
	s := last.State
	if s.Span = heads[len(heads)-1].Span; s.Span == time.Second {
		s.Span = 0
	}
	s.Events = r.eventsUntil(last.LastEvent)
	s.Spec = r.specOf(last.SpecText, s.Version)
	fillHistories(&s, heads, shots)
	fillPasts(&s, heads, shots)
	if r.problem != nil {
		return withProblem(&s, *r.problem), nil
	}
	return &s, nil
}

func (r *Recording) eventsUntil(seq uint64) []Event {
	var list []Event
	for _, e := range r.events {
		if e.Seq <= seq {
			list = append(list, e)
		}
	}
	return slices.Clip(list[max(0, len(list)-journalSize):])
}

func (r *Recording) lastEvent() (seq uint64) {
	for _, e := range r.events {
		seq = max(seq, e.Seq)
	}
	return seq
}

// specOf is the spec of a text; the same one for the same text.
func (r *Recording) specOf(text, version string) *spec.Spec {
	if text == r.text {
		return r.spec
	}
	r.spec, r.text, r.problem = nil, text, nil
	if text == "" {
		return nil
	}
	s, err := spec.Parse("the spec of that time", []byte(text))
	if err != nil {
		r.problem = &Problem{Key: "other version", Severity: "warn", What: fmt.Sprintf("this version of hairpin cannot read the spec of that time: %v", err),
			Cure: "use the version that ran: " + version}
		return nil
	}
	r.spec = s
	return s
}

// fillHistories gives the rows of s the rates of the minute before it. They begin anew behind a time of which nothing is
// recorded.
func fillHistories(s *State, heads []records.Head, shots []*shot) {
	rows := map[rowKey]*[]float64{}
	counters(s, func(k rowKey, _ *Counter, h *[]float64) {
		if h != nil {
			rows[k] = h
		}
	})
	for i, shot := range shots {
		seconds := int(heads[i].Span / time.Second)
		if i > 0 {
			gap := int(math.Round(heads[i].Time.Sub(heads[i-1].Time).Seconds()))
			if gap > 3*seconds {
				for _, h := range rows {
					*h = nil
				}
			} else {
				seconds = max(1, gap)
			}
		}
		counters(&shot.State, func(k rowKey, c *Counter, _ *[]float64) {
			if h := rows[k]; h != nil {
				for range seconds {
					*h = append(*h, c.PPS)
				}
			}
		})
	}
	for _, h := range rows {
		*h = slices.Clone((*h)[max(0, len(*h)-historySeconds):])
	}
}

// Timeline is an axis of time: how much came in and was dropped, and what happened.
type Timeline struct {
	Moments []Moment // oldest first; what is not recorded is missing
	Events  []Event  // oldest first, without their details
}

// Moment is what all NICs did in a span of time that ends then: packets per second, on average and in the worst second.
type Moment struct {
	Time           time.Time
	Span           time.Duration
	In, InPeak     float32
	Drop, DropPeak float32
}

// Timeline is the axis from from to to, as fine as the record goes back so far.
func (r *Recording) Timeline(from, to time.Time) *Timeline {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := &Timeline{}
	spans := r.reader.Spans()
	slices.Reverse(spans)
	for i, span := range spans { // the coarse ones as far as they are needed, then finer ones
		var finer []records.Head
		if i+1 < len(spans) {
			finer = r.reader.Heads(spans[i+1])
		}
		for _, h := range r.reader.Heads(span) {
			first := len(finer) == 0 || h.Time.Before(finer[0].Time)
			if newer := len(t.Moments) == 0 || h.Time.After(t.Moments[len(t.Moments)-1].Time); !first || !newer || h.Time.Before(from) || h.Time.After(to) {
				continue
			}
			t.Moments = append(t.Moments, Moment{h.Time, h.Span, h.Numbers[0], h.Numbers[1], h.Numbers[2], h.Numbers[3]})
		}
	}
	t.Moments = slices.Clone(t.Moments[max(0, len(t.Moments)-mostMoments):])
	for _, e := range r.events {
		if !e.Time.Before(from) && !e.Time.After(to) {
			e.Detail = nil
			t.Events = append(t.Events, e)
		}
	}
	t.Events = slices.Clone(t.Events[max(0, len(t.Events)-mostMarks):])
	return t
}

// Export writes what there is from from to to as an incident file, which must not be there yet.
func (r *Recording) Export(file string, from, to time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = r.export(f, from, to)
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(recordError(err), os.Remove(file))
	}
	return nil
}

// export also writes the events before, as far as the first State shows them.
func (r *Recording) export(w io.Writer, from, to time.Time) error {
	before := slices.DeleteFunc(slices.Clone(r.events), func(e Event) bool { return !e.Time.Before(from) })
	oldest := uint64(0)
	if n := len(before); n > journalSize {
		oldest = before[n-journalSize].Seq
	}
	return r.reader.Export(w, from, to, func(at time.Time, content []byte) bool {
		var e Event
		return json.Unmarshal(content, &e) == nil && e.Seq >= oldest && !at.After(to)
	})
}
