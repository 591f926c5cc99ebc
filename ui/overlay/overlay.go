// Package overlay is what is drawn over a page and takes its keys: choices, inputs, the palette, help. An overlay knows
// what it will ask for before it opens, and never looks at the page below.
package overlay

import (
	"hairpin/ui/action"
	"hairpin/ui/page"
	"hairpin/ui/theme"
	"hairpin/ui/widget"
)

// Overlay is one of them.
type Overlay interface {
	// Act takes an action of the dialog scope.
	Act(id action.ID) Outcome
	// Type takes printable text.
	Type(text string) Outcome
	// Over draws it over a screen of h lines of w cells, and returns as many.
	Over(k page.Kit, screen []string, w, h int) []string
	// Keys are those worth a place in the footer, in pairs: the key, and what it does.
	Keys() [][2]string
}

// Outcome is what becomes of an overlay after a key.
type Outcome struct {
	Close bool
	Ask   any // a request to the root, whole in itself; nil = none
}

// Line is a line of a dialog's body.
type Line struct {
	Token theme.Token
	Text  string
}

// box frames a body in the middle of the screen, as wide as it needs to be and no wider than want. Where a frame would
// take the room of the words, there is none.
func box(k page.Kit, screen []string, w, h int, title string, token theme.Token, body []string, want int) []string {
	if w < 30 || h < 8 {
		lines := append([]string{k.Say(token, title)}, body...)
		if len(lines) > h {
			lines = append(lines[:h-1], lines[len(lines)-1]) // the last line has the buttons
		}
		return widget.Fill(lines, w, h, k.Glyphs)
	}
	width, height := across(w, want), min(len(body)+2, h)
	if len(body) > height-2 {
		body = append(append([]string(nil), body[:height-3]...), body[len(body)-1])
	}
	block := widget.Box(k.Say(token, title), body, width, height, k.Theme.Style(theme.Border), k.Glyphs)
	return widget.Center(screen, block, w)
}

// inner is the width of a box's body.
func inner(w, want int) int {
	if w < 30 {
		return w
	}
	return across(w, want) - 4
}

// across is the width of a box: all of the screen where only a fringe of it would be left.
func across(w, want int) int {
	if w < want+14 {
		return w
	}
	return want
}

// wrapped is a body in lines of at most n cells.
func wrapped(k page.Kit, body []Line, n int) []string {
	var out []string
	for _, l := range body {
		if l.Text == "" {
			out = append(out, "")
			continue
		}
		for _, text := range widget.Wrap(widget.Clean(l.Text), n) {
			out = append(out, k.Say(l.Token, text))
		}
	}
	return out
}

// field is a text being typed, with its cursor; its beginning is cut when it is too long.
func field(k page.Kit, text string, w int) string {
	runes := []rune(text)
	for len(runes) > 0 && widget.Width(string(runes)) > w-1 {
		runes = runes[1:]
	}
	return k.Say(theme.Key, string(runes)) + k.Theme.Style(theme.Selection).Render(" ")
}
