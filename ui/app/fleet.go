package app

import (
	"context"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"hairpin/engine"
	"hairpin/ui/action"
	"hairpin/ui/overlay"
	"hairpin/ui/page"
	"hairpin/ui/theme"
)

// fleetMsg is what the store says of the nodes.
type fleetMsg struct {
	a   *engine.FleetAnswer
	err error
}

// lookAtFleet asks for the nodes while their screen is open.
func (m *Model) lookAtFleet() tea.Cmd {
	if _, open := m.page().(*page.Fleet); !open || m.look.fleeting || m.feed.Frozen() || m.live.Fleet == nil || m.now.Sub(m.look.fleetAt) < lookEvery {
		return nil
	}
	m.look.fleeting, m.look.fleetAt = true, m.now
	ctx, node := m.ctx, m.node
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(ctx, lookLimit)
		defer cancel()
		a, err := node.Fleet(ctx, engine.FleetRequest{Do: engine.FleetLook})
		return fleetMsg{a, err}
	}
}

// looked takes the answer. What was known before stays where there is none.
func (m *Model) lookedAtFleet(msg fleetMsg) {
	m.look.fleeting, m.look.fleetWhy = false, ""
	if msg.err != nil {
		m.look.fleetWhy = msg.err.Error()
	} else if msg.a != nil {
		m.look.fleet = msg.a.Nodes
	}
}

// fleetIt asks something of the fleet that was asked about before.
type fleetIt struct{ do engine.FleetAct }

// fleetActs are what the console asks of the fleet, and what is said before.
var fleetActs = map[action.ID]struct {
	do    engine.FleetAct
	title string
	says  string // empty: it is done at once
}{
	action.FleetStop:   {engine.FleetStop, "STOP THE ROLLOUT", ""},
	action.FleetResume: {engine.FleetResume, "RESUME THE ROLLOUT", ""},
	action.FleetBack:   {engine.FleetBack, "TAKE THE REVISION BACK", "All nodes that have the newest revision take the one before it again, at once."},
	action.FleetLeave: {engine.FleetLeave, "LEAVE THE FLEET",
		"What is changed at this node from now on is changed here alone, and the fleet's revisions pass it by, until it rejoins."},
	action.FleetRejoin: {engine.FleetRejoin, "REJOIN THE FLEET", "The fleet's revision becomes this node's again, whatever was changed here."},
}

// fleeted does one of fleetActs, or asks first.
func (m *Model) fleeted(id action.ID) tea.Cmd {
	a := fleetActs[id]
	if m.live == nil || m.live.Fleet == nil {
		m.say(theme.Warn, "this node is in no fleet")
		return nil
	}
	if a.says == "" {
		return m.askFleet(fleetIt{a.do})
	}
	m.push(&overlay.Choice{Title: a.title, Token: theme.Warn, Body: []overlay.Line{{Token: theme.Text, Text: a.says}},
		Buttons: []overlay.Button{{Label: "Cancel"}, {Label: strings.ToUpper(string(a.do[:1])) + string(a.do[1:]), Ask: fleetIt{a.do}}}})
	return nil
}

// askFleet asks it. The screen shows what becomes of it.
func (m *Model) askFleet(it fleetIt) tea.Cmd {
	for id, a := range fleetActs {
		if why := m.refusalOf(id); a.do == it.do && why != "" {
			m.say(theme.Warn, "fleet %s: %s", it.do, why)
			return nil
		}
	}
	r := engine.FleetRequest{Do: it.do, Who: m.opts.Who}
	if a := m.armed(); a != nil {
		r.Why = a.Why
	}
	return m.request("asking the fleet", "FLEET "+strings.ToUpper(string(it.do)), applyLimit, func(ctx context.Context, node engine.Node) error {
		_, err := node.Fleet(ctx, r)
		return err
	}, func(m *Model) {
		m.say(theme.OK, "fleet %s: done", it.do)
	})
}
