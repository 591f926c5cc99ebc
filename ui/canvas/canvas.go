// Package canvas is a rectangle of character cells, each with a meaning instead of a colour: pages and overlays draw
// on it, and nothing drawn can leave it.
package canvas

import (
	"unicode"

	"github.com/charmbracelet/x/ansi"

	"hairpin/ui/theme"
)

// Canvas is a view of a grid of cells: coordinates begin at its own upper left corner, and what lies outside is cut.
type Canvas struct {
	W, H   int
	grid   *grid
	x0, y0 int
	glyphs theme.Glyphs
}

type grid struct {
	w, h  int
	cells []cell
}

// cell holds one grapheme; the right half of a wide one holds nothing.
type cell struct {
	text     string
	token    theme.Token
	selected bool
}

// New is an empty canvas of that size. A size below 1 is taken as 1.
func New(w, h int, glyphs theme.Glyphs) *Canvas {
	w, h = max(w, 1), max(h, 1)
	g := &grid{w: w, h: h, cells: make([]cell, w*h)}
	c := &Canvas{W: w, H: h, grid: g, glyphs: glyphs}
	c.Clear()
	return c
}

// Sub is a part of the canvas as a canvas of its own, cut to what there is.
func (c *Canvas) Sub(x, y, w, h int) *Canvas {
	x, y = max(0, min(x, c.W)), max(0, min(y, c.H))
	return &Canvas{
		W: max(0, min(w, c.W-x)), H: max(0, min(h, c.H-y)),
		grid: c.grid, x0: c.x0 + x, y0: c.y0 + y, glyphs: c.glyphs,
	}
}

// Glyphs are the characters that this canvas may draw with.
func (c *Canvas) Glyphs() theme.Glyphs { return c.glyphs }

// Clear fills the canvas with spaces.
func (c *Canvas) Clear() {
	for y := range c.H {
		for x := range c.W {
			*c.at(x, y) = cell{text: " ", token: theme.Text}
		}
	}
}

func (c *Canvas) at(x, y int) *cell { return &c.grid.cells[(c.y0+y)*c.grid.w+c.x0+x] }

// Put draws text from (x, y) in at most width cells, with an ellipsis where it had to be cut, and returns the column
// behind it. Control characters become spaces, so that no text from outside can steer the terminal.
func (c *Canvas) Put(x, y, width int, token theme.Token, text string) int {
	width = min(width, c.W-x)
	if width <= 0 || y < 0 || y >= c.H || x < 0 {
		return x
	}
	end, cut := x+width, Width(text) > width
	if cut {
		end -= Width(c.glyphs.Ellipsis)
	}
	for text != "" {
		g, w := ansi.FirstGraphemeCluster(text, ansi.GraphemeWidth)
		text = text[len(g):]
		if r := []rune(g)[0]; w == 0 || unicode.IsControl(r) {
			g, w = " ", 1
		}
		if x+w > end {
			break
		}
		c.set(x, y, cell{text: g, token: token})
		for i := 1; i < w; i++ {
			*c.at(x+i, y) = cell{token: token}
		}
		x += w
	}
	if cut && x < c.W {
		c.set(x, y, cell{text: c.glyphs.Ellipsis, token: token})
		x++
	}
	return x
}

// set replaces a cell. What is left of a wide character that it cuts in half becomes a space.
func (c *Canvas) set(x, y int, k cell) {
	row := c.grid.cells[(c.y0+y)*c.grid.w : (c.y0+y+1)*c.grid.w]
	x += c.x0
	for i := x; i > 0 && row[i].text == ""; i-- {
		row[i-1].text, row[i].text = " ", " "
	}
	for i := x + 1; i < len(row) && row[i].text == ""; i++ {
		row[i].text = " "
	}
	row[x] = k
}

// Right draws text so that it ends width cells after x.
func (c *Canvas) Right(x, y, width int, token theme.Token, text string) {
	n := min(Width(text), width)
	c.Put(x+width-n, y, n, token, text)
}

// Select marks a row as the one under the cursor.
func (c *Canvas) Select(y int) {
	if y < 0 || y >= c.H {
		return
	}
	for x := range c.W {
		c.at(x, y).selected = true
	}
}

// Box draws a frame around the whole canvas with a title in its upper edge, and returns what is inside.
func (c *Canvas) Box(token theme.Token, title string) *Canvas {
	g := c.glyphs
	for x := 1; x < c.W-1; x++ {
		c.Put(x, 0, 1, theme.Border, g.Horizontal)
		c.Put(x, c.H-1, 1, theme.Border, g.Horizontal)
	}
	for y := 1; y < c.H-1; y++ {
		c.Put(0, y, 1, theme.Border, g.Vertical)
		c.Put(c.W-1, y, 1, theme.Border, g.Vertical)
	}
	c.Put(0, 0, 1, theme.Border, g.TopLeft)
	c.Put(c.W-1, 0, 1, theme.Border, g.TopRight)
	c.Put(0, c.H-1, 1, theme.Border, g.BottomLeft)
	c.Put(c.W-1, c.H-1, 1, theme.Border, g.BottomRight)
	if title != "" {
		c.Put(2, 0, c.W-4, token, " "+title+" ")
	}
	return c.Sub(2, 1, c.W-4, c.H-2)
}

// Width is how many cells a text takes; a control character takes one.
func Width(text string) int {
	n := 0
	for text != "" {
		g, w := ansi.FirstGraphemeCluster(text, ansi.GraphemeWidth)
		text = text[len(g):]
		n += max(w, 1)
	}
	return n
}
