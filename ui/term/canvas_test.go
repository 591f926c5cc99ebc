package term

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"hairpin/ui/uitest"
)

// looks are styles that need every kind of change between them, bold to faint among them.
var looks = []string{
	"", "\x1b[1m", "\x1b[2m", "\x1b[7m", "\x1b[1;7;31m", "\x1b[4m", "\x1b[4;38;5;75m", "\x1b[38;2;1;2;3m",
	"\x1b[3;44m", "\x1b[48;5;203m", "\x1b[1;2m",
}

// words are what frames are made of, with all that a terminal may trip over.
var words = []string{
	"a", "web-443", "  ", "          ", "12.4k", "▁▂▃▄▅▆▇█", "⣀⣿", "世界", "é", "e\u0301", "👩‍👩‍👧", "🇩🇪", "─┐", "\u200b", "ｗ",
	"\x1b[2J", "\x07", "☕", "♥\ufe0f", "♥", "x♥y",
}

// randomFrame is lines of styled words; it may be larger than the screen.
func randomFrame(r *rand.Rand, w, h int) string {
	var lines []string
	for range r.IntN(h + 3) {
		var b strings.Builder
		for b.Len() < r.IntN(2*w+1) {
			if look := looks[r.IntN(len(looks))]; look != "" {
				b.WriteString(look + words[r.IntN(len(words))] + "\x1b[m")
			} else {
				b.WriteString(words[r.IntN(len(words))])
			}
		}
		lines = append(lines, b.String())
	}
	return strings.Join(lines, "\n")
}

// mutate changes a few places, as one tick does.
func mutate(r *rand.Rand, frame string) string {
	runes := []rune(ansi.Strip(frame))
	for range r.IntN(4) {
		if len(runes) > 0 {
			runes[r.IntN(len(runes))] = []rune("x9 \n█世")[r.IntN(6)]
		}
	}
	return string(runes)
}

// same compares two screens cell by cell, styles included.
func same(t *testing.T, got, want *uitest.Screen) bool {
	t.Helper()
	w, h := want.Size()
	for y := range h {
		if got.Row(y) != want.Row(y) {
			t.Errorf("row %d is %q, want %q", y, got.Row(y), want.Row(y))
			return false
		}
		for x := range w {
			a, b := got.Style(x, y), want.Style(x, y)
			if !a.Equal(&b) {
				t.Errorf("style at %d,%d is %+v, want %+v, in %q", x, y, a, b, want.Row(y))
				return false
			}
		}
	}
	return true
}

// TestCanvasShowsTheFrame: whatever was on the screen, after the bytes of a frame it shows that frame.
func TestCanvasShowsTheFrame(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		w, h := 1+r.IntN(90), 1+r.IntN(30)
		term := uitest.NewTerminal(w, h)
		term.Write([]byte("\x1b[?7l" + strings.Repeat("garbage", w*h/7)))
		var c canvas
		frame := ""
		for n := range 40 {
			if n%3 == 0 {
				frame = randomFrame(r, w, h)
			} else {
				frame = mutate(r, frame)
			}
			if r.IntN(20) == 0 {
				c.forget()
			}
			term.Write(c.draw(frame, w, h))
			if !same(t, term.Screen(), uitest.NewScreen(frame, w, h)) || len(term.Unknown()) != 0 {
				t.Fatalf("seed %d, frame %d on %dx%d: unknown %q, frame %q", seed, n, w, h, term.Unknown(), frame)
			}
		}
	}
}

func TestCanvasWritesNothingForTheSameFrame(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	var c canvas
	frame := randomFrame(r, 80, 24)
	c.draw(frame, 80, 24)
	if b := c.draw(frame, 80, 24); len(b) != 0 {
		t.Errorf("wrote %q", b)
	}
	c.forget()
	if b := c.draw(frame, 80, 24); len(b) == 0 {
		t.Error("wrote nothing after it forgot the screen")
	}
}

func TestCanvasFollowsTheSize(t *testing.T) {
	var c canvas
	for _, size := range [][2]int{{80, 24}, {20, 5}, {1, 1}, {200, 60}} {
		w, h := size[0], size[1]
		term := uitest.NewTerminal(w, h)
		term.Write([]byte("\x1b[?7l" + strings.Repeat("x", w)))
		frame := strings.TrimSuffix(strings.Repeat(strings.Repeat("世", w/2)+"\n", h), "\n")
		term.Write(c.draw(frame, w, h))
		same(t, term.Screen(), uitest.NewScreen(frame, w, h))
	}
}

// TestCanvasCosts: what small changes cost, in bytes.
func TestCanvasCosts(t *testing.T) {
	for _, c := range []struct {
		about         string
		before, after string
		most          int
	}{
		{"one digit in place", "\x1b[m  pps 4.12M", "  pps 4.13M", 8},
		{"a digit right below", "aaaa 1\naaaa 1", "aaaa 2\naaaa 2", 10},
		{"two digits near each other", "1 a 1", "2 a 2", 13},
		{"a word that ends the line goes", "name            some long word", "name", 12},
		{"one styled word", "state ok  ", "state \x1b[31mbad\x1b[m", 20},
	} {
		t.Run(c.about, func(t *testing.T) {
			var k canvas
			k.draw(c.before, 80, 24)
			if b := k.draw(c.after, 80, 24); len(b) > c.most {
				t.Errorf("%d bytes, at most %d: %q", len(b), c.most, b)
			}
		})
	}
}

func TestCanvasASCII(t *testing.T) {
	c := canvas{ascii: true}
	frame := "pps ▁▂ 世 ok"
	b := c.draw(frame, 20, 1)
	if i := slices.IndexFunc(b, func(x byte) bool { return x >= 0x80 }); i >= 0 {
		t.Errorf("byte %#x in %q", b[i], b)
	}
	term := uitest.NewTerminal(20, 1)
	term.Write([]byte("\x1b[?7l"))
	term.Write(b)
	if got, want := term.Screen().Row(0), "pps ?? ?? ok"; got != want {
		t.Errorf("row %q, want %q", got, want)
	}
	c.ascii = false
	term.Write(c.draw(frame, 20, 1))
	if got := term.Screen().Row(0); got != frame {
		t.Errorf("row %q, want %q", got, frame)
	}
}
