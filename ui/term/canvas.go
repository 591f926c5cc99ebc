package term

import (
	"bytes"
	"strconv"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/cellbuf"

	"hairpin/ui/term/grid"
)

// canvas turns frames into the bytes that change the terminal from the frame before. It uses cursor moves, erase to end
// of line and SGR only, which every terminal has, and relies on automatic wrapping being off.
type canvas struct {
	shown *grid.Grid // what the terminal shows; nil = not known
	ascii bool       // draw nothing else: the terminal has not shown that it knows UTF-8

	out  bytes.Buffer
	x, y int // of the terminal's cursor; x is -1 when it is not known
	pen  cellbuf.Style
}

// draw returns the bytes that make the terminal show a frame; none when it does already. They are valid until the
// next call.
func (c *canvas) draw(frame string, w, h int) []byte {
	next := grid.Parse(frame, w, h)
	if c.ascii {
		toASCII(next)
	}
	c.out.Reset()
	fresh := c.shown == nil || c.shown.W != w || c.shown.H != h
	if fresh {
		c.shown = grid.New(w, h)
		c.x, c.pen = -1, cellbuf.Style{}
		c.out.WriteString(ansi.ResetStyle)
	}
	for y := range h {
		if fresh { // row by row and not by a full clear, which would flicker
			c.move(0, y)
			c.setPen(cellbuf.Style{})
			c.out.WriteString(ansi.EraseLineRight)
		}
		c.row(next, y)
	}
	c.setPen(cellbuf.Style{})
	c.shown = next
	return c.out.Bytes()
}

// forget makes the next frame a whole one.
func (c *canvas) forget() { c.shown = nil }

// row writes the cells of a row that differ.
func (c *canvas) row(next *grid.Grid, y int) {
	end := c.tail(next, y)
	for x := 0; x < end; x++ {
		if next.At(x, y).Width == 0 || c.same(next, x, y) {
			continue
		}
		if !c.bridge(next, x, y) {
			c.move(x, y)
		}
		c.put(next, x, y)
	}
	if end < next.W && !c.blankFrom(end, y) {
		c.move(end, y)
		c.setPen(cellbuf.Style{})
		c.out.WriteString(ansi.EraseLineRight)
	}
}

// same says whether the terminal shows a cell, and its right half, already.
func (c *canvas) same(next *grid.Grid, x, y int) bool {
	n := next.At(x, y)
	return n.Equal(c.shown.At(x, y)) && (n.Width < 2 || next.At(x+1, y).Equal(c.shown.At(x+1, y)))
}

// tail is where the blanks at the end of a row begin.
func (c *canvas) tail(next *grid.Grid, y int) int {
	blank := grid.Blank()
	x := next.W
	for x > 0 && next.At(x-1, y).Equal(&blank) {
		x--
	}
	return x
}

// blankFrom says whether erasing a row from x on would save nothing: the terminal shows blanks there.
func (c *canvas) blankFrom(x, y int) bool {
	blank := grid.Blank()
	for ; x < c.shown.W; x++ {
		if !c.shown.At(x, y).Equal(&blank) {
			return false
		}
	}
	return true
}

// bridge writes the unchanged cells between the cursor and x when that takes no more bytes than a move.
func (c *canvas) bridge(next *grid.Grid, x, y int) bool {
	if c.y != y || c.x < 0 || c.x > x {
		return false
	}
	bytes := 0
	for i := c.x; i < x; i++ {
		n := next.At(i, y)
		bytes += len(n.Text)
		if n.Width != 1 || !n.Style.Equal(&c.pen) || bytes > len(ansi.CursorForward(x-c.x)) {
			return false
		}
	}
	for c.x < x {
		c.put(next, c.x, y)
	}
	return true
}

// put writes the cell at the cursor.
func (c *canvas) put(next *grid.Grid, x, y int) {
	n := next.At(x, y)
	c.setPen(n.Style)
	c.out.WriteString(n.Text)
	switch {
	case len(n.Text) > 1 && sure(n) || len(n.Text) == 1:
		c.x = x + n.Width
	default:
		// Terminals do not agree on the width of what is wide or made of several characters.
		c.x = -1
	}
	if c.x >= next.W { // it waits in the last column
		c.x = -1
	}
}

// sure says whether all terminals give a cell the width that we do: a single character of the sets that glyphs are from.
func sure(n *grid.Cell) bool {
	runes := []rune(n.Text)
	return n.Width == 1 && len(runes) == 1 && (runes[0] < 0x2600 || runes[0]&^0xff == 0x2800)
}

// move brings the cursor to a cell, in as few bytes as it can.
func (c *canvas) move(x, y int) {
	if c.x == x && c.y == y {
		return
	}
	best := ansi.CursorPosition(x+1, y+1)
	if c.x >= 0 && y >= c.y {
		down := lineFeeds(y - c.y)
		for _, way := range []string{down + sideways(c.x, x), "\r" + down + sideways(0, x)} {
			if len(way) < len(best) {
				best = way
			}
		}
	}
	c.out.WriteString(best)
	c.x, c.y = x, y
}

func lineFeeds(n int) string {
	const feeds = "\n\n\n\n"
	if n > len(feeds) {
		return "\x1b[" + strconv.Itoa(n) + "B"
	}
	return feeds[:n]
}

func sideways(from, to int) string {
	const back = "\b\b\b\b"
	switch {
	case to > from:
		return ansi.CursorForward(to - from)
	case from-to > len(back):
		return ansi.CursorBackward(from - to)
	}
	return back[:from-to]
}

// setPen changes the style of what is written next. Attributes are only ever taken away by a reset: SGR 22 ends bold and
// faint alike.
func (c *canvas) setPen(s cellbuf.Style) {
	switch {
	case s.Equal(&c.pen):
		return
	case s.Empty():
		c.out.WriteString(ansi.ResetStyle)
	case c.pen.Attrs&^s.Attrs != 0 || c.pen.UlStyle != s.UlStyle:
		c.out.WriteString("\x1b[0;" + s.Sequence()[len("\x1b["):])
	default:
		c.out.WriteString(s.DiffSequence(c.pen))
	}
	c.pen = s
}

// toASCII is for a terminal that would show the bytes of UTF-8 one by one.
func toASCII(g *grid.Grid) {
	for y := range g.H {
		for x := range g.W {
			n := g.At(x, y)
			if n.Width != 1 || len(n.Text) != 1 {
				n.Text, n.Width = "?", 1
			}
		}
	}
}
