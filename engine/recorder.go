package engine

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	records "hairpin/engine/record"
	"hairpin/engine/spec"
)

// Bounds of the record on disk, 64 MB in all. A node of the largest size keeps less than what Keep says; see the budgets.
var recordTiers = [...]records.Tier{
	{Name: "1s", Span: time.Second, Keep: 10 * time.Minute, Each: 60, Budget: 20 << 20},
	{Name: "10s", Span: 10 * time.Second, Keep: time.Hour, Each: 36, Budget: 14 << 20},
	{Name: "60s", Span: time.Minute, Keep: 24 * time.Hour, Each: 60, Budget: 26 << 20},
	{Name: "events", Keep: 7 * 24 * time.Hour, Each: 1000, Budget: 4 << 20},
}

const (
	// tryAgain is how long the record rests after it could not be written.
	tryAgain = 10 * time.Second
	// endRecord is how long an engine that ends waits for a disk.
	endRecord = 2 * time.Second
)

// Record is the folder of what the node looked like at earlier times.
func (p Paths) Record() string { return filepath.Join(p.State, "record") }

// shot is a State as it is recorded.
type shot struct {
	State
	SpecText  string // YAML
	LastEvent uint64 // the newest that State had, by its number
}

// recorder writes states to the disk in a goroutine of its own. The loop gives it the newest and never waits: what the disk
// has no time for is not recorded.
type recorder struct {
	dir     string
	from    records.Origin
	states  chan *State
	done    chan struct{}
	trouble atomic.Pointer[recordTrouble] // nil: it is written

	// goroutine
	log           *records.Log[shot] // nil: it could not be opened
	tens, minutes thinner
	last          *State
	noted         uint64 // the newest event in the record
	spec          *spec.Spec
	text          string
	failed        time.Time
}

// recordTrouble is why the record is not written, and since when.
type recordTrouble struct {
	since time.Time
	err   error
}

func newRecorder(p Paths, version string) *recorder {
	r := &recorder{dir: p.Record(), from: records.Origin{Node: p.Node, Version: version}, states: make(chan *State, 1),
		done: make(chan struct{}), tens: thinner{span: 10 * time.Second}, minutes: thinner{span: time.Minute}}
	go r.run()
	return r
}

// put has s recorded, in place of one that still waits. Only one goroutine calls it.
func (r *recorder) put(s *State) {
	select {
	case <-r.states:
	default:
	}
	r.states <- s // there is room: nobody else sends
}

// close ends the writing; a disk that does not answer is not waited for.
func (r *recorder) close() {
	close(r.states)
	select {
	case <-r.done:
	case <-time.After(endRecord):
	}
}

func (r *recorder) run() {
	defer close(r.done)
	for s := range r.states {
		err := r.keep(s)
		switch old := r.trouble.Load(); {
		case err == nil:
			r.trouble.Store(nil)
		case old == nil:
			r.trouble.Store(&recordTrouble{s.Time, err})
		default:
			r.trouble.Store(&recordTrouble{old.since, err})
		}
	}
	if r.log != nil {
		r.log.Close()
	}
}

// keep records s, and what follows from it for the coarser spans; unless one of the same second is recorded.
func (r *recorder) keep(s *State) error {
	if r.last != nil && s.Generation == r.last.Generation && s.Time.Sub(r.last.Time) < readEvery && !s.Time.Before(r.last.Time) {
		return r.oldTrouble()
	}
	r.last = s
	if !r.failed.IsZero() && s.Time.Sub(r.failed) < tryAgain && !s.Time.Before(r.failed) {
		return r.oldTrouble()
	}
	err := r.write(s)
	if r.failed = (time.Time{}); err != nil {
		r.failed = s.Time
	}
	return err
}

func (r *recorder) oldTrouble() error {
	if t := r.trouble.Load(); t != nil {
		return t.err
	}
	return nil
}

func (r *recorder) write(s *State) error {
	if r.log == nil {
		var err error
		if r.log, err = records.Open[shot](r.dir, r.from, recordTiers[:]); err != nil {
			return err
		}
		if past, err := openRecording(r.dir); err == nil {
			r.noted = past.lastEvent()
			past.Close()
		}
	}
	if err := r.note(s.Events); err != nil {
		return err
	}
	if err := r.shoot(s, time.Second); err != nil {
		return err
	}
	ten, over := r.tens.add(s)
	if !over {
		return nil
	}
	if err := r.shoot(ten, r.tens.span); err != nil {
		return err
	}
	if minute, over := r.minutes.add(ten); over {
		return r.shoot(minute, r.minutes.span)
	}
	return nil
}

// note records the events that are new.
func (r *recorder) note(events []Event) error {
	for _, e := range events {
		if e.Seq <= r.noted {
			continue
		}
		text, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("record event %d: %w", e.Seq, err)
		}
		if err := r.log.Note(e.Time, text); err != nil {
			return err
		}
		r.noted = e.Seq
	}
	return nil
}

func (r *recorder) shoot(s *State, span time.Duration) error {
	if s.Spec != r.spec {
		r.spec, r.text = s.Spec, string(spec.Marshal(s.Spec))
	}
	h := records.Head{Time: s.Time, Span: span}
	in, _, drop := s.Totals()
	h.Numbers = [4]float32{float32(in), float32(in), float32(drop), float32(drop)}
	if span > time.Second {
		peaks := withOwnCounters(s)
		counters(peaks, func(_ rowKey, c *Counter, _ *[]float64) { c.PPS = max(c.PPS, c.Peak) })
		in, _, drop = peaks.Totals()
		h.Numbers[1], h.Numbers[3] = float32(in), float32(drop)
	}
	return r.log.Put(h, &shot{*s, r.text, r.noted})
}

// problems say that the record is not written.
func (r *recorder) problems() []Problem {
	t := r.trouble.Load()
	if t == nil {
		return nil
	}
	return []Problem{{Key: "record", Severity: "warn", Since: t.since, What: fmt.Sprintf("what this node looks like is not recorded: %v", t.err),
		Cure: fmt.Sprintf("make room in %s; it goes on by itself", r.dir)}}
}

// resumeJournal goes on with the events of engines before, as far as they are recorded, unless the one before told them.
func (o *owner) resumeJournal() {
	if o.journal.seq > 0 {
		return
	}
	past, err := openRecording(o.options.Paths.Record())
	if err != nil {
		if _, missing := os.Stat(o.options.Paths.Record()); missing == nil {
			o.journal.add(time.Now(), "warn", "engine", "the events before cannot be read: "+err.Error())
		}
		return
	}
	defer past.Close()
	o.journal.list, o.journal.seq = past.eventsUntil(math.MaxUint64), past.lastEvent()
	if s, err := past.At(time.Now()); err == nil {
		o.usuals.before = s
	}
}
