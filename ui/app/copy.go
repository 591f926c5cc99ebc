package app

import (
	"fmt"
	"strings"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"hairpin/ui/action"
	"hairpin/ui/settings"
	"hairpin/ui/term"
	"hairpin/ui/theme"
)

// copy puts text on the clipboard of the person's machine, if their terminal lets it, and into a file, since no terminal
// says whether it did.
func (m *Model) copy(id action.ID) tea.Cmd {
	text, what := m.screenText(), "the screen"
	if id == action.CopyRow {
		if m.shown == nil {
			return nil
		}
		text = m.page().Copy(m.view())
		what = text
	}
	if text == "" {
		m.say(theme.Hint, "there is nothing under the cursor")
		return nil
	}
	var places []string
	var cmds []tea.Cmd
	if cmd, fits := term.Copy(text); fits {
		places, cmds = append(places, "sent to the clipboard"), append(cmds, cmd)
	}
	if file := m.opts.settings().Copied(); file != "" {
		places = append(places, "in "+m.short(file))
		cmds = append(cmds, func() tea.Msg { return copiedMsg{settings.Replace(file, text+"\n")} })
	}
	if len(places) == 0 {
		m.say(theme.Warn, "too much for a clipboard, and there is no home for a file")
		return nil
	}
	m.say(theme.Hint, "%s: %s", strings.Join(places, ", and "), what)
	return tea.Batch(cmds...)
}

// screenText is the screen without the blanks at its right edge.
func (m *Model) screenText() string {
	lines := strings.Split(ansi.Strip(m.View()), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n")
}

// copiedMsg says whether what was copied could be put into the file.
type copiedMsg struct{ err error }

func (m *Model) copied(err error) {
	if err != nil {
		m.say(theme.Warn, "sent to the clipboard only: %v", err)
	}
}

// short is a path as people write it.
func (m *Model) short(path string) string {
	if rest, below := strings.CutPrefix(path, m.opts.Getenv("HOME")+"/"); below && m.opts.Getenv("HOME") != "" {
		return fmt.Sprintf("~/%s", rest)
	}
	return path
}
