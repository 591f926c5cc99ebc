// Package grid is a screen as cells: what a frame of styled text looks like on a terminal of a given size.
package grid

import (
	"strings"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/cellbuf"
)

// Cell is one place on the screen.
type Cell struct {
	Text  string // one grapheme; empty for the right half of a wide one
	Width int    // 1 or 2; 0 for the right half of a wide one
	Style cellbuf.Style
}

// Blank is a cell of an empty screen.
func Blank() Cell { return Cell{Text: " ", Width: 1} }

// Equal says whether two cells look the same.
func (c *Cell) Equal(o *Cell) bool {
	return c.Text == o.Text && c.Width == o.Width && c.Style.Equal(&o.Style)
}

// Grid is a screen of W columns and H rows.
type Grid struct {
	W, H  int
	cells []Cell
}

// New is an empty screen.
func New(w, h int) *Grid {
	g := &Grid{W: max(w, 0), H: max(h, 0)}
	g.cells = make([]Cell, g.W*g.H)
	for i := range g.cells {
		g.cells[i] = Blank()
	}
	return g
}

// At is the cell in a column and a row, both from 0. It panics outside of the grid.
func (g *Grid) At(x, y int) *Cell { return &g.cells[y*g.W+x] }

// Row is the text of a row without the blanks at its end.
func (g *Grid) Row(y int) string {
	var b strings.Builder
	for x := range g.W {
		b.WriteString(g.At(x, y).Text)
	}
	return strings.TrimRight(b.String(), " ")
}

// Put writes a cell. A wide one takes the next cell too, or becomes a blank when there is none. The other half of
// a wide cell that is overwritten becomes a blank.
func (g *Grid) Put(x, y int, c Cell) {
	if x < 0 || x >= g.W || y < 0 || y >= g.H {
		return
	}
	if c.Width == 2 && x == g.W-1 {
		c.Text, c.Width = " ", 1
	}
	g.part(x, y)
	*g.At(x, y) = c
	if c.Width == 2 {
		g.part(x+1, y)
		*g.At(x+1, y) = Cell{Style: c.Style}
	}
}

// part blanks both halves of the wide cell that covers a place.
func (g *Grid) part(x, y int) {
	if g.At(x, y).Width == 0 && x > 0 {
		x--
	}
	if g.At(x, y).Width == 2 {
		for _, half := range []*Cell{g.At(x, y), g.At(x+1, y)} {
			half.Text, half.Width = " ", 1
		}
	}
}

// Parse lays a frame out: lines of text with SGR sequences. Every other sequence and control is left out, and so are
// accents that stand alone and what does not fit, so that no text can reach the terminal but through cells.
func Parse(frame string, w, h int) *Grid {
	g := New(w, h)
	p := ansi.GetParser()
	defer ansi.PutParser(p)
	var style cellbuf.Style
	var state byte
	x, y := 0, 0
	for len(frame) > 0 && y < h {
		if n := plain(frame); n > 0 && state == 0 {
			for i := range n {
				g.Put(x, y, Cell{Text: frame[i : i+1], Width: 1, Style: style})
				x++
			}
			frame = frame[n:]
			continue
		}
		seq, width, n, next := ansi.DecodeSequence(frame, state, p)
		switch {
		case width > 0 && !utf8.ValidString(seq):
			g.Put(x, y, Cell{Text: "?", Width: 1, Style: style})
			x++
		case width > 0:
			g.Put(x, y, Cell{Text: seq, Width: min(width, 2), Style: style})
			x += min(width, 2)
		case seq == "\n":
			x, y = 0, y+1
		case ansi.HasCsiPrefix(seq) && p.Command() == 'm':
			cellbuf.ReadStyle(p.Params(), &style)
		}
		state, frame = next, frame[n:]
	}
	return g
}

// plain counts the printable ASCII bytes in front, which are a cell each.
func plain(s string) int {
	n := 0
	for n < len(s) && s[n] >= 0x20 && s[n] < 0x7f {
		n++
	}
	return n
}
