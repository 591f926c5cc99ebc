package app

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"hairpin/engine"
	"hairpin/ui/action"
	"hairpin/ui/overlay"
	"hairpin/ui/staged"
	"hairpin/ui/theme"
)

// openHistory asks for the changes that are kept and shows them.
func (m *Model) openHistory() tea.Cmd {
	return m.start("reading the history", planLimit, func(ctx context.Context, node engine.Node) func(*Model) tea.Cmd {
		changes, err := node.History(ctx)
		return func(m *Model) tea.Cmd {
			if err != nil {
				m.interrupt(failed("HISTORY", err))
				return nil
			}
			m.push(&overlay.Choice{Title: "HISTORY OF " + m.name(), Body: historyLines(changes, m.keyOf(action.TakeBack)),
				Buttons: []overlay.Button{{Label: "Close"}}})
			return nil
		}
	})
}

// historyLines are who changed what, when and why, and what became of it, newest first.
func historyLines(changes []engine.Change, key string) []overlay.Line {
	if len(changes) == 0 {
		return []overlay.Line{{Token: theme.Hint, Text: "nothing was ever applied"}}
	}
	lines := []overlay.Line{{Token: theme.Hint, Text: key + " on the event of a change stages the way back to what ran before it"}}
	for _, c := range slices.Backward(changes) {
		token, outcome := theme.Text, string(c.Outcome)
		switch {
		case c.Outcome != engine.ChangeConfirmed:
			token = theme.Warn
		case c.By != "" && c.By != c.Who:
			outcome += " by " + c.By
		}
		head := fmt.Sprintf("#%d %s %s, %s", c.Number, c.Time.Format(time.DateTime), c.Who, outcome)
		if c.Why != "" {
			head += ": " + c.Why
		}
		lines = append(lines, overlay.Line{}, overlay.Line{Token: token, Text: head})
		for _, text := range c.Text {
			lines = append(lines, overlay.Line{Token: theme.Dim, Text: "  " + text})
		}
	}
	return lines
}

// takeBack stages what ran before a change: that of the event under the cursor, or the one whose number was given.
func (m *Model) takeBack(c call) tea.Cmd {
	number := c.Target.Change
	if text := strings.TrimPrefix(strings.TrimSpace(c.Arg), "#"); text != "" {
		var err error
		if number, err = strconv.Atoi(text); err != nil {
			m.say(theme.Warn, "%q is not the number of a change", text)
			return nil
		}
	}
	if number == 0 {
		m.say(theme.Warn, "this event is about no change; %s shows those that are kept", m.keyOf(action.History))
		return nil
	}
	return m.start("reading the history", planLimit, func(ctx context.Context, node engine.Node) func(*Model) tea.Cmd {
		e, err := wayBack(ctx, node, number)
		return func(m *Model) tea.Cmd {
			if err != nil {
				m.interrupt(failed("TAKE BACK", err))
				return nil
			}
			m.stage(e)
			return nil
		}
	})
}

// wayBack is the edit that makes the spec from before a change the next one.
func wayBack(ctx context.Context, node engine.Node, number int) (staged.Edit, error) {
	changes, err := node.History(ctx)
	if err != nil {
		return staged.Edit{}, err
	}
	at := slices.IndexFunc(changes, func(c engine.Change) bool { return c.Holds(number) })
	switch {
	case at < 0:
		return staged.Edit{}, fmt.Errorf("change %d is not kept", number)
	case changes[at].First > 0:
		return staged.Edit{}, fmt.Errorf("change %d was made by a source of backends, which would make it again: drain or weigh those backends instead", number)
	}
	for _, c := range slices.Backward(changes[:at]) {
		if c.Revision != changes[at].Before {
			continue
		}
		s, err := node.Past(ctx, c.Number)
		later := 0
		for _, l := range changes[at+1:] {
			if l.Outcome != engine.ChangeWentBack {
				later++
			}
		}
		return staged.Edit{Kind: staged.TakeBack, Change: number, Later: later, To: s}, err
	}
	return staged.Edit{}, fmt.Errorf("what ran before change %d is not kept", number)
}
