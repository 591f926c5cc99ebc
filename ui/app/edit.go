package app

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"hairpin/engine/spec"
	"hairpin/ui/action"
	"hairpin/ui/overlay"
	"hairpin/ui/page"
	"hairpin/ui/staged"
	"hairpin/ui/theme"
	"hairpin/ui/widget"
)

// edit stages a change of the backend that the call names. What it becomes is counted from what is staged already.
func (m *Model) edit(c call) tea.Cmd {
	t := c.Target
	now, known := staged.Find(m.next, t.VIP, t.Backend)
	if c.ID != action.Add && !known {
		m.say(theme.Warn, "%s: %s is not in the spec of %s any more", action.Title(c.ID), t.Backend, t.VIP)
		return nil
	}
	e := staged.Edit{VIP: t.VIP, Backend: t.Backend}
	switch c.ID {
	case action.Weight, action.Add:
		m.openEdit(c, now)
		return nil
	case action.Heavier:
		e.Kind, e.Weight = staged.SetWeight, staged.Heavier(now.Weight, spec.MaxWeight)
	case action.Lighter:
		e.Kind, e.Weight = staged.SetWeight, staged.Lighter(now.Weight)
	case action.Drain:
		e.Kind, e.State = staged.SetState, other(now.State, spec.Drain)
	case action.Maintenance:
		e.Kind, e.State = staged.SetState, other(now.State, spec.Maintenance)
	case action.Toggle:
		e.Kind, e.State = staged.SetState, other(now.State, spec.Down)
	case action.Remove:
		e.Kind = staged.Remove
	}
	m.stage(e)
	return nil
}

// other turns a backend to a state, and back up when it is out already.
func other(now, want spec.State) spec.State {
	if now == want || now != spec.Up && want == spec.Down {
		return spec.Up
	}
	return want
}

// stage adds an edit, unless the spec does not take it.
func (m *Model) stage(e staged.Edit) {
	if _, err := e.Over(m.next); err != nil {
		m.unstaged(err)
		return
	}
	m.staged = m.staged.With(e)
	m.relay()
	if m.live != nil && m.next.Equal(m.live.Spec) { // the last edit took back the first
		m.staged = staged.List{}
		m.relay()
		m.say(theme.Hint, "as it runs now: nothing is staged")
		return
	}
	m.say(theme.Staged, "staged, not live: %s", e)
}

// unstaged says why an edit cannot be made: in a dialog where a line has no room for the reason.
func (m *Model) unstaged(err error) {
	if widget.Width(err.Error())+2 <= m.w {
		m.say(theme.Warn, "%v", err)
		return
	}
	m.push(&overlay.Choice{Title: "NOT STAGED", Token: theme.Warn, Buttons: []overlay.Button{{Label: "Close"}},
		Body: []overlay.Line{{Token: theme.Text, Text: err.Error()}}})
}

// openEdit asks for the value of an edit, or takes the one that the palette gave.
func (m *Model) openEdit(c call, now spec.Backend) {
	next, t := m.next, c.Target
	in := &overlay.Input{
		Title: fmt.Sprintf("WEIGHT OF %s IN %s", t.Backend, t.VIP),
		Body: []overlay.Line{{Token: theme.Hint, Text: fmt.Sprintf(
			"now %d; 0 to %d, in proportion to the others; 0 takes no new flows", now.Weight, spec.MaxWeight)}},
		Check: func(text string) (any, error) { return weightEdit(next, t, text) },
	}
	if c.ID == action.Add {
		in.Title = "ADD A BACKEND TO " + t.VIP
		in.Body = []overlay.Line{{Token: theme.Hint, Text: fmt.Sprintf("address, and a weight if it is not %d", spec.DefaultWeight)}}
		in.Check = func(text string) (any, error) { return addEdit(next, t, text) }
	}
	if c.Arg == "" {
		m.push(in)
		return
	}
	request, err := in.Check(c.Arg)
	if err != nil {
		m.say(theme.Warn, "%s %s: %v", action.Title(c.ID), c.Arg, err)
		return
	}
	m.ask(request)
}

func weightEdit(s *spec.Spec, t page.Target, text string) (any, error) {
	w, err := parseWeight(text)
	if err != nil {
		return nil, err
	}
	e := staged.Edit{Kind: staged.SetWeight, VIP: t.VIP, Backend: t.Backend, Weight: w}
	_, err = e.Over(s)
	return e, err
}

func addEdit(s *spec.Spec, t page.Target, text string) (any, error) {
	words := strings.Fields(text)
	if len(words) == 0 || len(words) > 2 {
		return nil, fmt.Errorf("an address is needed, and perhaps a weight behind it")
	}
	addr, err := netip.ParseAddr(words[0])
	if err != nil {
		return nil, fmt.Errorf("%q is no address", words[0])
	}
	e := staged.Edit{Kind: staged.Add, VIP: t.VIP, Backend: addr, Weight: spec.DefaultWeight}
	if len(words) == 2 {
		if e.Weight, err = parseWeight(words[1]); err != nil {
			return nil, err
		}
	}
	_, err = e.Over(s)
	return e, err
}

func parseWeight(text string) (uint32, error) {
	w, err := strconv.ParseUint(strings.TrimSpace(text), 10, 32)
	if err != nil || w > spec.MaxWeight {
		return 0, fmt.Errorf("a weight is a number from 0 to %d", spec.MaxWeight)
	}
	return uint32(w), nil
}
