package app

import (
	"context"
	"fmt"

	tea "github.com/charmbracelet/bubbletea"

	"hairpin/engine"
	"hairpin/ui/action"
	"hairpin/ui/overlay"
	"hairpin/ui/theme"
)

type (
	leave     struct{}                // the request to end the console
	askDetach struct{}                // the request to ask about detaching
	detachIt  struct{ thenQuit bool } // the request to detach
)

// openQuit asks how to leave. The first answer, and ctrl+c once more, leave the data path running.
func (m *Model) openQuit() {
	body := []overlay.Line{{Token: theme.Text, Text: m.afterwards()}}
	if n := m.staged.Len(); n > 0 {
		body = append(body, overlay.Line{Token: theme.Warn, Text: count(n, "staged edit") + " will be lost"})
	}
	if g := m.generation(); !g.Deadline.IsZero() {
		body = append(body, overlay.Line{Token: theme.Warn, Text: fmt.Sprintf(
			"generation %d is not confirmed: it goes back by itself in %s", g.Active, left(g.Deadline.Sub(m.now)))})
	}
	m.push(&overlay.Choice{
		Title: "QUIT", Body: body, Quick: leave{},
		Buttons: []overlay.Button{
			{Label: "Leave it running", Ask: leave{}},
			{Label: "Detach everything", Ask: askDetach{}, Why: m.refusalOf(action.Detach)},
			{Label: "Cancel"},
		},
	})
}

// afterwards is what becomes of the packets when the console has gone.
func (m *Model) afterwards() string {
	switch {
	case m.live == nil || len(m.live.NICs) == 0:
		return "Nothing is attached to this node."
	case m.live.Role == engine.Observer:
		return fmt.Sprintf("The engine (pid %d) goes on without this console, and so do the packets.", m.live.PID)
	}
	return "The packets go on as they do now: the kernel needs no process for it."
}

// openDetach asks for the node's name before everything is taken away.
func (m *Model) openDetach(thenQuit bool) {
	m.push(&overlay.Choice{
		Title: "DETACH " + m.name(), Token: theme.Crit, Name: m.name(),
		Body: []overlay.Line{
			{Token: theme.Text, Text: "Removes every program, map and pin of hairpin's from all NICs of this node, and nothing else."},
			{Token: theme.Warn, Text: "From then on this node balances nothing. It cannot be undone; the spec stays on disk."},
		},
		Buttons: []overlay.Button{{Label: "Cancel"}, {Label: "Detach everything", Guarded: true, Ask: detachIt{thenQuit}}},
	})
}

// detach takes everything away.
func (m *Model) detach(r detachIt) tea.Cmd {
	if why := m.refusalOf(action.Detach); why != "" {
		m.say(theme.Warn, "detach: %s", why)
		return nil
	}
	who := m.opts.Who
	return m.start("detaching", applyLimit, func(ctx context.Context, node engine.Node) func(*Model) tea.Cmd {
		err := node.Detach(ctx, who)
		return func(m *Model) tea.Cmd {
			switch {
			case err != nil:
				m.interrupt(failed("DETACH", err))
			case r.thenQuit:
				return tea.Quit
			default:
				m.say(theme.Warn, "everything of hairpin's is detached from this node")
			}
			return nil
		}
	})
}

func (m *Model) generation() engine.Generation {
	if m.live == nil {
		return engine.Generation{Active: -1, Confirmed: -1}
	}
	return m.live.Generation
}
