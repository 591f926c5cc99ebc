package record

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"
)

// sample is a type with everything that can be recorded.
type sample struct {
	base
	Extra string
}

type base struct {
	Time  time.Time
	Since time.Time
	Word  string
	Yes   bool
	Left  []int `record:"-"`
	Rows  []row
	Maybe *row
	Ratio float64
}

type row struct {
	Name    string
	Address netip.Addr
	Count   counter
	Small   uint16
	Signed  int64
	Words   []string
	Numbers []float64
}

type counter struct {
	Packets, Bytes uint64
	PPS            float64 `rate:"Packets"`
	BPS            float64 `rate:"Bytes"`
}

var day = time.Date(2026, 3, 1, 12, 0, 0, 0, time.Local)

// next is how a value goes on: most often its counters run, sometimes rows come, go, or change.
func next(d *rand.Rand, s sample, elapsed time.Duration) sample {
	s.Time = s.Time.Add(elapsed)
	rows := append([]row(nil), s.Rows...)
	for i := range rows {
		c := &rows[i].Count
		if d.IntN(3) == 0 {
			*c = counter{Packets: c.Packets, Bytes: c.Bytes}
			continue
		}
		p, b := d.Uint64N(1e6), d.Uint64N(1e9)
		*c = counter{c.Packets + p, c.Bytes + b, float64(p) / elapsed.Seconds(), float64(b) / elapsed.Seconds()}
		if d.IntN(20) == 0 {
			c.PPS = d.NormFloat64() * 1e12 // not what the totals say
		}
	}
	switch d.IntN(12) {
	case 0:
		rows = append(rows, row{Name: strconv.Itoa(d.IntN(1000)), Address: netip.AddrFrom4([4]byte{10, 0, 0, byte(d.IntN(256))}),
			Small: uint16(d.IntN(1 << 16)), Signed: -d.Int64(), Words: []string{"", "ä"}, Numbers: []float64{-1, 0, 1e30}})
	case 1:
		if len(rows) > 0 {
			rows = rows[1:]
		}
	case 2:
		s.Maybe = &row{Name: "there", Words: []string{}}
	case 3:
		s.Maybe, s.Yes = nil, !s.Yes
	case 4:
		s.Word, s.Extra = s.Extra, fmt.Sprint(d.Int())
	case 5:
		s.Since, s.Ratio = s.Time, d.Float64()
	case 6:
		if len(rows) > 0 {
			rows[0].Count = counter{} // somebody made it anew
		}
	}
	s.Rows = rows
	return s
}

// same compares with the precision of a record.
func same(a, b sample) string {
	return cmp.Diff(a, b, cmp.AllowUnexported(sample{}), cmpopts.EquateApprox(1e-6, 0), cmp.Comparer(func(a, b netip.Addr) bool { return a == b }))
}

func testTiers(each int, budget int64) []Tier {
	return []Tier{{"1s", time.Second, time.Minute, each, budget}, {"10s", 10 * time.Second, time.Hour, each, budget}, {"events", 0, time.Hour, each, budget}}
}

func openLog(t testing.TB, dir string, tiers []Tier) *Log[sample] {
	t.Helper()
	l, err := Open[sample](dir, Origin{"lb1", "v1"}, tiers)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

func openReader(t testing.TB, dir string) *Reader[sample] {
	t.Helper()
	r, err := OpenFolder[sample](dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func put(t testing.TB, l *Log[sample], s sample, span time.Duration) {
	t.Helper()
	if err := l.Put(Head{s.Time, span, [4]float32{float32(len(s.Rows))}}, &s); err != nil {
		t.Fatal(err)
	}
}

// TestReadsWhatWasWritten: whatever values follow each other, at each time the one that was put last comes back.
func TestReadsWhatWasWritten(t *testing.T) {
	for seed := range uint64(20) {
		d, dir := rand.New(rand.NewPCG(seed, 1)), t.TempDir()
		l := openLog(t, dir, testTiers(7, 1<<20))
		s := sample{base: base{Time: day}}
		var all []sample
		for i := range 50 {
			s = next(d, s, time.Duration(1+d.IntN(2e9)))
			put(t, l, s, time.Second)
			all = append(all, s)
			if i%10 == 0 {
				put(t, l, s, 10*time.Second)
			}
		}
		r := openReader(t, dir)
		for i, want := range all {
			if want.Time.Before(s.Time.Add(-time.Minute)) {
				continue
			}
			heads, values, err := r.At(want.Time.Add(time.Millisecond), 0)
			if i+1 < len(all) && !all[i+1].Time.After(want.Time.Add(time.Millisecond)) {
				continue
			}
			if err != nil {
				t.Fatalf("seed %d, value %d: %v", seed, i, err)
			}
			if diff := same(want, *values[len(values)-1]); diff != "" || heads[len(heads)-1].Span != time.Second {
				t.Fatalf("seed %d, value %d, span %s: %s", seed, i, heads[len(heads)-1].Span, diff)
			}
		}
		if _, _, err := r.At(day.Add(-time.Hour), 0); err == nil {
			t.Error("something is shown from before the first value")
		}
	}
}

// TestBounds: what is old or too much goes, by whole files, and coarse values outlive fine ones.
func TestBounds(t *testing.T) {
	dir := t.TempDir()
	const budget = 64 << 10
	l := openLog(t, dir, testTiers(20, budget))
	d := rand.New(rand.NewPCG(3, 4))
	s := sample{base: base{Time: day}}
	for i := range 1000 {
		s = next(d, s, time.Second)
		put(t, l, s, time.Second)
		if i%10 == 0 {
			put(t, l, s, 10*time.Second)
		}
		if err := l.Note(s.Time, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
	}
	if n := sizeOf(t, dir); n != l.Size() || n > 3*budget*9/8 {
		t.Errorf("%d bytes on disk, %d by the log", n, l.Size())
	}
	r := openReader(t, dir)
	fine, coarse := r.Heads(time.Second), r.Heads(10*time.Second)
	if age := s.Time.Sub(fine[0].Time); age < time.Minute || age > 90*time.Second {
		t.Errorf("seconds go back %s", age)
	}
	if age := s.Time.Sub(coarse[0].Time); age < 10*time.Minute {
		t.Errorf("tens go back %s", age)
	}
	heads, _, err := r.At(s.Time.Add(-5*time.Minute), 0)
	if err != nil || heads[0].Span != 10*time.Second {
		t.Errorf("five minutes ago: %v, %v", heads, err)
	}
}

func sizeOf(t *testing.T, dir string) (n int64) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		n += info.Size()
	}
	return n
}

// TestTorn: a file that ends anywhere is read as far as its last whole value, and the next process goes on behind it.
func TestTorn(t *testing.T) {
	dir := t.TempDir()
	l := openLog(t, dir, testTiers(100, 1<<20))
	d := rand.New(rand.NewPCG(5, 6))
	s := sample{base: base{Time: day}}
	var ends []int64
	for range 8 {
		s = next(d, s, time.Second)
		put(t, l, s, time.Second)
		ends = append(ends, l.Size())
	}
	name := filepath.Join(dir, "1s-00000001.rec")
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for size := 0; size < len(data); size += 5 {
		whole := 0
		for _, end := range ends {
			if int64(size) >= end {
				whole++
			}
		}
		torn := t.TempDir()
		if err := os.WriteFile(filepath.Join(torn, "1s-00000001.rec"), data[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		if n := len(openReader(t, torn).Heads(time.Second)); n != whole {
			t.Fatalf("%d of %d bytes: %d values, %d are whole", size, len(data), n, whole)
		}
		again := openLog(t, torn, testTiers(100, 1<<20))
		put(t, again, s, time.Second)
		r := openReader(t, torn)
		_, values, err := r.At(s.Time, 0)
		if err != nil || same(s, *values[len(values)-1]) != "" || len(r.Damage()) > 0 {
			t.Fatalf("%d of %d bytes: %v, %v", size, len(data), err, r.Damage())
		}
	}
}

// TestChanged: a changed byte costs what comes after it in its file, and nothing is made up.
func TestChanged(t *testing.T) {
	dir := t.TempDir()
	l := openLog(t, dir, testTiers(4, 1<<20))
	s := sample{base: base{Time: day}, Extra: "said"}
	for range 12 {
		s.Time = s.Time.Add(time.Second)
		put(t, l, s, time.Second)
	}
	name := filepath.Join(dir, "1s-00000002.rec")
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-1] ^= 1
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	r, n := openReader(t, dir), 0
	if err := r.Range(time.Second, day, s.Time, func(_ Head, v *sample) error {
		if n++; v.Extra != "said" {
			t.Errorf("value %d says %q", n, v.Extra)
		}
		return nil
	}); err != nil || n != 11 || len(r.Damage()) != 1 {
		t.Errorf("%d values, %v, damage %q", n, err, r.Damage())
	}
}

// older and newer are the same type in two versions of a program.
type older struct {
	Time  time.Time
	Gone  []row
	Count counter
	Was   string
}

type newer struct {
	Time  time.Time
	Was   int
	Count counter
	Comes string
}

// TestAnotherVersion: what both know is read, what only one knows is not.
func TestAnotherVersion(t *testing.T) {
	dir := t.TempDir()
	l, err := Open[older](dir, Origin{"lb1", "v1"}, testTiers(10, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		at := day.Add(time.Duration(i) * time.Second)
		if err := l.Put(Head{Time: at, Span: time.Second}, &older{at, []row{{Name: "x"}}, counter{Packets: uint64(100 * i), PPS: 100}, "word"}); err != nil {
			t.Fatal(err)
		}
	}
	r, err := OpenFolder[newer](dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	_, values, err := r.At(day.Add(time.Minute), time.Minute)
	if err != nil || len(values) != 3 {
		t.Fatal(values, err)
	}
	if got := *values[2]; got != (newer{day.Add(2 * time.Second), 0, counter{Packets: 200, PPS: 100}, ""}) {
		t.Errorf("%+v", got)
	}
}

// TestFullDisk: without room nothing breaks, what was written stays readable, and with room it goes on.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("hairpin-test", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Fatalf("mount tmpfs (this test needs root): %v", err)
	}
	defer func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	}()
	filler := filepath.Join(dir, "filler")
	l := openLog(t, dir, testTiers(5, 1<<20))
	d := rand.New(rand.NewPCG(7, 8))
	s := sample{base: base{Time: day}}
	failed := 0
	for i := range 60 {
		switch i {
		case 10: // all the room that is left
			f, err := os.Create(filler)
			if err != nil {
				t.Fatal(err)
			}
			for err == nil {
				_, err = f.Write(make([]byte, 512))
			}
			f.Close()
		case 40:
			if err := os.Remove(filler); err != nil {
				t.Fatal(err)
			}
		}
		s = next(d, s, time.Second)
		s.Extra = fmt.Sprint(i, string(make([]byte, 300)), d.Int())
		if err := l.Put(Head{Time: s.Time, Span: time.Second}, &s); err != nil {
			if failed++; i < 10 || i >= 40 {
				t.Fatal(err)
			}
		}
	}
	r := openReader(t, dir)
	if failed == 0 || len(r.Heads(time.Second)) != 60-failed || len(r.Damage()) > 0 {
		t.Errorf("%d failed, %d values, damage %q", failed, len(r.Heads(time.Second)), r.Damage())
	}
	_, values, err := r.At(s.Time, 0)
	if err != nil || same(s, *values[0]) != "" {
		t.Errorf("the last value: %v", err)
	}
	l.Close()
}

// TestUnknownType: what cannot be recorded is refused before anything is written.
func TestUnknownType(t *testing.T) {
	for _, typ := range []reflect.Type{reflect.TypeFor[struct{ F func() }](), reflect.TypeFor[struct{ M map[string]int }](),
		reflect.TypeFor[struct {
			R float64 `rate:"None"`
		}]()} {
		if _, err := schemaOf(typ); err == nil {
			t.Errorf("%s has a schema", typ)
		}
	}
}
