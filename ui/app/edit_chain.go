package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"hairpin/engine"
	"hairpin/engine/spec"
	"hairpin/ui/action"
	"hairpin/ui/overlay"
	"hairpin/ui/page"
	"hairpin/ui/staged"
	"hairpin/ui/theme"
)

// noStage says why there is no chain to edit, or nothing.
func (m *Model) noStage(t page.Target) string {
	switch {
	case m.next == nil:
		return "no spec runs on this node"
	case t.NIC == "" || t.Stage == "":
		return "no stage is under the cursor"
	}
	return ""
}

// editChain stages a change of the chain that the call names.
func (m *Model) editChain(c call) tea.Cmd {
	t := c.Target
	list := staged.ChainAt(m.next, t.NIC, t.Hook)
	i := staged.PlaceOf(list, t.Stage)
	e := staged.Edit{NIC: t.NIC, Hook: t.Hook, Stage: t.Stage}
	switch {
	case c.ID == action.StageInsert:
		m.openInsert(c, max(i, 0))
		return nil
	case i < 0 && (c.ID == action.StageRemove || c.ID == action.StageToggle):
		m.putBack(e, len(list))
		return nil
	case i < 0:
		m.say(theme.Warn, "%s: %s is staged to be removed; %s puts it back", action.Title(c.ID), t.Stage, m.keyOf(action.StageRemove))
		return nil
	case c.ID == action.StageRemove:
		e.Kind = staged.RemoveStage
	case c.ID == action.StageToggle:
		e.Kind = either(list[i].Disabled, staged.EnableStage, staged.DisableStage)
	case c.ID == action.StageShadow:
		e.Kind = either(list[i].Shadow, staged.UnshadowStage, staged.ShadowStage)
	case c.ID == action.StageLater && i+1 == len(list), c.ID == action.StageSooner && i == 0:
		m.say(theme.Hint, "%s: %s is at the end of its chain", action.Title(c.ID), t.Stage)
		return nil
	case c.ID == action.StageLater:
		e.Kind, e.Index = staged.MoveStage, i+1
	case c.ID == action.StageSooner:
		e.Kind, e.Index = staged.MoveStage, i-1
	}
	m.stage(e)
	return nil
}

func either(yes bool, a, b staged.Kind) staged.Kind {
	if yes {
		return a
	}
	return b
}

// putBack stages a stage that was staged to be removed where and as it runs.
func (m *Model) putBack(e staged.Edit, n int) {
	running := staged.ChainAt(m.live.Spec, e.NIC, e.Hook)
	i := staged.PlaceOf(running, e.Stage)
	if i < 0 {
		m.say(theme.Warn, "%s is not in the chain of %s any more", e.Stage, e.NIC)
		return
	}
	e.Kind, e.Index, e.Disabled, e.Shadow = staged.InsertStage, min(i, n), running[i].Disabled, running[i].Shadow
	m.stage(e)
}

// openInsert asks which stage to put in front of the one under the cursor, or takes the one that the palette gave.
func (m *Model) openInsert(c call, i int) {
	next, t := m.next, c.Target
	check := func(text string) (any, error) {
		name := strings.TrimSpace(text)
		if name == "" {
			return nil, errors.New("the name of a stage is needed")
		}
		e := staged.Edit{Kind: staged.InsertStage, NIC: t.NIC, Hook: t.Hook, Stage: name, Index: i}
		_, err := e.Over(next)
		return e, err
	}
	if c.Arg == "" {
		m.push(&overlay.Input{
			Title: fmt.Sprintf("INSERT INTO %s %s, IN FRONT OF %s", t.NIC, t.Hook, t.Stage),
			Body:  []overlay.Line{{Token: theme.Hint, Text: absentStages(next, t)}},
			Check: check,
		})
		return
	}
	request, err := check(c.Arg)
	if err != nil {
		m.say(theme.Warn, "insert %s: %v", c.Arg, err)
		return
	}
	m.ask(request)
}

// absentStages says which stages the spec has that do not stand in the chain.
func absentStages(s *spec.Spec, t page.Target) string {
	list := staged.ChainAt(s, t.NIC, t.Hook)
	var names []string
	for _, n := range s.Stages {
		if !slices.ContainsFunc(list, func(p spec.Position) bool { return p.Name == n.Name }) {
			names = append(names, n.Name+" ("+string(n.Kind)+")")
		}
	}
	if len(names) == 0 {
		return "every stage of the spec stands here already; new ones are written under stages: in the spec"
	}
	return "the spec has: " + strings.Join(names, ", ")
}

// lookEvery is how often the engine is told that somebody still looks at what stages cost.
const lookEvery = 2 * time.Second

// lookAtCosts has the engine measure what stages cost while the screen that shows it is open, and only then.
func (m *Model) lookAtCosts() tea.Cmd {
	if m.place.Screen != action.GoChain || m.live == nil || m.live.Role == engine.Pins || m.feed.Frozen() || m.now.Sub(m.watch) < lookEvery {
		return nil
	}
	m.watch = m.now
	ctx, node := m.ctx, m.node
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(ctx, lookEvery)
		defer cancel()
		_ = node.WatchCosts(ctx) // where it cannot be had, the column stays empty
		return nil
	}
}
