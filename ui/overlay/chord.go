package overlay

import (
	"strings"

	"hairpin/ui/action"
	"hairpin/ui/keymap"
	"hairpin/ui/page"
	"hairpin/ui/theme"
	"hairpin/ui/widget"
)

// Chord draws how a chord that was begun can go on. It takes no keys: the next one ends the chord.
func Chord(k page.Kit, screen []string, w, h int, begun []string, ways []keymap.Binding) []string {
	var body []string
	for _, b := range ways {
		keys := strings.Join(b.Keys[len(begun):], " ")
		body = append(body, k.Say(theme.Key, widget.Fit(keys, 8, k.Glyphs))+" "+k.Say(theme.Hint, action.Title(b.Action)))
	}
	return box(k, screen, w, h, strings.Join(begun, " "), theme.Key, body, 34)
}
