package grid

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		about, frame string
		w, h         int
		rows         []string
	}{
		{"lines", "ab\ncd", 3, 3, []string{"ab", "cd", ""}},
		{"cropped at the right and below", "abcdef\nghi\njkl", 3, 2, []string{"abc", "ghi"}},
		{"wide characters", "a世b", 4, 1, []string{"a世b"}},
		{"no room for the right half", "ab世", 3, 1, []string{"ab"}},
		{"accents that stand alone", "e\u0301x", 3, 1, []string{"ex"}},
		{"bytes that are not UTF-8", "a\xffb", 3, 1, []string{"a?b"}},
		{"sequences that are not styles", "a\x1b[5;5Hb\x1b]0;title\x07c\x1bPq\x1b\\d", 9, 1, []string{"abcd"}},
		{"controls", "a\r\tb\x07\x08c\x7f\u009bd", 9, 1, []string{"abcd"}},
		{"CR LF", "a\r\nb", 2, 2, []string{"a", "b"}},
		{"an unfinished sequence", "a\x1b[3", 5, 1, []string{"a"}},
		{"no room at all", "abc", 0, 0, nil},
	} {
		t.Run(c.about, func(t *testing.T) {
			g := Parse(c.frame, c.w, c.h)
			var rows []string
			for y := range g.H {
				rows = append(rows, g.Row(y))
			}
			if strings.Join(rows, "|") != strings.Join(c.rows, "|") || len(rows) != len(c.rows) {
				t.Errorf("rows %q, want %q", rows, c.rows)
			}
		})
	}
}

func TestPutPartsWideCells(t *testing.T) {
	wide := Cell{Text: "世", Width: 2}
	for name, c := range map[string]struct {
		put  func(*Grid)
		want string
	}{
		"over the left half":    {func(g *Grid) { g.Put(1, 0, Cell{Text: "x", Width: 1}) }, "ax d"},
		"over the right half":   {func(g *Grid) { g.Put(2, 0, Cell{Text: "x", Width: 1}) }, "a xd"},
		"wide over both halves": {func(g *Grid) { g.Put(0, 0, wide) }, "世 d"},
		"wide over the second":  {func(g *Grid) { g.Put(2, 0, wide) }, "a 世"},
		"outside":               {func(g *Grid) { g.Put(4, 0, wide); g.Put(-1, 0, wide); g.Put(0, 1, wide) }, "a世d"},
	} {
		g := Parse("a世d", 4, 1)
		c.put(g)
		if got := g.Row(0); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// FuzzParse: whatever a frame holds, its cells are whole characters that move no cursor, and each row is W cells.
func FuzzParse(f *testing.F) {
	f.Add("ab\x1b[1mcd\n世é\u009b\x1b[", 5, 3)
	f.Add("\xf0\x9f\x98\x80\xff\xe2\x96\x1b]8;;x", 3, 2)
	f.Fuzz(func(t *testing.T, frame string, w, h int) {
		if w < 0 || h < 0 || w > 200 || h > 60 {
			return
		}
		g := Parse(frame, w, h)
		for y := range h {
			cells := 0
			for x := range w {
				c := g.At(x, y)
				cells += c.Width
				for _, r := range c.Text {
					if unicode.IsControl(r) || r == utf8.RuneError && !strings.Contains(c.Text, "\ufffd") {
						t.Errorf("cell %d,%d is %q", x, y, c.Text)
					}
				}
				if (c.Width == 0) != (c.Text == "") {
					t.Errorf("cell %d,%d is %q, %d wide", x, y, c.Text, c.Width)
				}
			}
			if cells != w {
				t.Errorf("row %d is %d cells wide, want %d", y, cells, w)
			}
		}
	})
}
