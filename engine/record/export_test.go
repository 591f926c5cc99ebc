package record

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// exported is a file with a minute of a record.
func exported(t testing.TB) (file []byte, last sample) {
	t.Helper()
	dir := t.TempDir()
	l := openLog(t, dir, testTiers(20, 1<<20))
	d := rand.New(rand.NewPCG(9, 9))
	last = sample{base: base{Time: day}}
	for i := range 60 {
		last = next(d, last, time.Second)
		put(t, l, last, time.Second)
		if i%10 == 9 {
			put(t, l, last, 10*time.Second)
			if err := l.Note(last.Time, []byte("note")); err != nil {
				t.Fatal(err)
			}
		}
	}
	var out bytes.Buffer
	if err := openReader(t, dir).Export(&out, day.Add(31*time.Second), day.Add(time.Hour), func(at time.Time, _ []byte) bool {
		return at.After(day.Add(45 * time.Second))
	}); err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), last
}

func openBytes(t testing.TB, data []byte) (*Reader[sample], error) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "incident")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := OpenFile[sample](name)
	if err == nil {
		t.Cleanup(r.Close)
	}
	return r, err
}

func TestExport(t *testing.T) {
	file, last := exported(t)
	r, err := openBytes(t, file)
	if err != nil {
		t.Fatal(err)
	}
	notes := 0
	r.Notes(func(time.Time, []byte) { notes++ })
	if n, tens := len(r.Heads(time.Second)), len(r.Heads(10*time.Second)); n != 30 || tens != 3 || notes != 2 || len(r.Damage()) > 0 {
		t.Errorf("%d seconds, %d tens, %d notes, damage %q", n, tens, notes, r.Damage())
	}
	_, values, err := r.At(last.Time, 30*time.Second)
	if err != nil || len(values) != 30 || same(last, *values[29]) != "" {
		t.Errorf("%d values, %v", len(values), err)
	}
	if r.Origin() != (Origin{"lb1", "v1"}) {
		t.Errorf("%+v", r.Origin())
	}
	if err := r.Export(&bytes.Buffer{}, day.Add(-time.Hour), day, nil); !errors.Is(err, ErrNone) {
		t.Errorf("before the first value: %v", err)
	}
}

func TestRefusesWhatIsNoRecord(t *testing.T) {
	file, _ := exported(t)
	later := bytes.Replace(file, []byte(magic+"1\n"), []byte(magic+"2\n"), 1)
	p, err := look(bytes.NewReader(later), 0, int64(len(later)))
	if err != nil {
		t.Fatal(err)
	}
	first, err := frameOf(opening, Head{}, later[frameStart+headSize:p.size])
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name string
		data []byte
		is   error
		says string
	}{
		{"nothing", nil, ErrNotRecord, ""},
		{"text", []byte("this is a text about load balancers, and long enough to be a frame\n"), ErrNotRecord, ""},
		{"later", append(first, later[p.size:]...), ErrNewer, "its format is 2, this version reads up to 1"},
		{"the opening alone is torn", file[:20], ErrNotRecord, ""},
	} {
		if _, err := openBytes(t, row.data); !errors.Is(err, row.is) || !strings.Contains(err.Error(), row.says) {
			t.Errorf("%s: %v", row.name, err)
		}
	}
}

// TestTruncated: every beginning of a file is refused, or shown as far as it goes and said to be cut.
func TestTruncated(t *testing.T) {
	file, _ := exported(t)
	shown := -1
	for size := 0; size < len(file); size += 97 {
		r, err := openBytes(t, file[:size])
		if err != nil {
			if !errors.Is(err, ErrNotRecord) || shown > 0 {
				t.Fatalf("%d bytes: %v", size, err)
			}
			continue
		}
		n := len(r.Heads(time.Second)) + len(r.Heads(10*time.Second))
		if n < shown {
			t.Fatalf("%d bytes: %d values, fewer bytes had %d", size, n, shown)
		}
		shown = n
	}
	r, err := openBytes(t, file[:len(file)-3])
	if err != nil || len(r.Damage()) != 1 || !strings.Contains(r.Damage()[0], "cannot be read on at byte") {
		t.Errorf("%v, damage %q", err, r.Damage())
	}
}

// FuzzFile: no file makes the reader fail in another way than with an error.
func FuzzFile(f *testing.F) {
	file, _ := exported(f)
	f.Add(file[:2000])
	f.Add(file[:1000])
	f.Fuzz(func(t *testing.T, data []byte) {
		r := &Reader[sample]{wholeSum: true, schema: must(schemaOf(sampleType))}
		if r.index(bytes.NewReader(data), "incident", int64(len(data))) != nil {
			return
		}
		_, _, _ = r.At(day.Add(time.Hour), time.Minute)
		r.Notes(func(time.Time, []byte) {})
	})
}

// FuzzValue goes behind the checksums.
func FuzzValue(f *testing.F) {
	l, err := schemaOf(sampleType)
	if err != nil {
		f.Fatal(err)
	}
	d := rand.New(rand.NewPCG(1, 1))
	e, s := newEncoder(l), sample{base: base{Time: day}}
	for range 30 {
		s = next(d, s, time.Second)
		packed, err := e.encode(s.Time, valueOf(&s))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(unpacked(f, packed))
	}
	f.Fuzz(func(t *testing.T, plain []byte) {
		d, packed := newDecoder(l), repacked(t, plain)
		for range 2 { // the second by what the first left behind
			var v sample
			if d.decode(packed, valueOf(&v)) != nil {
				return
			}
		}
	})
}

// FuzzSchema: a schema of somebody else's is refused, or what it describes can be read past.
func FuzzSchema(f *testing.F) {
	content, err := begin{Origin{"n", "v"}, must(schemaOf(sampleType))}.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(unpacked(f, content[len(magic)+2:]), []byte{0, 1, 2, 3})
	f.Add([]byte(`{"Schema":{"k":"struct","p":[{"n":"Rows","k":"list","p":[{"k":"list","p":[{"k":"bool"}]}]}]}}`), []byte{0, 3, 2, 3, 1, 1, 1})
	f.Fuzz(func(t *testing.T, schema, plain []byte) {
		b, err := readBegin(append([]byte(magic+"1\n"), repacked(t, schema)...))
		if err != nil {
			return
		}
		b.Schema.bind(must(schemaOf(sampleType)))
		var v sample
		_ = newDecoder(b.Schema).decode(repacked(t, plain), valueOf(&v))
	})
}
