package app

import (
	"fmt"
	"strings"

	"hairpin/ui/action"
	"hairpin/ui/theme"
	"hairpin/ui/widget"
)

// said is what the last line but one has to say, with the most urgent first.
func (m *Model) said() string {
	k := m.kit
	switch {
	case m.chord.begun():
		return k.Say(theme.Key, strings.Join(m.chord.keys, " ")+" ") + k.Say(theme.Hint, "and then?")
	case m.flash.text != "" && m.now.Before(m.flash.until):
		return k.Say(m.flash.token, m.flash.text)
	case !m.generation().Deadline.IsZero():
		return m.unconfirmed()
	case m.staged.Len() > 0:
		edits := m.staged.Edits()
		return k.Say(theme.Staged, fmt.Sprintf("staged %d, not live: %s", len(edits), edits[len(edits)-1])) + "  " +
			m.hint(action.Apply) + "  " + m.hint(action.Undo)
	case len(m.looks.problems) > 0:
		text := m.looks.problems[0]
		if n := len(m.looks.problems); n > 1 {
			text = fmt.Sprintf("skipped %d things in the configuration (%s lists them): %s", n, m.keyOf(action.Help), text)
		}
		return k.Say(theme.Warn, text)
	}
	return ""
}

// unconfirmed is the banner of a change that goes back by itself unless somebody confirms it.
func (m *Model) unconfirmed() string {
	k, g := m.kit, m.generation()
	back := fmt.Sprintf("generation %d", g.Confirmed)
	if g.Confirmed < 0 {
		back = "nothing"
	}
	return k.Say(theme.Armed, fmt.Sprintf("generation %d goes back to %s in %s", g.Active, back, left(g.Deadline.Sub(m.now)))) +
		k.Say(theme.Hint, "; ") + k.Say(theme.Key, m.keyOf(action.Confirm)) + k.Say(theme.Hint, " keeps it")
}

func (m *Model) bottom(w int) string { return widget.Fit(" "+m.said(), w, m.kit.Glyphs) }

// footer is the keys worth knowing here; what is not available is grey. Help and the way back are always there.
func (m *Model) footer(w int) string {
	var list, always []string
	for _, id := range m.page().Hints() {
		if id == action.Help || id == action.Back {
			always = append(always, m.hint(id))
		} else {
			list = append(list, m.hint(id))
		}
	}
	return m.keyLine(w, list, always)
}

// dialogFooter is the keys of the topmost overlay.
func (m *Model) dialogFooter(w int) string {
	var list []string
	for _, pair := range m.top().Keys() {
		list = append(list, m.kit.Say(theme.Key, pair[0])+" "+m.kit.Say(theme.Hint, pair[1]))
	}
	return m.keyLine(w, list, nil)
}

// keyLine is as many hints as there is room for, whole ones only, and some that are always there at the right end.
func (m *Model) keyLine(w int, list, always []string) string {
	right := ""
	if len(always) > 0 {
		right = strings.Join(always, "  ") + " "
	}
	line, room := "", w-widget.Width(right)-1
	for _, hint := range list {
		if widget.Width(line)+widget.Width(hint)+1 > room {
			break
		}
		line += " " + hint + " "
	}
	return widget.Line(w, line, right, m.kit.Glyphs)
}

func (m *Model) hint(id action.ID) string {
	if m.refusalOf(id) != "" {
		return m.kit.Say(theme.Dim, m.keyOf(id)+" "+m.title(id))
	}
	return m.kit.Say(theme.Key, m.keyOf(id)) + " " + m.kit.Say(theme.Hint, m.title(id))
}

// title is what an action would do now.
func (m *Model) title(id action.ID) string {
	switch {
	case id == action.Arm && m.isArmed():
		return "disarm"
	case id == action.Pause && m.feed.Frozen():
		return "live"
	case id == action.Back && m.place.Screen == action.GoOverview:
		return "quit"
	}
	return action.Title(id)
}
