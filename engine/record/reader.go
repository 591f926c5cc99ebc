package record

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"
)

// ErrNone says that nothing is recorded for what was asked.
var ErrNone = errors.New("nothing is recorded")

// Reader reads a record: a folder, also while it is written, or one file of it. It is not safe for concurrent use.
type Reader[T any] struct {
	origin   Origin
	schema   *node // of T
	runs     []*run
	damage   []string
	files    []*os.File
	wholeSum bool // frames are checked when they are found: nobody writes
	last     struct {
		content []byte // of the last opening; most often it is that of the next too
		begin   begin
	}
}

// run is the frames behind one opening.
type run struct {
	file   io.ReaderAt
	name   string
	schema *node
	frames []place
}

// OpenFolder reads a folder that a Log writes or has written.
func OpenFolder[T any](dir string) (*Reader[T], error) {
	found, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("open record %s: %w", dir, ErrNone)
	}
	if err != nil {
		return nil, fmt.Errorf("open record: %w", err)
	}
	r := &Reader[T]{}
	for _, f := range found {
		if !strings.HasSuffix(f.Name(), ending) {
			continue
		}
		err := r.add(filepath.Join(dir, f.Name()))
		switch {
		case errors.Is(err, os.ErrNotExist): // it was too old
		case errors.Is(err, ErrNotRecord), errors.Is(err, ErrNewer):
			r.damage = append(r.damage, err.Error())
		case err != nil:
			r.Close()
			return nil, fmt.Errorf("open record: %w", err)
		}
	}
	return r, nil
}

// OpenFile reads one file, as Export writes it. A file that is no record, or of a later format, is an error; one that is
// cut short or changed is read as far as it goes, and Damage says so.
func OpenFile[T any](name string) (*Reader[T], error) {
	r := &Reader[T]{wholeSum: true}
	err := r.add(name)
	if err == nil && len(r.runs) == 0 {
		err = fmt.Errorf("%s: %w", name, ErrNotRecord)
	}
	if err != nil {
		r.Close()
		return nil, fmt.Errorf("open record: %w", err)
	}
	return r, nil
}

// Damage says of each file that cannot be read to its end where that is.
func (r *Reader[T]) Damage() []string { return r.damage }

// Origin says where the newest part of the record is from.
func (r *Reader[T]) Origin() Origin { return r.origin }

// Close gives the files back.
func (r *Reader[T]) Close() {
	for _, f := range r.files {
		_ = f.Close() // it was only read
	}
}

func (r *Reader[T]) add(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	r.files = append(r.files, f)
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Mode().IsDir() {
		return fmt.Errorf("%s is a folder", name)
	}
	if r.schema == nil {
		if r.schema, err = schemaOf(reflect.TypeFor[T]()); err != nil {
			return err
		}
	}
	return r.index(f, filepath.Base(name), info.Size())
}

// index finds the frames of a file.
func (r *Reader[T]) index(f io.ReaderAt, name string, size int64) error {
	var now *run
	for at := int64(0); ; {
		p, err := look(f, at, size)
		if err == io.EOF {
			return nil
		}
		if err == nil && (r.wholeSum || p.kind == opening) {
			var content []byte
			if content, err = p.content(f); err == nil && p.kind == opening {
				now, err = r.begin(f, name, content)
			}
			if err != nil && !errors.Is(err, errTorn) {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		switch {
		case err != nil && now == nil && r.wholeSum:
			return fmt.Errorf("%s: %w", name, ErrNotRecord)
		case err != nil:
			r.torn(name, at, size, now)
			return nil
		case now == nil:
			return fmt.Errorf("%s: %w", name, ErrNotRecord)
		case p.kind != opening:
			now.frames = append(now.frames, p)
		}
		at += p.size
	}
}

func (r *Reader[T]) begin(f io.ReaderAt, name string, content []byte) (*run, error) {
	if r.last.begin.Schema == nil || !bytes.Equal(content, r.last.content) {
		b, err := readBegin(content)
		if err != nil {
			return nil, err
		}
		b.Schema.bind(r.schema)
		r.last.content, r.last.begin = content, b
	}
	b := r.last.begin
	r.origin = b.Origin
	r.runs = append(r.runs, &run{file: f, name: name, schema: b.Schema})
	return r.runs[len(r.runs)-1], nil
}

// torn notes that a file cannot be read on. In a folder that is written, its end may just be on its way.
func (r *Reader[T]) torn(name string, at, size int64, now *run) {
	where := "before its first value"
	if now != nil && len(now.frames) > 0 {
		where = "after " + now.frames[len(now.frames)-1].Time.Format(time.DateTime)
	}
	r.damage = append(r.damage, fmt.Sprintf("%s cannot be read on at byte %d of %d, %s", name, at, size, where))
}

// Spans are those that there are values of, the finest first.
func (r *Reader[T]) Spans() []time.Duration {
	var spans []time.Duration
	for _, s := range r.runs {
		for _, p := range s.frames {
			if p.kind == value && !slices.Contains(spans, p.Span) {
				spans = append(spans, p.Span)
			}
		}
	}
	slices.Sort(spans)
	return spans
}

// Heads are those of the values of a span, by time.
func (r *Reader[T]) Heads(span time.Duration) []Head {
	var heads []Head
	for _, s := range r.runs {
		for _, p := range s.frames {
			if p.kind == value && p.Span == span {
				heads = append(heads, p.Head)
			}
		}
	}
	slices.SortStableFunc(heads, func(a, b Head) int { return a.Time.Compare(b.Time) })
	return heads
}

// At is the newest value at a time or before it, of the finest span where several are as new, and those of the same span
// before it that are not older than back, oldest first; the one that was asked for is the last. ErrNone when there is none.
func (r *Reader[T]) At(t time.Time, back time.Duration) ([]Head, []*T, error) {
	best, found := Head{}, false
	for _, span := range r.Spans() {
		for _, h := range r.Heads(span) {
			if !h.Time.After(t) && (!found || h.Time.After(best.Time)) {
				best, found = h, true
			}
		}
	}
	if !found {
		return nil, nil, fmt.Errorf("%s: %w", t.Format(time.DateTime), ErrNone)
	}
	var heads []Head
	var values []*T
	err := r.Range(best.Span, best.Time.Add(-back), best.Time, func(h Head, v *T) error {
		heads, values = append(heads, h), append(values, v)
		return nil
	})
	if err == nil && len(values) == 0 {
		err = fmt.Errorf("%s: %w: what was is damaged", t.Format(time.DateTime), ErrNone)
	}
	return heads, values, err
}

// Range calls f with the values of a span that are of a time from from to to, in the order in which they were written.
// Where a file is damaged, the values behind are left out.
func (r *Reader[T]) Range(span time.Duration, from, to time.Time, f func(Head, *T) error) error {
	in := func(p place) bool { return !p.Time.Before(from) && !p.Time.After(to) }
	for _, s := range r.runs {
		last := -1
		for i, p := range s.frames {
			if p.kind == value && p.Span == span && in(p) {
				last = i
			}
		}
		if last < 0 {
			continue
		}
		d := newDecoder(s.schema)
		for _, p := range s.frames[:last+1] {
			content, err := p.content(s.file)
			if err != nil {
				r.torn(s.name, p.at, p.at+p.size, nil)
				break
			}
			var v *T
			to := reflect.Value{}
			if in(p) {
				v = new(T)
				to = reflect.ValueOf(v).Elem()
			}
			if err := d.decode(content, to); err != nil {
				r.damage = append(r.damage, fmt.Sprintf("%s: the value of %s: %v", s.name, p.Time.Format(time.DateTime), err))
				break
			}
			if v == nil {
				continue
			}
			if err := f(p.Head, v); err != nil {
				return err
			}
		}
	}
	return nil
}

// Notes calls f with what was noted, in the order in which that was done.
func (r *Reader[T]) Notes(f func(at time.Time, content []byte)) {
	for _, s := range r.runs {
		for _, p := range s.frames {
			if p.kind != note {
				continue
			}
			if content, err := p.content(s.file); err == nil {
				f(p.Time, content)
			}
		}
	}
}

// Export writes what there is of a time from from to to as one file: of each span, and the notes that keep accepts.
// ErrNone when there is nothing.
func (r *Reader[T]) Export(w io.Writer, from, to time.Time, keep func(at time.Time, content []byte) bool) error {
	content, err := begin{r.origin, r.schema}.encode()
	if err != nil {
		return fmt.Errorf("export record: %w", err)
	}
	head, err := frameOf(opening, Head{}, content)
	if err != nil {
		return fmt.Errorf("export record: %w", err)
	}
	var out bytes.Buffer
	put := func(kind byte, h Head, content []byte) error {
		frame, err := frameOf(kind, h, content)
		out.Write(frame)
		return err
	}
	values := 0
	for _, span := range r.Spans() {
		e := newEncoder(r.schema)
		out.Write(head)
		err = cmp.Or(err, r.Range(span, from, to, func(h Head, v *T) error {
			values++
			content, err := e.encode(h.Time, reflect.ValueOf(v).Elem())
			return cmp.Or(err, put(value, h, content))
		}))
	}
	if err == nil && values == 0 {
		err = fmt.Errorf("%s to %s: %w", from.Format(time.DateTime), to.Format(time.DateTime), ErrNone)
	}
	out.Write(head)
	r.Notes(func(at time.Time, content []byte) {
		if err == nil && keep(at, content) {
			err = cmp.Or(err, put(note, Head{Time: at}, content))
		}
	})
	if err == nil {
		_, err = w.Write(out.Bytes())
	}
	if err != nil {
		return fmt.Errorf("export record: %w", err)
	}
	return nil
}
