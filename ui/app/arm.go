package app

import (
	"errors"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"hairpin/engine"
	"hairpin/ui/action"
	"hairpin/ui/overlay"
	"hairpin/ui/page"
	"hairpin/ui/theme"
)

// armed is how long the console takes changes after it was armed.
const armed = 10 * time.Minute

// arm is the permission to change the node: until when, and what for. The zero value is read-only.
type arm struct {
	until time.Time
	why   string
}

func (m *Model) isArmed() bool { return m.now.Before(m.arm.until) }

// armReason is the request to arm.
type armReason string

// toggleArm disarms, or asks for the reason and arms.
func (m *Model) toggleArm(reason string) tea.Cmd {
	switch {
	case m.isArmed() && reason == "":
		m.arm = arm{}
		m.say(theme.ReadOnly, "read-only again%s", m.stillStaged())
	case reason != "":
		return m.ask(armReason(reason))
	default:
		m.push(&overlay.Input{
			Title: "ARM " + m.name(),
			Body:  []overlay.Line{{Token: theme.Hint, Text: "Changes are allowed for ten minutes. Why? (for the audit trail)"}},
			Check: func(text string) (any, error) {
				if text = strings.TrimSpace(text); text == "" {
					return nil, errors.New("a reason is needed: a ticket, or a few words")
				}
				return armReason(text), nil
			},
		})
	}
	return nil
}

func (m *Model) armFor(why armReason) {
	m.arm = arm{until: m.now.Add(armed), why: string(why)}
	m.say(theme.Armed, "armed for ten minutes; nothing is changed before a preview")
}

// disarmWhenOver takes the permission back, and says so, once.
func (m *Model) disarmWhenOver() {
	if !m.arm.until.IsZero() && !m.isArmed() {
		m.arm = arm{}
		m.say(theme.ReadOnly, "ten minutes are over: read-only again%s", m.stillStaged())
	}
}

func (m *Model) stillStaged() string {
	if m.staged.Len() == 0 {
		return ""
	}
	return "; what is staged stays staged"
}

// refusal says why an action cannot be done now, or nothing. What is refused stays visible, greyed.
func (m *Model) refusal(a action.Action, t page.Target) string {
	switch {
	case (a.Arms || a.ID == action.Arm) && m.live == nil:
		return "the engine has not said anything yet"
	case (a.Arms || a.ID == action.Arm) && m.live.Role == engine.Pins:
		return "no engine runs on this node"
	case a.Arms && !m.isArmed():
		return "read-only: " + m.keyOf(action.Arm) + " arms"
	case a.Arms && m.job.running():
		return m.job.what + " is under way"
	}
	switch a.ID {
	case action.Apply, action.Discard, action.Undo:
		if m.staged.Len() == 0 {
			return "nothing is staged"
		}
	case action.Redo:
		if _, _, ok := m.staged.Redo(); !ok {
			return "nothing was undone"
		}
	case action.Confirm:
		if m.live.Generation.Deadline.IsZero() {
			return "nothing waits for confirmation"
		}
	case action.Live:
		if !m.feed.Frozen() {
			return "it is live"
		}
	case action.Open:
		switch m.page().Scope() {
		case action.Backends, action.Events, action.Limits:
			return "there is nothing to open"
		}
	}
	switch a.Scope {
	case action.Backends:
		return m.noBackend(a.ID, t)
	case action.Chain:
		return m.noStage(t)
	case action.Limits:
		return m.noLimit(t)
	}
	return ""
}

// noBackend says why there is nothing to edit, or nothing.
func (m *Model) noBackend(id action.ID, t page.Target) string {
	switch {
	case m.next == nil:
		return "no spec runs on this node"
	case t.VIP == "":
		return "no VIP is open"
	case id != action.Add && !t.Backend.IsValid():
		return "no backend is under the cursor"
	}
	return ""
}

// keyOf is the first key of an action here, or its name in the palette.
func (m *Model) keyOf(id action.ID) string {
	if keys := m.keys.Keys(m.page().Scope(), id); len(keys) > 0 {
		return keys[0]
	}
	return ":" + string(id)
}
