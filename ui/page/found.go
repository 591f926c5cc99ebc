package page

import (
	"fmt"
	"slices"
	"strings"

	"hairpin/engine"
	"hairpin/ui/cause"
	"hairpin/ui/theme"
	"hairpin/ui/widget"
)

// fromWord says in one word from where a backend is: the kind of the source that found it, or that somebody typed it.
func fromWord(v engine.VIP, b engine.Backend) string {
	if !b.Found || v.Found == nil {
		return "typed"
	}
	kind, _, _ := strings.Cut(v.Found.Source, " ")
	return kind
}

const mostOfSource = 3 // lines that the words of a source may take

// sourceLines are what is true of the source that finds a VIP's backends, and the command that believes it where it is held.
func sourceLines(k Kit, v View, vip engine.VIP, w int) (out []string) {
	f := vip.Found
	if f == nil {
		return nil
	}
	text, token := "found in "+f.Source, theme.Dim
	if !f.Answered.IsZero() {
		text += fmt.Sprintf(" (%d named %s ago)", f.Says, widget.Age(v.Now.Sub(f.Answered)))
	}
	if f.Error != "" || !f.Held.IsZero() {
		token = theme.Warn
	}
	lines := widget.Wrap(widget.Clean(text+": "+cause.Believed(f, v.Now)), w-2)
	if len(lines) > mostOfSource {
		lines[mostOfSource-1] = widget.Truncate(lines[mostOfSource-1]+" "+lines[mostOfSource], w-2, k.Glyphs)
		lines = lines[:mostOfSource]
	}
	if !f.Held.IsZero() {
		lines = append(lines, fmt.Sprintf("held for %s; to believe it: :accept found %s", widget.Age(v.Now.Sub(f.Held)), vip.Name))
	}
	for _, line := range lines {
		out = append(out, " "+k.Say(token, line))
	}
	return out
}

// foundText says from where one backend of a VIP with a source is, and since when.
func foundText(v View, vip engine.VIP, b engine.Backend) string {
	if vip.Found == nil {
		return ""
	}
	if !b.Found {
		return "typed"
	}
	if b.Dropped != nil {
		return "" // why it drains says so
	}
	text := "found in " + fromWord(vip, b)
	if !b.FoundSince.IsZero() {
		text += " for " + widget.Age(v.Now.Sub(b.FoundSince))
	}
	if b.Edited {
		text += ", and edited since"
	}
	return text
}

// why is a line about the backend under the cursor, where anything is known of any: from where it is, and why it is in
// its state.
func (b *backends) why(k Kit, v View, vip engine.VIP) []string {
	if vip.Found == nil && !slices.ContainsFunc(vip.Backends, func(s engine.Backend) bool { return s.Why != "" }) {
		return nil
	}
	row, _ := b.list.cursor.Row()
	s, is := backendOf(vip, row)
	if !is {
		return []string{""}
	}
	texts := slices.DeleteFunc([]string{s.Why, foundText(v, vip, s)}, func(text string) bool { return text == "" })
	return []string{" " + k.Say(stateToken(s), row+": "+strings.Join(texts, "; "))}
}
