// Package uitest looks at what the console draws: frames as cells, words in rows, golden files, and a terminal that
// carries out what the painter writes.
package uitest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/cellbuf"

	"hairpin/ui/term/grid"
)

// Screen is a frame on a terminal of a given size.
type Screen struct {
	grid *grid.Grid
}

// NewScreen lays a frame out: lines of styled text. What does not fit is not there; see Overflow.
func NewScreen(frame string, w, h int) *Screen { return &Screen{grid.Parse(frame, w, h)} }

// Size is columns and rows.
func (s *Screen) Size() (w, h int) { return s.grid.W, s.grid.H }

// Row is the text of a row (from 0), without the blanks at its end.
func (s *Screen) Row(y int) string { return s.grid.Row(y) }

// Text is all rows, a line each: what a golden file holds.
func (s *Screen) Text() string {
	var b strings.Builder
	for y := range s.grid.H {
		b.WriteString(s.Row(y) + "\n")
	}
	return b.String()
}

// Style is how the cell in a column and a row (from 0) is drawn.
func (s *Screen) Style(x, y int) cellbuf.Style { return s.grid.At(x, y).Style }

// StyleOf is how the first character of a text in a row is drawn; false when the row does not have it.
func (s *Screen) StyleOf(y int, text string) (cellbuf.Style, bool) {
	for x := range s.grid.W {
		rest := ""
		for i := x; i < s.grid.W && len(rest) < len(text); i++ {
			rest += s.grid.At(i, y).Text
		}
		if strings.HasPrefix(rest, text) && s.grid.At(x, y).Width > 0 {
			return s.Style(x, y), true
		}
	}
	return cellbuf.Style{}, false
}

// Find is the first row that has all of these words; -1 when there is none.
func (s *Screen) Find(words ...string) int {
	for y := range s.grid.H {
		if missing(s.Row(y), words) == "" {
			return y
		}
	}
	return -1
}

// Has fails the test unless one row has all of these words, in this order. It returns the row.
func (s *Screen) Has(t testing.TB, words ...string) int {
	t.Helper()
	y := s.Find(words...)
	if y < 0 {
		t.Errorf("no row has %q:\n%s", words, s.frame())
	}
	return y
}

// HasNot fails the test if a row has all of these words, in this order.
func (s *Screen) HasNot(t testing.TB, words ...string) {
	t.Helper()
	if y := s.Find(words...); y >= 0 {
		t.Errorf("row %d has %q:\n%s", y, words, s.frame())
	}
}

// RowHas fails the test unless a row has all of these words, in this order.
func (s *Screen) RowHas(t testing.TB, y int, words ...string) {
	t.Helper()
	if word := missing(s.Row(y), words); word != "" {
		t.Errorf("row %d does not have %q of %q: %q", y, word, words, s.Row(y))
	}
}

// missing is the first word that does not follow the ones before it.
func missing(row string, words []string) string {
	for _, word := range words {
		at := strings.Index(row, word)
		if at < 0 {
			return word
		}
		row = row[at+len(word):]
	}
	return ""
}

// frame is the text between edges, for messages.
func (s *Screen) frame() string {
	var b strings.Builder
	for y := range s.grid.H {
		row := s.Row(y)
		fmt.Fprintf(&b, "%3d|%s%s|\n", y, row, strings.Repeat(" ", max(s.grid.W-ansi.StringWidth(row), 0)))
	}
	return b.String()
}

// Overflow says what of a frame does not fit into a size; empty when all of it does.
func Overflow(frame string, w, h int) string {
	lines := strings.Split(frame, "\n")
	if len(lines) > h {
		return fmt.Sprintf("%d lines in %d rows", len(lines), h)
	}
	for y, line := range lines {
		if n := ansi.StringWidth(line); n > w {
			return fmt.Sprintf("line %d takes %d of %d columns: %q", y, n, w, line)
		}
	}
	return ""
}
