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
	"hairpin/ui/staged"
	"hairpin/ui/theme"
)

// How long the engine may take, and how long a change waits for its confirmation.
const (
	planLimit   = 15 * time.Second
	applyLimit  = 60 * time.Second
	confirmTime = 60 * time.Second
)

// previewing is the preview while the engine makes the plan: closing it gives the request up.
type previewing struct{ overlay.Choice }

// applyIt is the request to make a planned change live.
type applyIt struct {
	spec     *spec.Spec
	revision string
	edits    []staged.Edit
	force    bool // the person read why it was refused, and typed the node's name
}

// preview asks for the plan of what is staged and opens the dialog that shows it.
func (m *Model) preview() tea.Cmd {
	next, before, edits := m.next, m.live.Spec, m.staged.Edits()
	m.push(&previewing{overlay.Choice{
		Title:   "APPLY",
		Body:    append(editLines(edits), overlay.Line{}, overlay.Line{Token: theme.Hint, Text: "asking the engine what this would do"}),
		Buttons: []overlay.Button{{Label: "Cancel"}},
	}})
	return m.start("planning", planLimit, func(ctx context.Context, node engine.Node) func(*Model) tea.Cmd {
		plan, err := node.Plan(ctx, next)
		return func(m *Model) tea.Cmd {
			m.replacePreview(m.planned(plan, err, before, next, edits))
			return nil
		}
	})
}

// replacePreview puts the finished preview in the place of the one that waited.
func (m *Model) replacePreview(o overlay.Overlay) {
	for i, s := range m.stack {
		if _, waits := s.Overlay.(*previewing); waits {
			m.stack[i].Overlay = o
		}
	}
}

// planned is the finished preview: what is staged, what it does, and how it is confirmed.
func (m *Model) planned(plan *engine.Plan, err error, before, next *spec.Spec, edits []staged.Edit) *overlay.Choice {
	body := append(editLines(edits), overlay.Line{})
	if err != nil {
		return &overlay.Choice{Title: "APPLY: NOT POSSIBLE", Token: theme.Crit, Buttons: []overlay.Button{{Label: "Close"}},
			Body: append(body, overlay.Line{Token: theme.Crit, Text: err.Error()})}
	}
	if len(plan.Text) == 0 {
		return &overlay.Choice{Title: "APPLY", Buttons: []overlay.Button{{Label: "Close"}},
			Body: append(body, overlay.Line{Token: theme.Text, Text: "nothing would change"})}
	}
	impact := overlay.Weigh(m.live, m.name(), plan, before, next)
	if slices.ContainsFunc(edits, func(e staged.Edit) bool { return e.Kind == staged.TakeBack }) {
		impact.Name, impact.Why = m.name(), append(impact.Why, "what ran before comes back as a whole")
	}
	for _, why := range impact.Why { // before what is long
		body = append(body, overlay.Line{Token: theme.Warn, Text: why})
	}
	whom, after := m.name(), fmt.Sprintf("it goes back by itself after %.0f s unless %s confirms it", confirmTime.Seconds(), m.keyOf(action.Confirm))
	if f := m.live.Fleet; f != nil && f.Left == "" {
		whom, after = "THE FLEET", fmt.Sprintf("it becomes revision %d, of all nodes of the fleet: one after another takes it and watches itself; where one does worse, all go back",
			f.Number+1)
		if !f.Reached {
			after = "the store is away, so that it will be refused; to change this node alone, take it out of the fleet first"
		}
	}
	body = append(body, overlay.Line{Token: theme.Hint, Text: after}, overlay.Line{})
	for _, text := range plan.Text {
		body = append(body, overlay.Line{Token: theme.Text, Text: text})
	}
	return &overlay.Choice{
		Title: "APPLY TO " + whom, Body: body, Name: impact.Name,
		Buttons: []overlay.Button{{Label: "Cancel"}, {
			Label: "Apply " + count(len(edits), "edit"), Guarded: impact.Name != "",
			Ask: applyIt{spec: next, revision: plan.Revision, edits: edits},
		}},
	}
}

func editLines(edits []staged.Edit) []overlay.Line {
	var out []overlay.Line
	for _, e := range edits {
		out = append(out, overlay.Line{Token: theme.Staged, Text: e.String()})
	}
	return out
}

// apply makes a change live, to be confirmed.
func (m *Model) apply(r applyIt) tea.Cmd {
	if why := m.refusalOf(action.Apply); why != "" {
		m.say(theme.Warn, "apply: %s", why)
		return nil
	}
	request := engine.ApplyRequest{
		Spec: r.spec, Revision: r.revision, Deadline: confirmTime, Who: m.opts.Who, Why: reason(m.armed().Why, r.edits), Force: r.force,
	}
	return m.start("applying", applyLimit, func(ctx context.Context, node engine.Node) func(*Model) tea.Cmd {
		done, err := node.Apply(ctx, request)
		return func(m *Model) tea.Cmd {
			if errors.Is(err, engine.ErrUnsafe) {
				r.force = true
				m.interrupt(unsafe(m.name(), r, err))
				return nil
			}
			if err != nil {
				m.interrupt(failed("APPLY", err))
				return nil
			}
			m.staged = staged.List{}
			if done.Fleet != 0 {
				m.say(theme.OK, "revision %d of the fleet: it comes to the nodes one after another", done.Fleet)
			} else if done.Deadline.IsZero() { // else the banner says it
				m.say(theme.OK, "generation %d is live", done.Generation)
			}
			return nil
		}
	})
}

// reason is why the person armed, and what was changed.
func reason(why string, edits []staged.Edit) string {
	var words []string
	for _, e := range edits {
		words = append(words, e.String())
	}
	return strings.TrimPrefix(why+": "+strings.Join(words, "; "), ": ")
}

// confirm keeps the running generation.
func (m *Model) confirm() tea.Cmd {
	who, generation := m.opts.Who, m.live.Generation.Active
	return m.request("confirming", "CONFIRM", applyLimit, func(ctx context.Context, node engine.Node) error {
		return node.Confirm(ctx, who)
	}, func(m *Model) {
		m.say(theme.OK, "generation %d is confirmed: it stays", generation)
	})
}

func (m *Model) refusalOf(id action.ID) string {
	a, _ := action.Find(id)
	return m.refusal(a, m.page().Target())
}

// failed is the dialog about a change that could not be made. Nobody asked for it at that moment.
func failed(what string, err error) *overlay.Choice {
	text := err.Error()
	if errors.Is(err, context.DeadlineExceeded) {
		text = "the engine did not answer in time; whether it did anything shows in the generation and in Events"
	}
	return &overlay.Choice{
		Title: what + ": NOT DONE", Token: theme.Crit, Buttons: []overlay.Button{{Label: "Close"}},
		Body: []overlay.Line{{Token: theme.Text, Text: text}},
	}
}

// unsafe is the dialog about a change that the engine makes only for somebody who insists.
func unsafe(node string, insisting applyIt, err error) *overlay.Choice {
	return &overlay.Choice{
		Title: "APPLY: REFUSED", Token: theme.Crit, Name: node,
		Body: []overlay.Line{{Token: theme.Text, Text: err.Error()}},
		Buttons: []overlay.Button{{Label: "Cancel"},
			{Label: "Apply all the same", Guarded: true, Ask: insisting}},
	}
}

// wentBack is the dialog about a change that was not confirmed.
func wentBack(g engine.Generation) *overlay.Choice {
	return &overlay.Choice{
		Title: "WENT BACK", Token: theme.Warn, Buttons: []overlay.Button{{Label: "Close"}},
		Body: []overlay.Line{{Token: theme.Text, Text: fmt.Sprintf(
			"The last change was not confirmed in time: the kernel went back to generation %d by itself.", g.Active)}},
	}
}
