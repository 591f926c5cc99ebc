package page

import (
	"path"

	"hairpin/engine"
	"hairpin/ui/theme"
	"hairpin/ui/widget"
)

// rulesOf are the rules of one firewall, in their order.
func rulesOf(s *engine.State, stage string) []engine.Rule {
	var out []engine.Rule
	for _, r := range s.Rules {
		if r.Stage == stage {
			out = append(out, r)
		}
	}
	return out
}

// listsOf are the prefix lists of one firewall.
func listsOf(s *engine.State, stage string) []engine.List {
	var out []engine.List
	for _, l := range s.Lists {
		if l.Stage == stage {
			out = append(out, l)
		}
	}
	return out
}

// ruleTable is each rule with the packets that it took.
func ruleTable(k Kit, rules []engine.Rule, w, h int) []string {
	t := k.table(
		widget.Column{Title: "RULE", Width: 16},
		widget.Column{Title: "ACTION", Width: 6},
		widget.Column{Title: "NOW/s", Width: 6, Right: true},
		widget.Column{Title: "EVER", Width: 6, Right: true, Drop: 1},
		widget.Column{Title: "MATCH", Width: 12, Grow: true, Drop: 2},
	)
	for _, r := range rules {
		token := theme.Text
		if r.PPS == 0 {
			token = theme.Dim
		}
		t.Rows = append(t.Rows, widget.Row{Cells: []widget.Cell{
			k.cell(token, r.Name), k.cell(token, r.Action), k.rate("rule "+r.Stage+" "+r.Name, r.PPS, theme.Text),
			k.cell(theme.Dim, widget.Number(float64(r.Packets))), k.cell(theme.Dim, r.Match),
		}})
	}
	return t.Render(w, h)
}

// listTable is each list of prefixes, and why a file's newest content is not in use.
func listTable(k Kit, v View, lists []engine.List, w, h int) []string {
	t := k.table(
		widget.Column{Title: "LIST", Width: 16},
		widget.Column{Title: "OF", Width: 12},
		widget.Column{Title: "PREFIXES", Width: 8, Right: true},
		widget.Column{Title: "READ", Width: 8, Right: true, Drop: 1},
		widget.Column{Title: "", Width: 12, Grow: true, Drop: 2},
	)
	for _, l := range lists {
		name := "in the spec"
		if l.File != "" {
			name = path.Base(l.File)
		}
		why := k.cell(theme.Warn, l.Why)
		if l.Why == "" {
			why = k.cell(theme.Dim, l.File)
		}
		t.Rows = append(t.Rows, widget.Row{Cells: []widget.Cell{
			k.cell(theme.Text, name), k.cell(theme.Dim, l.Of), k.cell(theme.Text, widget.Number(float64(l.Prefixes))),
			k.cell(theme.Dim, clock(l.Loaded, v.Now)), why,
		}})
	}
	return t.Render(w, h)
}
