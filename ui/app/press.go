package app

import (
	"fmt"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"hairpin/ui/action"
	"hairpin/ui/keymap"
	"hairpin/ui/page"
	"hairpin/ui/theme"
)

// press takes a key message. Keys that were read together come as one message: each rune is a key of its own. Text that
// was pasted is text, and never keys.
func (m *Model) press(k tea.KeyMsg) tea.Cmd {
	switch {
	case k.Paste:
		return m.paste(string(k.Runes))
	case k.Type != tea.KeyRunes:
		return m.key(k.String())
	}
	var cmds []tea.Cmd
	for _, r := range k.Runes {
		cmds = append(cmds, m.key(tea.Key{Type: tea.KeyRunes, Runes: []rune{r}, Alt: k.Alt}.String()))
	}
	return tea.Batch(cmds...)
}

func (m *Model) paste(text string) tea.Cmd {
	if len(m.stack) == 0 {
		m.say(theme.Warn, "pasted text is not taken for keys")
		return nil
	}
	return m.outcome(m.top().Type(text))
}

// key is one key by its name: to the topmost overlay, else through the keymap to an action.
func (m *Model) key(name string) tea.Cmd {
	if name == " " {
		name = "space"
	}
	if len(m.stack) > 0 {
		return m.keyToOverlay(name)
	}
	keys := append(m.chord.keys, name)
	if name == "ctrl+c" || name == "esc" {
		if keys = []string{name}; name == "esc" && m.chord.begun() {
			m.chord.end()
			return nil
		}
	}
	id, match := m.keys.Lookup(m.page().Scope(), keys)
	if match == keymap.Partial {
		m.chord.begin(keys)
		return m.after(patience, chordMsg(m.chord.n))
	}
	m.chord.end()
	m.flash = flash{}
	if match == keymap.Miss {
		m.unknown(keys)
		return nil
	}
	return m.act(call{ID: id, Target: m.page().Target()})
}

// keyToOverlay gives a key to the topmost overlay: as an action of the dialog scope, else as text.
func (m *Model) keyToOverlay(name string) tea.Cmd {
	top := m.stack[len(m.stack)-1]
	if m.now.Before(top.deaf) {
		return nil
	}
	if id, ok := keymap.InDialog(name); ok {
		return m.outcome(top.Act(id))
	}
	if name == "space" {
		name = " "
	}
	if len([]rune(name)) == 1 {
		return m.outcome(top.Type(name))
	}
	return nil
}

// unknown says that keys mean nothing here.
func (m *Model) unknown(keys []string) {
	m.say(theme.Hint, "%s means nothing here; ? lists the keys", strings.Join(keys, " "))
}

// chord is a row of keys that was begun. Its ways on are shown when the next key takes a while.
type chord struct {
	keys  []string
	shown bool
	n     int
}

// patience is how long a chord waits for its next key before it shows how to go on.
const patience = 300 * time.Millisecond

type chordMsg int

func (c *chord) begun() bool { return len(c.keys) > 0 }

func (c *chord) begin(keys []string) {
	c.keys = keys
	c.n++
}

func (c *chord) end() { c.keys, c.shown = nil, false }

// show opens the popup, unless it belongs to a chord that is over.
func (c *chord) show(msg chordMsg) { c.shown = c.begun() && int(msg) == c.n }

// flash is a sentence that goes with the next key, or after a while.
type flash struct {
	token theme.Token
	text  string
	until time.Time
}

// glance is how long a flash stays.
const glance = 8 * time.Second

func (m *Model) say(token theme.Token, format string, args ...any) {
	m.flash = flash{token, fmt.Sprintf(format, args...), m.now.Add(glance)}
}

// call is an action with everything it needs: which one, on what, with what.
type call struct {
	ID     action.ID
	Arg    string
	Target page.Target
}
