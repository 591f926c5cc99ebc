package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"hairpin/engine"
	"hairpin/ui/action"
	"hairpin/ui/overlay"
	"hairpin/ui/page"
	"hairpin/ui/theme"
)

// armed is who may change the node now, by the engine's word; nil when nobody may.
func (m *Model) armed() *engine.Armed {
	if m.live == nil || m.live.Armed == nil || !m.now.Before(m.live.Armed.Until) {
		return nil
	}
	return m.live.Armed
}

// isArmed tells whether it is this console.
func (m *Model) isArmed() bool { return m.armed() != nil && m.armed().Own }

// armReason is the request to arm.
type armReason string

// toggleArm disarms, or asks for the reason and arms.
func (m *Model) toggleArm(reason string) tea.Cmd {
	switch {
	case m.isArmed() && reason == "":
		return m.disarm()
	case reason != "":
		return m.ask(armReason(reason))
	}
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
	return nil
}

// armFor asks the engine to let this console change the node.
func (m *Model) armFor(why armReason) tea.Cmd {
	request := engine.ArmRequest{Who: m.opts.Who, Why: string(why)}
	return m.request("arming", "ARM", planLimit, func(ctx context.Context, node engine.Node) error {
		return node.Arm(ctx, request)
	}, func(m *Model) {
		m.say(theme.Armed, "armed for ten minutes; nothing is changed before a preview")
	})
}

func (m *Model) disarm() tea.Cmd {
	return m.request("disarming", "DISARM", planLimit, func(ctx context.Context, node engine.Node) error {
		return node.Disarm(ctx)
	}, func(m *Model) {
		m.was = nil
		m.say(theme.ReadOnly, "read-only again%s", m.stillStaged())
	})
}

// noticeDisarmed says once that this console is armed no more, where it was not asked to be.
func (m *Model) noticeDisarmed() {
	was := m.was
	if m.was = nil; m.isArmed() {
		m.was = m.armed()
	}
	if was == nil || m.was != nil {
		return
	}
	why := "not armed any more, Events says why"
	switch {
	case !m.now.Before(was.Until):
		why = "ten minutes are over"
	case m.live == nil || m.live.PID == 0:
		why = "the engine is gone"
	}
	m.say(theme.ReadOnly, "%s: read-only again%s", why, m.stillStaged())
}

func (m *Model) stillStaged() string {
	if m.staged.Len() == 0 {
		return ""
	}
	return "; what is staged stays staged"
}

// others is who else is armed, in a clause; empty when nobody is.
func (m *Model) others() string {
	a := m.armed()
	if a == nil || a.Own {
		return ""
	}
	return fmt.Sprintf("%s from %s: %s, %s left", a.Who, a.From, a.Why, left(a.Until.Sub(m.now)))
}

// refusal says why an action cannot be done now, or nothing. What is refused stays visible, greyed.
func (m *Model) refusal(a action.Action, t page.Target) string {
	if a.Arms || a.ID == action.Arm || a.ID == action.Confirm {
		if why := m.unchangeable(); why != "" {
			return why
		}
	}
	if a.Arms || a.ID == action.Arm {
		switch others := m.others(); {
		case others != "" && m.armed().Who == m.opts.Who:
			return "armed elsewhere as " + others + `; "hairpin disarm" ends that`
		case others != "":
			return "armed is " + others
		case a.Arms && !m.isArmed():
			return "read-only: " + m.keyOf(action.Arm) + " arms"
		}
	}
	switch a.ID {
	case action.HandOver:
		if why := m.noHandOver(); why != "" {
			return why
		}
	case action.Believe:
		return m.noBelief(t.VIP)
	case action.GoBack:
		if h := m.handoff(); h == nil || !h.Watched() {
			return "no successor is watched"
		}
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
	case action.Live, action.StepBack, action.StepOn, action.MinuteBack, action.MinuteOn, action.GoTime, action.Speed, action.EventTime:
		return m.noTime(a.ID, t)
	case action.Open:
		switch m.page().Scope() {
		case action.Backends, action.Events, action.Limits, action.Handoff:
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

// unchangeable says why this console cannot change the node whoever is armed, or nothing.
func (m *Model) unchangeable() string {
	switch {
	case m.live == nil:
		return "the engine has not said anything yet"
	case m.live.Role == engine.Pins:
		return "no engine runs on this node"
	case m.live.Barred != "":
		return m.live.Barred
	case m.feed.Frozen():
		return "this is " + m.shown.Time.Format(time.TimeOnly) + ", not now: " + m.keyOf(action.Live) + " shows now"
	case m.job.running():
		return m.job.what + " is under way"
	}
	return ""
}

// noHandOver says why the node cannot be handed over now, or nothing.
func (m *Model) noHandOver() string {
	switch {
	case m.handoff() != nil:
		return "a handoff goes on"
	case !m.live.Generation.Deadline.IsZero():
		return "a change waits for confirmation"
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
