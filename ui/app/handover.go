package app

import (
	"context"
	"fmt"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"hairpin/engine"
	"hairpin/ui/action"
	"hairpin/ui/overlay"
	"hairpin/ui/theme"
)

// handOverIt is the request to give the node to another process, or to this one.
type handOverIt struct{ here bool }

// openHandOver asks for the node's name before it goes to another process.
func (m *Model) openHandOver() {
	if m.live == nil {
		return
	}
	m.push(&overlay.Choice{
		Title: "HAND OVER " + m.name(), Token: theme.Warn, Name: m.name(),
		Body: []overlay.Line{
			{Token: theme.Text, Text: fmt.Sprintf("The program that is now where the engine (pid %d, %s) was started from takes this node over, or else this console does.", m.live.PID, m.live.Version)},
			{Token: theme.Text, Text: fmt.Sprintf("Packets and connections go on. It is watched for %s, and goes back by itself when it does worse.", engine.DefaultWatch)},
		},
		Buttons: []overlay.Button{{Label: "Cancel"}, {Label: "Hand over", Guarded: true, Ask: handOverIt{}},
			{Label: "Take it here", Guarded: true, Ask: handOverIt{here: true}, Why: m.noTakeOver()}},
	})
}

// noTakeOver says why this console cannot have the node, or nothing.
func (m *Model) noTakeOver() string {
	if m.live.Role == engine.Owner {
		return "this console has it"
	}
	return ""
}

// handOver begins it. How it goes on is in every snapshot.
func (m *Model) handOver(it handOverIt) tea.Cmd {
	if why := m.refusalOf(action.HandOver); why != "" {
		m.say(theme.Warn, "hand over: %s", why)
		return nil
	}
	return m.passOn("handing over", engine.HandoffRequest{Here: it.here})
}

// goBack ends the watch of a successor. Nothing is asked before: it is the way to what was known to work.
func (m *Model) goBack() tea.Cmd { return m.passOn("going back", engine.HandoffRequest{Back: true}) }

// passOn asks the engine for a handoff, or to end one. It says who asks, and why.
func (m *Model) passOn(what string, r engine.HandoffRequest) tea.Cmd {
	r.Who = m.opts.Who
	if a := m.armed(); a != nil {
		r.Why = a.Why
	}
	return m.request(what, strings.ToUpper(what), applyLimit, func(ctx context.Context, node engine.Node) error {
		return node.Handoff(ctx, r)
	}, func(*Model) {})
}

// handoff is the one that goes on; nil when none does.
func (m *Model) handoff() *engine.Handoff {
	if m.live == nil || m.live.Handoff == nil || m.live.Handoff.Over() {
		return nil
	}
	return m.live.Handoff
}
