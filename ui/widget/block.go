package widget

import (
	"strings"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"

	"hairpin/ui/theme"
)

// Fill makes a block exactly w cells wide and h lines high: it cuts what is too much and pads with blanks.
func Fill(lines []string, w, h int, g theme.Glyphs) []string {
	out := make([]string, max(h, 0))
	for i := range out {
		line := ""
		if i < len(lines) {
			line = lines[i]
		}
		out[i] = Fit(line, w, g)
	}
	return out
}

// Beside puts two blocks side by side with a gap, each in a width of its own.
func Beside(left []string, leftWidth, gap int, right []string, rightWidth int, g theme.Glyphs) []string {
	h := max(len(left), len(right))
	left, right = Fill(left, leftWidth, h, g), Fill(right, rightWidth, h, g)
	for i := range left {
		left[i] += spaces(gap) + right[i]
	}
	return left
}

// Wrap breaks text into lines of at most w cells, between words where it can.
func Wrap(text string, w int) []string {
	if w <= 0 || text == "" {
		return nil
	}
	lines := strings.Split(ansi.Wrap(text, w, ""), "\n")
	for i := range lines {
		lines[i] = ansi.Truncate(strings.TrimRight(lines[i], " "), w, "")
	}
	return lines
}

// Box frames a block: exactly w cells wide and h lines high, border included, with a title in the upper edge. The body
// is cut to w-4 cells and h-2 lines.
func Box(title string, body []string, w, h int, border lipgloss.Style, g theme.Glyphs) []string {
	if w < 4 || h < 2 {
		return Fill(body, w, h, g)
	}
	edge := func(left, right, text string) string {
		rest := w - 2 - Width(text)
		return border.Render(left) + text + border.Render(strings.Repeat(g.Horizontal, rest)+right)
	}
	if title != "" {
		title = border.Render(g.Horizontal) + Truncate(" "+title+" ", w-3, g)
	}
	out := make([]string, 0, h)
	out = append(out, edge(g.TopLeft, g.TopRight, title))
	side := border.Render(g.Vertical)
	for _, line := range Fill(body, w-4, h-2, g) {
		out = append(out, side+" "+line+" "+side)
	}
	return append(out, edge(g.BottomLeft, g.BottomRight, ""))
}

// Place lays a block over a screen with its upper left corner at x, y. The screen keeps its size: what of the block is
// outside is not seen. Where it cuts a wide character in half, a blank stays.
func Place(screen, block []string, x, y int) []string {
	out := append([]string(nil), screen...)
	for i, over := range block {
		if y+i < 0 || y+i >= len(out) {
			continue
		}
		out[y+i] = overlay(out[y+i], over, x)
	}
	return out
}

// Center lays a block over the middle of a screen w cells wide.
func Center(screen, block []string, w int) []string {
	widest := 0
	for _, line := range block {
		widest = max(widest, Width(line))
	}
	return Place(screen, block, max((w-widest)/2, 0), max((len(screen)-len(block))/2, 0))
}

func overlay(under, over string, x int) string {
	w := Width(under)
	if x < 0 {
		over, x = from(over, -x), 0
	}
	if x >= w {
		return under
	}
	over = ansi.Truncate(over, w-x, "")
	left := ansi.Truncate(under, x, "")
	left += spaces(x - Width(left))
	return left + reset + over + reset + from(under, x+Width(over))
}

// from is a styled string without its first n cells; a blank stays for half a wide character.
func from(s string, n int) string {
	keep := max(Width(s)-n, 0)
	rest := ansi.TruncateLeft(s, n, "")
	for Width(rest) > keep { // it keeps the character that is cut
		n++
		rest = ansi.TruncateLeft(s, n, "")
	}
	return spaces(keep-Width(rest)) + rest
}

// reset keeps the styles of what was cut from running on.
const reset = "\x1b[m"
