package term

import (
	"bytes"
	"slices"
	"strconv"
	"unicode/utf8"

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
// next call. It writes style by style and not row by row: columns of numbers and of bars are next to each other then, and
// moving costs less than changing the style.
func (c *canvas) draw(frame string, w, h int) []byte {
	next := grid.Parse(frame, w, h)
	if c.ascii {
		toASCII(next)
	}
	c.out.Reset()
	if c.shown == nil || c.shown.W != w || c.shown.H != h {
		c.wipe(w, h)
	}
	for _, group := range c.changes(next) {
		c.setPen(group.pen)
		for _, at := range group.places {
			if !c.bridge(next, at.x, at.y) {
				c.move(at.x, at.y)
			}
			if at.erase {
				c.out.WriteString(ansi.EraseLineRight)
			} else {
				c.put(next, at.x, at.y)
			}
		}
	}
	c.setPen(cellbuf.Style{})
	c.shown = next
	return c.out.Bytes()
}

// forget makes the next frame a whole one.
func (c *canvas) forget() { c.shown = nil }

// wipe empties the screen, row by row and not by a full clear, which would flicker.
func (c *canvas) wipe(w, h int) {
	c.shown = grid.New(w, h)
	c.x, c.pen = -1, cellbuf.Style{}
	c.out.WriteString(ansi.ResetStyle)
	for y := range h {
		c.move(0, y)
		c.out.WriteString(ansi.EraseLineRight)
	}
}

// group is what is written in one style, from the upper left to the lower right.
type group struct {
	pen    cellbuf.Style
	places []place
}

type place struct {
	x, y  int
	erase bool // the rest of the row instead of a cell
}

// changes is where the frame differs from the screen. The plain style comes first.
func (c *canvas) changes(next *grid.Grid) []group {
	groups := []group{{}}
	for y := range next.H {
		end := tail(next, y)
		for x := 0; x < end; x++ {
			n := next.At(x, y)
			if n.Width == 0 || c.same(next, x, y) {
				continue
			}
			i := slices.IndexFunc(groups, func(g group) bool { return g.pen.Equal(&n.Style) })
			if i < 0 {
				i = len(groups)
				groups = append(groups, group{pen: n.Style})
			}
			groups[i].places = append(groups[i].places, place{x: x, y: y})
		}
		if tail(c.shown, y) > end {
			groups[0].places = append(groups[0].places, place{x: end, y: y, erase: true})
		}
	}
	if len(groups[0].places) == 0 {
		groups = groups[1:]
	}
	return groups
}

// same says whether the terminal shows a cell, and its right half, already.
func (c *canvas) same(next *grid.Grid, x, y int) bool {
	n := next.At(x, y)
	return n.Equal(c.shown.At(x, y)) && (n.Width < 2 || next.At(x+1, y).Equal(c.shown.At(x+1, y)))
}

// tail is where the blanks at the end of a row begin.
func tail(g *grid.Grid, y int) int {
	blank := grid.Blank()
	x := g.W
	for x > 0 && g.At(x-1, y).Equal(&blank) {
		x--
	}
	return x
}

// bridge writes the unchanged cells between the cursor and x when that takes no more bytes than a move.
func (c *canvas) bridge(next *grid.Grid, x, y int) bool {
	if c.y != y || c.x < 0 || c.x > x {
		return false
	}
	cost := 0
	for i := c.x; i < x; i++ {
		n := next.At(i, y)
		cost += len(n.Text)
		if !sure(n) || !n.Style.Equal(&c.pen) || cost > len(ansi.CursorForward(x-c.x)) {
			return false
		}
	}
	for c.x < x {
		c.put(next, c.x, y)
	}
	return true
}

// put writes the cell at the cursor, in the style of the pen.
func (c *canvas) put(next *grid.Grid, x, y int) {
	n := next.At(x, y)
	c.out.WriteString(n.Text)
	c.x = x + n.Width
	if !sure(n) || c.x >= next.W { // in the last column the cursor waits
		c.x = -1
	}
}

// sure says whether all terminals give a cell the width that we do. They do not agree on what is wide or made of several
// characters; on single ones of ASCII and of the sets that glyphs are from they do.
func sure(n *grid.Cell) bool {
	if len(n.Text) == 1 {
		return true
	}
	r, size := utf8.DecodeRuneInString(n.Text)
	return n.Width == 1 && size == len(n.Text) && (r < 0x2600 || r&^0xff == 0x2800)
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
