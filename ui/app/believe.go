package app

import (
	"context"
	"fmt"
	"slices"

	tea "github.com/charmbracelet/bubbletea"

	"hairpin/engine"
	"hairpin/ui/action"
	"hairpin/ui/overlay"
	"hairpin/ui/page"
	"hairpin/ui/theme"
	"hairpin/ui/widget"
)

// believeIt is the request to believe what the source of a VIP's backends says.
type believeIt struct{ vip string }

// found is the source of a VIP's backends; nil = they are typed, or there is no such VIP.
func (m *Model) found(vip string) *engine.FoundBy {
	if m.live == nil {
		return nil
	}
	i := slices.IndexFunc(m.live.VIPs, func(v engine.VIP) bool { return v.Name == vip })
	if i < 0 {
		return nil
	}
	return m.live.VIPs[i].Found
}

// noBelief says why there is nothing of a VIP's source to believe, or nothing.
func (m *Model) noBelief(vip string) string {
	switch f := m.found(vip); {
	case vip == "":
		return "there is no VIP under the cursor: name one"
	case f == nil:
		return "no backends of " + vip + " are found anywhere"
	case f.Answered.IsZero():
		return f.Source + " has not said anything yet"
	case f.Error != "":
		return f.Source + " does not answer: " + f.Error
	case f.Held.IsZero():
		return "what " + f.Source + " says is believed"
	}
	return ""
}

// openBelieve says what goes when the source is believed, and asks for the VIP's name: most of its backends do.
func (m *Model) openBelieve(vip string) {
	f := m.found(vip)
	body := []overlay.Line{
		{Token: theme.Text, Text: fmt.Sprintf("%s names %s to take new flows, %d fewer than before, and has done so for %s.", f.Source, count(f.Says, "backend"), f.Missing,
			widget.Age(m.now.Sub(f.Held)))},
		{Token: theme.Text, Text: fmt.Sprintf("If that is true, %s at once. If the source is wrong, repair it: what it names again comes back by itself.", goes(f.Missing))},
	}
	if f.Says == 0 {
		body = append(body, overlay.Line{Token: theme.Crit, Text: "Nobody would be left to take new flows: their packets are dropped as no_backend."})
	}
	m.push(&overlay.Choice{Title: "ACCEPT WHAT WAS FOUND FOR " + vip, Token: theme.Warn, Name: vip, Body: body,
		Buttons: []overlay.Button{{Label: "Cancel"}, {Label: "Accept", Guarded: true, Ask: believeIt{vip}}}})
}

func goes(backends int) string {
	if backends == 1 {
		return "1 backend goes out"
	}
	return fmt.Sprintf("%d backends go out", backends)
}

// believe asks the engine for it. The screen shows what becomes of it.
func (m *Model) believe(r believeIt) tea.Cmd {
	a, _ := action.Find(action.Believe)
	if why := m.refusal(a, page.Target{VIP: r.vip}); why != "" {
		m.say(theme.Warn, "%s: %s", a.Title, why)
		return nil
	}
	request := engine.AcceptRequest{VIP: r.vip, Who: m.opts.Who}
	if armed := m.armed(); armed != nil {
		request.Why = armed.Why
	}
	return m.request("accepting what was found", "ACCEPT", applyLimit, func(ctx context.Context, node engine.Node) error {
		return node.AcceptFound(ctx, request)
	}, func(m *Model) {
		m.say(theme.OK, "what was found for %s is believed", r.vip)
	})
}
