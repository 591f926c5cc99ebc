package history

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var noon = time.Date(2026, 8, 22, 12, 0, 0, 0, time.UTC)

func open(t *testing.T, dir string, keep int) *Log {
	t.Helper()
	l, damage, err := Open(dir, keep)
	if err != nil || damage != "" {
		t.Fatalf("%v %s", err, damage)
	}
	return l
}

func change(i int) Change {
	return Change{Time: noon.Add(time.Duration(i) * time.Minute), Who: "ops", Why: fmt.Sprint("INC-", i), Generation: 1 + i%15,
		Revision: fmt.Sprintf("%012x", i), Text: []string{"~ vip web", "  - backend 10.1.1.11 removed"}, Outcome: Confirmed}
}

func text(i int) string { return fmt.Sprintf("version: %d\n", i) }

func add(t *testing.T, l *Log, i int, o Outcome) {
	t.Helper()
	c := change(i)
	c.Outcome = o
	if _, err := l.Add(c, []byte(text(i))); err != nil {
		t.Fatal(err)
	}
}

// TestKept: what was added is read again, with what became of it.
func TestKept(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, 100)
	add(t, l, 1, Confirmed)
	add(t, l, 2, Waits)
	add(t, l, 3, Waits)
	if err := l.End(WentBack, noon, ""); err != nil {
		t.Fatal(err)
	}
	add(t, l, 4, Waits)
	if err := l.End(Confirmed, noon.Add(time.Hour), "eve"); err != nil {
		t.Fatal(err)
	}
	add(t, l, 5, Waits)
	again := open(t, dir, 100)
	if diff := cmp.Diff(l.Changes(), again.Changes()); diff != "" {
		t.Errorf("-written +read:\n%s", diff)
	}
	var got []string
	for _, c := range again.Changes() {
		got = append(got, fmt.Sprintf("%d %s %s", c.Number, c.Outcome, c.By))
	}
	want := []string{"1 confirmed ", "2 went back ", "3 went back ", "4 confirmed eve", "5 waits "}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if s, err := again.Spec(3); err != nil || string(s) != text(3) {
		t.Errorf("spec of change 3: %q, %v", s, err)
	}
	if _, err := again.Spec(9); !errors.Is(err, ErrNone) {
		t.Errorf("spec of change 9: %v", err)
	}
}

// TestForgotten: the oldest changes go with the specs that only they named, and numbers go on.
func TestForgotten(t *testing.T) {
	const keep = 10
	dir := t.TempDir()
	l := open(t, dir, keep)
	for i := 1; i <= 5*keep; i++ {
		add(t, l, i, Confirmed)
		if n := len(l.Changes()); n < min(i, keep) || n >= 2*keep {
			t.Fatalf("%d changes kept after %d", n, i)
		}
	}
	again := open(t, dir, keep)
	kept := again.Changes()
	if last := kept[len(kept)-1].Number; last != 5*keep {
		t.Errorf("the last number is %d", last)
	}
	files, err := os.ReadDir(filepath.Join(dir, "specs"))
	if err != nil || len(files) != len(kept) {
		t.Errorf("%d specs for %d changes: %v", len(files), len(kept), err)
	}
	for _, c := range kept {
		if _, err := again.Spec(c.Number); err != nil {
			t.Error(err)
		}
	}
}

// TestDamaged cuts and flips the file anywhere: sound lines stay, the others are said and put aside, nothing is made up.
func TestDamaged(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	dice := rand.New(rand.NewPCG(seed, 0))
	whole := t.TempDir()
	l := open(t, whole, 100)
	for i := 1; i <= 5; i++ {
		add(t, l, i, Confirmed)
	}
	data, err := os.ReadFile(l.file())
	if err != nil {
		t.Fatal(err)
	}
	known := map[int]Change{}
	for _, c := range l.Changes() {
		known[c.Number] = c
	}
	for range 100 {
		torn := append([]byte{}, data...)
		if dice.IntN(2) == 0 {
			torn = torn[:1+dice.IntN(len(torn)-1)]
		} else {
			torn[dice.IntN(len(torn))] ^= 1 << dice.IntN(8)
		}
		dir := t.TempDir()
		name := filepath.Join(dir, "changes")
		if err := os.WriteFile(name, torn, 0o600); err != nil {
			t.Fatal(err)
		}
		read, damage, err := Open(dir, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range read.Changes() {
			if diff := cmp.Diff(known[c.Number], c); diff != "" {
				t.Fatalf("change %d was made up:\n%s", c.Number, diff)
			}
		}
		atEnd := torn[len(torn)-1] == '\n' && len(torn) < len(data)
		if aside, err := os.ReadFile(name + ".damaged"); damage == "" && !atEnd || damage != "" && (err != nil || string(aside) != string(torn)) {
			t.Fatalf("damage %q, put aside %v", damage, err)
		}
		add(t, read, 9, Confirmed) // it goes on
		open(t, dir, 100)
	}
}

// TestRead: whoever only looks changes no file, and says what became of a change that nobody was there to end.
func TestRead(t *testing.T) {
	dir := t.TempDir()
	if changes, damage, err := Read(dir, time.Now()); err != nil || damage != "" || len(changes) > 0 {
		t.Errorf("of nothing: %v, %q, %v", changes, damage, err)
	}
	l := open(t, dir, 10)
	add(t, l, 1, Confirmed)
	c := change(2)
	c.Outcome, c.Deadline = Waits, c.Time.Add(time.Minute)
	if _, err := l.Add(c, []byte(text(2))); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		at   time.Time
		want Outcome
	}{{c.Deadline.Add(-time.Second), Waits}, {c.Deadline.Add(time.Second), WentBack}} {
		changes, damage, err := Read(dir, row.at)
		if err != nil || damage != "" || len(changes) != 2 || changes[0].Outcome != Confirmed || changes[1].Outcome != row.want {
			t.Errorf("at %s: %+v, %q, %v", row.at, changes, damage, err)
		}
	}
	f, err := os.OpenFile(l.file(), os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteString("half a li")
	}
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	before, _ := os.ReadFile(l.file())
	changes, damage, err := Read(dir, c.Time)
	after, _ := os.ReadFile(l.file())
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(changes) != 2 || !strings.Contains(damage, "1 of 3 lines") || string(before) != string(after) || len(files) != 2 {
		t.Errorf("torn: %v, %q, %v, files %v", changes, damage, err, files)
	}
}

// TestRefusesOddRevisions: a revision becomes the name of a file.
func TestRefusesOddRevisions(t *testing.T) {
	l := open(t, t.TempDir(), 10)
	for _, revision := range []string{"", "..", "../x", "a/b"} {
		c := change(1)
		c.Revision = revision
		if _, err := l.Add(c, nil); err == nil {
			t.Errorf("revision %q was taken", revision)
		}
	}
	if n := len(l.Changes()); n != 0 {
		t.Errorf("%d changes kept", n)
	}
}

// TestFull: what cannot be written is an error, and what was kept stays.
func TestFull(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, 10)
	add(t, l, 1, Confirmed)
	if err := os.RemoveAll(filepath.Join(dir, "specs")); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Add(change(2), []byte("x")); err == nil {
		t.Error("a spec that could not be written was kept")
	}
	if n := len(l.Changes()); n != 1 {
		t.Errorf("%d changes kept", n)
	}
	if _, err := l.Spec(1); !errors.Is(err, ErrNone) {
		t.Errorf("a spec that is gone: %v", err)
	}
}

// TestFound: what sources change one after another is one entry, which says what and how often; nothing that somebody did is in it, the
// numbers go on, and the specs of those that it stands for go.
func TestFound(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, 20)
	at := noon
	found := func(after time.Duration, revision string, all ...Found) Change {
		t.Helper()
		at = at.Add(after)
		c, err := l.Add(Change{Time: at, Who: "engine", Why: "found", Revision: revision, Before: "x", Outcome: Confirmed, Found: all, Text: []string{revision}}, []byte(revision))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	web := func(came, went int) Found { return Found{VIP: "web", Source: "dns web.test", Came: came, Went: went} }
	add(t, l, 0, Confirmed)
	found(time.Minute, "f2", web(1, 0))
	found(time.Minute, "f3", web(2, 1), Found{VIP: "api", Source: "file /api", Came: 1, Drained: 2})
	got := found(time.Minute, "f4", web(0, 1))
	if want := "found backends 3 times in 2m0s: web by dns web.test +3 -2, api by file /api +1 (2 drained)"; got.Why != want || got.Number != 4 || got.First != 2 || got.Times() != 3 {
		t.Errorf("%+v\nwant %s", got, want)
	}
	if text := strings.Join(got.Text, "; "); text != "the last of them:; f4" {
		t.Error(text)
	}
	at = at.Add(time.Minute)
	if _, err := l.Add(Change{Time: at, Who: "eve", Revision: "e5", Outcome: Confirmed}, []byte("e5")); err != nil {
		t.Fatal(err)
	}
	found(time.Minute, "f6", web(1, 0))
	found(Together-time.Second, "f7", web(1, 0))
	found(2*time.Second, "f8", web(1, 0)) // too long after the first
	for what, l := range map[string]*Log{"written": l, "read": open(t, dir, 20)} {
		var all []string
		for _, c := range l.Changes() {
			all = append(all, fmt.Sprintf("%d-%d %s", c.First, c.Number, c.Who))
		}
		if got := strings.Join(all, ", "); got != "0-1 ops, 2-4 engine, 0-5 eve, 6-7 engine, 8-8 engine" {
			t.Errorf("%s: %s", what, got)
		}
		for number, want := range map[int]string{1: text(0), 4: "f4", 5: "e5", 7: "f7", 8: "f8"} {
			if text, err := l.Spec(number); err != nil || string(text) != want {
				t.Errorf("%s: change %d: %q, %v", what, number, text, err)
			}
		}
		if _, err := l.Spec(3); !errors.Is(err, ErrNone) || !strings.Contains(err.Error(), "one of 3 that sources of backends made one after another, of which only the last is kept: change 4") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if files, err := filepath.Glob(filepath.Join(dir, "specs", "*")); err != nil || len(files) != 5 {
		t.Errorf("%q, %v", files, err)
	}
}

// TestNotBuried: however much sources change, three eighths of what is kept may be people's changes.
func TestNotBuried(t *testing.T) {
	const keep = 20
	dir := t.TempDir()
	l := open(t, dir, keep)
	for i := range keep / 2 {
		add(t, l, 10*i, Confirmed)
		for j := range 5 { // each alone, for they are hours apart
			at := noon.Add(time.Duration(5*i+j) * 2 * Together)
			if _, err := l.Add(Change{Time: at, Who: "engine", Revision: fmt.Sprintf("f%d-%d", i, j), Outcome: Confirmed, Found: []Found{{VIP: "web"}}}, []byte("f")); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 100 * keep { // together, and the file does not grow
		if _, err := l.Add(Change{Time: noon, Who: "engine", Revision: "ff", Outcome: Confirmed, Found: []Found{{VIP: "web"}}}, []byte("f")); err != nil {
			t.Fatal(err)
		}
	}
	people := 0
	for _, c := range open(t, dir, keep).Changes() {
		if c.Who == "ops" {
			people++
		}
	}
	if people < 3*keep/8 {
		t.Errorf("%d of %d changes by people are kept", people, keep/2)
	}
	if text, err := os.ReadFile(l.file()); err != nil || strings.Count(string(text), "\n") > 8*keep {
		t.Errorf("%d lines, %v", strings.Count(string(text), "\n"), err)
	}
}
