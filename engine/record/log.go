package record

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"time"
)

// Log writes a record into a folder. It belongs to one goroutine. After an error of Put or Note the record goes on with
// the next one that succeeds; nothing that was written before is lost.
type Log[T any] struct {
	dir     string
	opening []byte
	values  map[time.Duration]*series
	notes   *tier
}

// series is a tier of values and what they are different from.
type series struct {
	tier
	encoder *encoder
}

// Open makes or adopts the record in dir, a folder that only its owner may enter. One of tiers, with Span 0, is for notes.
func Open[T any](dir string, from Origin, tiers []Tier) (*Log[T], error) {
	schema, err := schemaOf(reflect.TypeFor[T]())
	if err != nil {
		return nil, fmt.Errorf("open record: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open record: %w", err)
	}
	l := &Log[T]{dir: dir, values: map[time.Duration]*series{}}
	content, err := begin{from, schema}.encode()
	if err == nil {
		l.opening, err = frameOf(opening, Head{}, content)
	}
	if err != nil {
		return nil, fmt.Errorf("open record: %w", err)
	}
	for _, t := range tiers {
		one := tier{Tier: t, dir: dir}
		if err := one.adopt(); err != nil {
			return nil, fmt.Errorf("open record: %w", err)
		}
		if t.Span == 0 {
			l.notes = &one
		} else {
			l.values[t.Span] = &series{one, newEncoder(schema)}
		}
	}
	return l, nil
}

// Put keeps v in the tier of h.Span. Between two calls for one tier, the times of h are subtracted as they are: with a
// monotonic clock, where they have one.
func (l *Log[T]) Put(h Head, v *T) error {
	s := l.values[h.Span]
	if s == nil {
		return fmt.Errorf("record: no tier of %s", h.Span)
	}
	if s.full() {
		s.encoder.forget()
		if err := s.begin(l.opening); err != nil {
			return fmt.Errorf("record: %w", err)
		}
	}
	content, err := s.encoder.encode(h.Time, reflect.ValueOf(v).Elem())
	if err != nil {
		s.close() // what the next one is different from is not known
		return fmt.Errorf("record: %w", err)
	}
	return l.write(&s.tier, value, h, content)
}

// Note keeps something that happened at a time.
func (l *Log[T]) Note(at time.Time, content []byte) error {
	if l.notes == nil {
		return errors.New("record: no tier for notes")
	}
	if l.notes.full() {
		if err := l.notes.begin(l.opening); err != nil {
			return fmt.Errorf("record: %w", err)
		}
	}
	return l.write(l.notes, note, Head{Time: at}, content)
}

func (l *Log[T]) write(t *tier, kind byte, h Head, content []byte) error {
	frame, err := frameOf(kind, h, content)
	if err != nil {
		t.close()
	} else {
		err = t.append(h.Time, frame)
	}
	if err != nil {
		return fmt.Errorf("record: %w", err)
	}
	return nil
}

// Size is what all files hold, in bytes.
func (l *Log[T]) Size() (bytes int64) {
	tiers := []*tier{l.notes}
	for _, s := range l.values {
		tiers = append(tiers, &s.tier)
	}
	for _, t := range tiers {
		if t == nil {
			continue
		}
		for _, f := range t.files {
			bytes += f.size
		}
	}
	return bytes
}

// Close ends the writing.
func (l *Log[T]) Close() {
	if l.notes != nil {
		l.notes.close()
	}
	for _, s := range l.values {
		s.close()
	}
}
