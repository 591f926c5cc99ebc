package uitest

import (
	"strings"
	"testing"
)

// recorder is a test that is expected to fail.
type recorder struct {
	testing.TB
	failed bool
}

func (r *recorder) Helper()               {}
func (r *recorder) Errorf(string, ...any) { r.failed = true }

func TestScreen(t *testing.T) {
	s := NewScreen("\x1b[1;31mCRIT\x1b[m  lb-7 \x1b[2Jx\ndéjà 世界|\nthird", 10, 2)
	if got, want := s.Text(), "CRIT  lb-7\ndéjà 世界|\n"; got != want {
		t.Errorf("text %q, want %q", got, want)
	}
	if st, ok := s.StyleOf(0, "CRIT"); !ok || st.Attrs == 0 || st.Fg == nil {
		t.Errorf("style of CRIT: %v %+v", ok, st)
	}
	if st, ok := s.StyleOf(0, "lb-7"); !ok || !st.Empty() {
		t.Errorf("style of lb-7: %v %+v", ok, st)
	}
	if _, ok := s.StyleOf(0, "OK"); ok {
		t.Error("found the style of a text that is not there")
	}
	if y := s.Has(t, "déjà", "界"); y != 1 {
		t.Errorf("row %d", y)
	}
	s.HasNot(t, "third")
	s.RowHas(t, 0, "CRIT", "lb-7")
}

func TestScreenAssertsFail(t *testing.T) {
	s := NewScreen("one two", 10, 1)
	for name, assert := range map[string]func(testing.TB){
		"absent":  func(t testing.TB) { s.Has(t, "three") },
		"order":   func(t testing.TB) { s.Has(t, "two", "one") },
		"present": func(t testing.TB) { s.HasNot(t, "one") },
		"row":     func(t testing.TB) { s.RowHas(t, 0, "two", "two") },
	} {
		r := &recorder{TB: t}
		assert(r)
		if !r.failed {
			t.Errorf("%s: the assertion passed", name)
		}
	}
}

func TestOverflow(t *testing.T) {
	for frame, fits := range map[string]bool{
		"abc\nab":            true,
		"\x1b[7mabc\x1b[m":   true,
		"abcd":               false,
		"世界":                 false,
		"a\nb\nc":            false,
		"a\n\x1b[1mabcd\x1b": false,
	} {
		if got := Overflow(frame, 3, 2); (got == "") != fits {
			t.Errorf("%q: %q", frame, got)
		}
	}
}

// TestTerminalTakesAnySplit writes the same bytes whole and cut at every place.
func TestTerminalTakesAnySplit(t *testing.T) {
	const out = "\x1b[?25l\x1b[2;3Hab\x1b[1;38;5;75mcé\x1b[m世\r\n\x1b[3Cx\b\by\x1b[3;1Hgone\x1b[3;2H\x1b[K\x1b[1;2H\x1b[41m\x1b[2Cz\x1b[m"
	whole := NewTerminal(12, 4)
	whole.Write([]byte(out))
	if got, want := whole.Screen().Text(), "   z\n  abcé世\ng\n\n"; got != want {
		t.Fatalf("screen %q, want %q", got, want)
	}
	if whole.Mode(25) || len(whole.Unknown()) != 0 {
		t.Errorf("cursor seen: %v, unknown %q", whole.Mode(25), whole.Unknown())
	}
	for cut := 1; cut < len(out); cut++ {
		split := NewTerminal(12, 4)
		split.Write([]byte(out[:cut]))
		split.Write([]byte(out[cut:]))
		if got := split.Screen().Text(); got != whole.Screen().Text() {
			t.Errorf("cut at %d: screen %q", cut, got)
		}
	}
}

func TestTerminalKeepsWhatItDoesNotKnow(t *testing.T) {
	term := NewTerminal(5, 2)
	term.Write([]byte("\x1b[2J\x1b[6n" + strings.Repeat("x", 6) + "\n\n"))
	want := []string{"\x1b[2J", "\x1b[6n", "text in the last column wraps", "line feed in the last row"}
	if got := term.Unknown(); strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("unknown %q, want %q", got, want)
	}
}
