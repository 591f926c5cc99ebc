package app

import (
	"fmt"
	"strconv"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"hairpin/ui/action"
	"hairpin/ui/overlay"
	"hairpin/ui/page"
	"hairpin/ui/staged"
	"hairpin/ui/theme"
)

// maxLimit is the largest limit that steps lead to.
const maxLimit = 10_000_000

// noLimit says why there is no limit to edit, or nothing.
func (m *Model) noLimit(t page.Target) string {
	switch {
	case m.next == nil:
		return "no spec runs on this node"
	case t.Limit == nil:
		return "no limit is under the cursor"
	case m.live.Spec.FindMaximum(t.Stage, t.Limit.Scope, t.Limit.Whose, t.Limit.Max) < 0:
		return "the spec has no such limit"
	}
	return ""
}

// editLimit stages another threshold, counted from what is staged already.
func (m *Model) editLimit(c call) tea.Cmd {
	t := c.Target
	i := m.live.Spec.FindMaximum(t.Stage, t.Limit.Scope, t.Limit.Whose, t.Limit.Max)
	all := m.next.Maxima(t.Stage)
	if i >= len(all) {
		m.say(theme.Warn, "%s has no such limit any more", t.Stage)
		return nil
	}
	e := staged.Edit{Kind: staged.SetLimit, Stage: t.Stage, Index: i, Per: all[i].Per, VIP: all[i].VIP + all[i].Tenant}
	now := uint32(min(all[i].Max, maxLimit))
	switch c.ID {
	case action.LimitEdit:
		m.openLimit(c, e, all[i].Max)
		return nil
	case action.LimitRaise:
		e.Max = uint64(staged.Heavier(now, maxLimit))
	case action.LimitLower:
		e.Max = uint64(max(1, staged.Lighter(now)))
	}
	m.stage(e)
	return nil
}

// openLimit asks for a threshold, or takes the one that the palette gave.
func (m *Model) openLimit(c call, e staged.Edit, now uint64) {
	next := m.next
	check := func(text string) (any, error) {
		v, err := strconv.ParseUint(strings.TrimSpace(text), 10, 32)
		if err != nil {
			return nil, fmt.Errorf("%q is no number", strings.TrimSpace(text))
		}
		e.Max = v
		_, err = e.Over(next)
		return e, err
	}
	if c.Arg == "" {
		m.push(&overlay.Input{
			Title: strings.ToUpper("limit of " + e.Stage),
			Body: []overlay.Line{{Token: theme.Hint, Text: fmt.Sprintf("per %s, now %d; it holds on every NIC on which %s stands",
				strings.TrimSpace(e.Per.String()+" "+e.VIP), now, e.Stage)}},
			Check: check,
		})
		return
	}
	request, err := check(c.Arg)
	if err != nil {
		m.say(theme.Warn, "%s %s: %v", action.Title(c.ID), c.Arg, err)
		return
	}
	m.ask(request)
}
