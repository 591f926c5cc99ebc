package page

import (
	"fmt"
	"strings"

	"hairpin/engine"
	"hairpin/ui/action"
	"hairpin/ui/theme"
	"hairpin/ui/widget"
)

// Fleet is the nodes of one mind: how far the newest revision has come, and which each has.
type Fleet struct {
	plain
	all map[string]engine.FleetNode
}

// NewFleet is in the order in which nodes take revisions.
func NewFleet() *Fleet { return &Fleet{} }

// Crumb says which revision it is, and how far it has come.
func (p *Fleet) Crumb(v View) string {
	f := v.State.Fleet
	if f == nil {
		return "Fleet > none"
	}
	have := 0
	for _, n := range v.Fleet {
		if n.Number == f.Number {
			have++
		}
	}
	return fmt.Sprintf("Fleet > revision %d %s, %d of %d nodes have it", f.Number, f.Phase, have, len(v.Fleet))
}

// Hints for the footer.
func (p *Fleet) Hints() []action.ID {
	return []action.ID{action.FleetStop, action.FleetResume, action.FleetBack, action.Arm, action.Palette, action.Help, action.Back}
}

// Sync follows what the store says.
func (p *Fleet) Sync(v View) {
	p.all = map[string]engine.FleetNode{}
	var entries []entry
	for _, n := range v.Fleet {
		p.all[n.Name] = n
		entries = append(entries, entry{name: n.Name, fields: []Field{{"node", n.Name}, {"revision", fmt.Sprint(n.Number)}, {"state", n.State},
			{"spec", n.Spec}, {"version", n.Version}, {"why", n.Why}}})
	}
	p.list.sync(entries)
}

// Copy is the node under the cursor.
func (p *Fleet) Copy(View) string {
	name, _ := p.list.cursor.Row()
	n, known := p.all[name]
	if !known {
		return ""
	}
	return strings.TrimSpace(fmt.Sprintf("%s revision %d %s %s %s", name, n.Number, n.State, n.Spec, n.Why))
}

// Draw is the revision in words, and below it the nodes.
func (p *Fleet) Draw(k Kit, v View, w, h int) []string {
	head := p.head(k, v, w)
	if most := h - 4; len(head) > most {
		head = head[:max(0, most)]
	}
	return widget.Fill(append(head, p.table(k, v, w, h-len(head))...), w, h, k.Glyphs)
}

func (p *Fleet) head(k Kit, v View, w int) (out []string) {
	say := func(t theme.Token, format string, args ...any) {
		for _, line := range widget.Wrap(widget.Clean(fmt.Sprintf(format, args...)), w-3) {
			out = append(out, "   "+k.Say(t, line))
		}
	}
	f := v.State.Fleet
	if f == nil {
		say(theme.Text, "this node has its spec for itself: its engine was started without --store")
		return out
	}
	switch {
	case f.Number == 0 && !f.Reached:
		say(theme.Title, "which revision is the newest is not known: the store was not reached yet")
	case f.Number == 0:
		say(theme.Title, "there is no revision yet: the first that is applied anywhere is for all")
	default:
		say(theme.Title, "revision %d by %s at %s, %s ago: %s", f.Number, f.Who, f.From, widget.Age(max(0, v.Now.Sub(f.At))), f.Phase)
		say(theme.Text, "%s", f.What)
	}
	if f.Reason != "" && f.Reason != f.What {
		say(theme.Warn, "%s", f.Reason)
	}
	if !f.Reached {
		say(theme.Crit, "the store is away for %s: %s; this node serves on with revision %d", widget.Age(max(0, v.Now.Sub(f.Since))), f.Why, f.Own)
	}
	if f.Holds != "" {
		say(theme.Warn, "VIPs are not announced yet: %s", f.Holds)
	}
	leads := f.Leader + " leads"
	switch {
	case f.Leader == "":
		leads = "nobody is known to lead"
	case !f.Reached:
		leads = f.Leader + " led last"
	}
	say(theme.Dim, "this node has revision %d; %s; %s", f.Own, leads, f.Store)
	switch {
	case f.Left != "":
		say(theme.Warn, "out of the fleet, changes stay here: %s", f.Left)
	case f.Step != "":
		say(theme.Staged, "%s", f.Step)
	case f.Drift != "":
		say(theme.Warn, "%s", f.Drift)
	}
	if v.FleetWhy != "" {
		say(theme.Warn, "the nodes are not known: %s", v.FleetWhy)
	}
	return append(out, "")
}

func (p *Fleet) table(k Kit, v View, w, h int) []string {
	var names []string
	for _, n := range v.Fleet {
		names = append(names, n.Name)
	}
	t := k.table(
		widget.Column{Title: "NODE", Width: widest(4, 24, names)},
		widget.Column{Title: "REVISION", Width: 8, Right: true},
		widget.Column{Title: "STATE", Width: 8},
		widget.Column{Title: "FOR", Width: 5, Drop: 1},
		widget.Column{Title: "VERSION", Width: 12, Drop: 3},
		widget.Column{Title: "SPEC", Width: 12, Drop: 2},
		widget.Column{Title: "WHY", Width: 8, Grow: true},
	)
	return p.list.draw(k, t, w, h, true, "the store was not asked yet", func(name string) widget.Row {
		n := p.all[name]
		since := "-"
		if !n.Since.IsZero() {
			since = widget.Age(max(0, v.Now.Sub(n.Since)))
		}
		return widget.Row{Cells: []widget.Cell{k.cell(theme.Text, n.Name), k.cell(theme.Text, fmt.Sprint(n.Number)), k.cell(fleetToken(n.State), n.State),
			k.cell(theme.Dim, since), k.cell(theme.Dim, n.Version), k.cell(theme.Dim, n.Spec), k.cell(theme.Text, n.Why)}}
	})
}

// fleetToken is the style of how a node stands.
func fleetToken(state string) theme.Token {
	switch state {
	case "has it":
		return theme.OK
	case "failed", "silent":
		return theme.Crit
	case "out":
		return theme.Warn
	case "takes it":
		return theme.Staged
	}
	return theme.Text
}
