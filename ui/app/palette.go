package app

import (
	"slices"

	tea "github.com/charmbracelet/bubbletea"

	"hairpin/engine/near"
	"hairpin/ui/action"
	"hairpin/ui/keymap"
	"hairpin/ui/overlay"
	"hairpin/ui/page"
	"hairpin/ui/settings"
	"hairpin/ui/theme"
)

// openPalette offers every action that can be meant here, on what the cursor is on now.
func (m *Model) openPalette(t page.Target) {
	scope := m.page().Scope()
	var items []overlay.Item
	for _, a := range action.In(scope) {
		if a.ID == action.Palette {
			continue
		}
		it := overlay.Item{Action: a, Why: m.refusal(a, t)}
		if keys := m.keys.Keys(scope, a.ID); len(keys) > 0 {
			it.Keys = keys[0]
		}
		items = append(items, it)
	}
	m.push(overlay.NewPalette(items, m.past, m.values(), func(a action.Action, arg, text string) any {
		return command{call{ID: a.ID, Arg: arg, Target: t}, text}
	}))
}

// command is an action by name, and what to remember of it.
type command struct {
	call
	text string
}

// keptMsg says whether a command could be kept for the next session.
type keptMsg struct{ err error }

// command does what was chosen in the palette, and keeps it. That it cannot be kept is said once.
func (m *Model) command(c command) tea.Cmd {
	m.past = settings.Remember(m.past, c.text)
	past := m.opts.settings().Past()
	return tea.Batch(m.act(c.call), func() tea.Msg { return keptMsg{past.Add(c.text)} })
}

func (m *Model) kept(err error) {
	if err != nil && !m.unkept {
		m.unkept = true
		m.looks.problems = append(m.looks.problems, "commands are not kept for the next session: "+err.Error())
		m.say(theme.Hint, "commands are not kept for the next session: %v", err)
	}
}

// values lists what arguments may be, as things are now.
func (m *Model) values() func(action.Values) []string {
	s, next, themes, places := m.shown, m.next, m.looks.themes, m.stagePlaces()
	return func(of action.Values) (list []string) {
		switch of {
		case action.Themes:
			return themes
		case action.Presets:
			return keymap.Presets()
		case action.GlyphSets:
			return theme.GlyphNames()
		case action.VIPNames:
			if s != nil {
				for _, v := range s.VIPs {
					list = append(list, v.Name)
				}
			}
		case action.ChainStages:
			for _, t := range places {
				list = append(list, placeName(t))
			}
			return list // in its order
		case action.StageNames:
			if next != nil {
				for _, n := range next.Stages {
					list = append(list, n.Name)
				}
			}
		}
		slices.Sort(list)
		return list
	}
}

// goVIP opens the list of VIPs, or one of them.
func (m *Model) goVIP(name string) {
	if known := m.values()(action.VIPNames); name != "" && !slices.Contains(known, name) {
		m.say(theme.Warn, "no VIP is called %s%s", name, near.Hint(name, known))
		return
	}
	m.open(page.Place{Screen: action.GoVIPs, VIP: name})
}

// relook changes looks or keys until the console ends.
func (m *Model) relook(c call) tea.Cmd {
	if a, _ := action.Find(c.ID); c.Arg == "" {
		m.say(theme.Hint, "%s: which %s? the palette lists them", a.Title, a.Arg)
		return nil
	}
	o := m.opts
	switch c.ID {
	case action.Theme:
		o.Theme = c.Arg
	case action.Keymap:
		o.Keymap = c.Arg
	case action.Glyphs:
		o.Glyphs = c.Arg
	}
	return func() tea.Msg { return relookMsg{c, o, o.looks()} }
}

// seenOn draws for the background that the terminal says it has, where nobody asked for a theme.
func (m *Model) seenOn(light bool) tea.Cmd {
	if !light || m.opts.Theme != "" {
		return nil
	}
	o := m.opts
	o.light = true
	return func() tea.Msg { return relookMsg{opts: o, looks: o.looks()} }
}

// relookMsg brings what was asked for from the disk.
type relookMsg struct {
	call
	opts  Options
	looks looks
}

// relooked draws with other looks, unless something about them is wrong.
func (m *Model) relooked(r relookMsg) {
	if r.ID == "" && m.opts.Theme != "" {
		return // somebody has asked for a theme meanwhile
	}
	for _, p := range r.looks.problems {
		if !slices.Contains(m.looks.problems, p) {
			m.say(theme.Warn, "%s", p)
			return
		}
	}
	m.opts = r.opts
	m.wear(r.looks)
	if r.ID == "" {
		return // nobody asked
	}
	if name := r.looks.theme.Name; r.ID == action.Theme && name == "mono" && r.Arg != name {
		m.say(theme.Hint, "NO_COLOR is set: the theme stays %s", name)
		return
	}
	m.say(theme.Hint, "%s %s from now on", action.Title(r.ID), r.Arg)
}
