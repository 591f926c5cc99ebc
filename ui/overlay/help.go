package overlay

import (
	"fmt"
	"strings"

	"hairpin/ui/action"
	"hairpin/ui/keymap"
	"hairpin/ui/page"
	"hairpin/ui/theme"
	"hairpin/ui/widget"
)

// Help is the keys of a screen, as the keymap has them.
type Help struct {
	title string
	lines []helpLine
	top   int
	rows  int
}

type helpLine struct{ head, keys, text string }

// NewHelp reads the keys of a scope out of the keymap, the scope's own first. What was wrong with the files comes before
// them: who comes for that should not have to scroll.
func NewHelp(k *keymap.Keymap, scope action.Scope, problems []string) *Help {
	h := &Help{title: "HELP " + string(scope) + ", keymap " + k.Name}
	if len(problems) > 0 {
		h.lines = append(h.lines, helpLine{head: "SKIPPED IN CONFIGURATION"})
		for _, p := range problems {
			for _, text := range widget.Wrap(widget.Clean(p), 70) {
				h.lines = append(h.lines, helpLine{text: text})
			}
		}
	}
	last := action.Scope("")
	for _, a := range action.In(scope) {
		if a.Scope != last {
			h.lines = append(h.lines, helpLine{head: strings.ToUpper(string(a.Scope))})
			last = a.Scope
		}
		keys := strings.Join(k.Keys(scope, a.ID), ", ")
		if keys == "" {
			keys = ":" + string(a.ID)
		}
		h.lines = append(h.lines, helpLine{keys: keys, text: a.Help})
	}
	h.lines = append(h.lines, helpLine{head: "HOW A CHANGE IS MADE"},
		helpLine{text: "arm, stage, preview, apply; confirm within 60 s, or it goes back"})
	return h
}

// Act scrolls or closes.
func (h *Help) Act(id action.ID) Outcome {
	switch id {
	case action.LineDown:
		h.top++
	case action.LineUp:
		h.top--
	case action.PageDown:
		h.top += max(1, h.rows-1)
	case action.PageUp:
		h.top -= max(1, h.rows-1)
	default:
		return Outcome{Close: true}
	}
	return Outcome{}
}

// Type scrolls by the letters that scroll everywhere; any other closes.
func (h *Help) Type(text string) Outcome {
	switch text {
	case "j":
		return h.Act(action.LineDown)
	case "k":
		return h.Act(action.LineUp)
	case " ":
		return h.Act(action.PageDown)
	case "g":
		h.top = 0
		return Outcome{}
	case "G":
		h.top = len(h.lines)
		return Outcome{}
	}
	return Outcome{Close: true}
}

// Keys for the footer.
func (h *Help) Keys() [][2]string {
	return [][2]string{{"j k", "scroll"}, {"space", "page"}, {"esc", "close"}}
}

// Over draws as much as there is room for.
func (h *Help) Over(k page.Kit, screen []string, w, lines int) []string {
	const want = 78
	n := inner(w, want)
	h.rows = max(1, lines-2)
	h.top = max(0, min(h.top, len(h.lines)-h.rows))
	wide := 8
	for _, l := range h.lines {
		wide = min(max(wide, widget.Width(l.keys)), 22)
	}
	var body []string
	for _, l := range h.lines[h.top:min(h.top+h.rows, len(h.lines))] {
		switch {
		case l.head != "":
			body = append(body, k.Say(theme.Title, l.head))
		case l.keys == "":
			body = append(body, k.Say(theme.Hint, widget.Truncate(l.text, n, k.Glyphs)))
		default:
			body = append(body, k.Say(theme.Key, widget.Fit(l.keys, wide, k.Glyphs))+" "+k.Say(theme.Hint, l.text))
		}
	}
	title := h.title
	if n := len(h.lines); n > h.rows {
		title += fmt.Sprintf(" %d-%d of %d", h.top+1, h.top+len(body), n)
	}
	return box(k, screen, w, lines, title, theme.Title, body, want)
}
