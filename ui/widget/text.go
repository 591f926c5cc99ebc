// Package widget draws numbers, lines, tables and boxes as text: pure functions of data, width and glyphs.
//
// A string may carry styles (SGR sequences, as lipgloss makes them); its width is what it takes on the screen. A block
// is a slice of lines. Nothing that is drawn is ever wider or higher than asked for. Text from outside goes through
// Clean first; Table does that itself.
package widget

import (
	"strings"
	"unicode"

	"github.com/charmbracelet/x/ansi"

	"hairpin/ui/theme"
)

// Clean makes text from outside harmless and one line: no escape sequence, control, or invisible character is left.
func Clean(s string) string {
	s = strings.ToValidUTF8(s, "?")
	if strings.IndexFunc(s, unsafe) < 0 {
		return s
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case unsafe(r):
			return -1
		}
		return r
	}, s)
}

// unsafe says whether a rune does something else than taking cells: controls, and formats such as direction overrides.
func unsafe(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)
}

// Width is the number of cells that a styled string takes.
func Width(s string) int { return ansi.StringWidth(s) }

// Truncate cuts a styled string to at most w cells; a cut is marked by the ellipsis.
func Truncate(s string, w int, g theme.Glyphs) string {
	if w <= 0 {
		return ""
	}
	if Width(s) <= w {
		return s
	}
	if w == 1 {
		return ansi.Truncate(s, 1, "")
	}
	return ansi.Truncate(s, w, g.Ellipsis)
}

// Middle cuts the middle out of plain text that is wider than w cells; the cut is marked by the ellipsis.
func Middle(s string, w int, g theme.Glyphs) string {
	n := Width(s)
	if n <= w || w < 3 {
		return Truncate(s, w, g)
	}
	tail := (w - 1) / 2
	return ansi.Truncate(s, w-1-tail, "") + g.Ellipsis + ansi.TruncateLeft(s, n-tail, "")
}

// Fit makes a styled string exactly w cells wide, aligned left.
func Fit(s string, w int, g theme.Glyphs) string {
	s = Truncate(s, w, g)
	return s + spaces(w-Width(s))
}

// FitRight makes a styled string exactly w cells wide, aligned right.
func FitRight(s string, w int, g theme.Glyphs) string {
	s = Truncate(s, w, g)
	return spaces(w-Width(s)) + s
}

// Line is exactly w cells: left begins at the left edge, right ends at the right one. When there is no room for both,
// left is cut first, since the right end holds what must always be seen.
func Line(w int, left, right string, g theme.Glyphs) string {
	right = Truncate(right, w, g)
	room := w - Width(right)
	if right != "" && room > 0 {
		room-- // one cell between them
		right = " " + right
	}
	return Fit(left, room, g) + right
}

func spaces(n int) string { return strings.Repeat(" ", max(n, 0)) }
