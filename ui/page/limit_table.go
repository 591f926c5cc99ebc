package page

import (
	"cmp"
	"slices"
	"strings"

	"hairpin/engine"
	"hairpin/ui/theme"
	"hairpin/ui/widget"
)

// What counts as close to a limit, as a share of it.
const closeUse = 0.8

// limitWord is how a limit stands, so that no colour is needed.
func limitWord(l engine.Limit) string {
	switch {
	case l.Over.PPS > 0 && l.Shadow:
		return "would"
	case l.Over.PPS > 0:
		return "OVER"
	case use(l) >= closeUse:
		return "close"
	}
	return ""
}

func limitToken(l engine.Limit) theme.Token {
	switch limitWord(l) {
	case "OVER":
		return theme.Crit
	case "close":
		return theme.Warn
	case "would":
		return theme.Draining
	}
	return theme.Text
}

// scopeWords are whom a limit is for.
func scopeWords(l engine.Limit) string {
	switch l.Scope {
	case "nic":
		return "of the whole NIC"
	case "vip":
		return "of VIP " + l.VIP
	case "tenant":
		return "of all VIPs of tenant " + l.Tenant
	case "source":
		return "of each source"
	}
	return strings.TrimSpace("of each source and VIP " + l.VIP)
}

// limitLabel is the first column: the scope, or, further in, a source of the one above.
func limitLabel(l engine.Limit) string {
	if l.Source.IsValid() {
		return strings.TrimSpace("  " + l.Source.String() + " " + l.VIP)
	}
	return strings.TrimSpace(l.Stage + " " + strings.ReplaceAll(l.Scope, "_", ", ") + " " + l.Whose())
}

// table is every limit with its use as a number, a bar and, where it matters, a word.
func (p *Limits) table(k Kit, v View, w, h int) []string {
	var nics []string
	for _, l := range p.rows {
		nics = append(nics, where(l.NIC, l.Hook))
	}
	bar := 10
	if w >= 140 {
		bar = 30
	}
	t := k.table(
		widget.Column{Title: "LIMIT", Width: 18, Grow: true},
		widget.Column{Title: "NIC", Width: widest(5, 14, nics), Drop: 4},
		widget.Column{Title: "NOW", Width: 6, Right: true},
		widget.Column{Title: "MAX", Width: 6, Right: true},
		widget.Column{Title: "USE", Width: 5, Right: true, Drop: 2},
		widget.Column{Title: "", Width: bar, Drop: 3},
		widget.Column{Title: "", Width: 5},
		widget.Column{Title: "OVER/s", Width: 6, Right: true},
		widget.Column{Title: "EVER", Width: 6, Right: true, Drop: 5},
		widget.Column{Title: "COUNTS", Width: 8, Drop: 6},
		widget.Column{Title: "STAGED", Width: 8, Drop: 1},
	)
	if len(v.Staged) == 0 { // it has a place only while there is something to say
		t.Columns = t.Columns[:10]
	}
	return p.list.draw(k, t, w, h, true, noLimits(v), func(name string) widget.Row {
		l := p.rows[name]
		label, most, percent := limitLabel(l), widget.Number(float64(l.Max)), widget.Percent(use(l))
		if l.Source.IsValid() {
			label = "  " + label
		}
		if l.Max == 0 {
			most, percent = "-", "-"
		}
		change := ""
		if n, ok := stagedMax(v, l); ok {
			change = "-> " + widget.Number(float64(n))
		}
		counts, _, _ := strings.Cut(l.Counts, " ")
		over := theme.Bar
		if limitWord(l) == "OVER" {
			over = theme.BarOver
		}
		return widget.Row{Cells: []widget.Cell{
			k.cell(theme.Text, label), k.cell(theme.Dim, where(l.NIC, l.Hook)), k.rate("limit "+name, l.Now, theme.Text), k.cell(theme.Text, most),
			k.cell(limitToken(l), percent), k.cell(over, widget.Bar(use(l), bar, k.Glyphs)), k.cell(limitToken(l), limitWord(l)),
			k.rate("over "+name, l.Over.PPS, limitToken(l)),
			k.cell(theme.Dim, widget.Number(float64(l.Over.Packets))), k.cell(theme.Dim, counts), k.cell(theme.Staged, change),
		}}
	})
}

// noLimits says why no limit is shown.
func noLimits(v View) string {
	if v.Running != nil {
		for _, n := range v.Running.Stages {
			if len(v.Running.Maxima(n.Name)) > 0 {
				return "the counts of the limits are not known"
			}
		}
	}
	return "no limit is in force"
}

// closest are the limits nearest to their thresholds, those that are over first.
func closest(s *engine.State) []engine.Limit {
	var out []engine.Limit
	for _, l := range s.Limits {
		if !l.Source.IsValid() && l.Max > 0 {
			out = append(out, l)
		}
	}
	slices.SortStableFunc(out, func(a, b engine.Limit) int {
		return cmp.Or(cmp.Compare(b.Over.PPS, a.Over.PPS), cmp.Compare(use(b), use(a)))
	})
	return out
}

// AnyOver tells whether a limit refuses something now.
func AnyOver(s *engine.State) bool {
	return slices.ContainsFunc(s.Limits, func(l engine.Limit) bool { return limitWord(l) == "OVER" })
}

// closeOnly are those that are close to their threshold, or over it.
func closeOnly(list []engine.Limit) []engine.Limit {
	return slices.DeleteFunc(slices.Clone(list), func(l engine.Limit) bool { return limitWord(l) == "" })
}

// limitTable is the part of the overview about limits.
func limitTable(k Kit, list []engine.Limit, w, h int) []string {
	t := k.table(
		widget.Column{Title: "CLOSEST TO A LIMIT", Width: 18, Grow: true},
		widget.Column{Title: "NIC", Width: 6, Drop: 2},
		widget.Column{Title: "NOW", Width: 6, Right: true},
		widget.Column{Title: "MAX", Width: 6, Right: true, Drop: 3},
		widget.Column{Title: "USE", Width: 5, Right: true},
		widget.Column{Title: "", Width: 12, Drop: 1},
		widget.Column{Title: "", Width: 5},
	)
	for _, l := range list {
		name := "overview limit " + limitName(l)
		t.Rows = append(t.Rows, widget.Row{Cells: []widget.Cell{
			k.cell(theme.Text, limitLabel(l)), k.cell(theme.Dim, l.NIC), k.rate(name, l.Now, theme.Text),
			k.cell(theme.Dim, widget.Number(float64(l.Max))), k.cell(limitToken(l), widget.Percent(use(l))),
			k.cell(theme.Bar, widget.Bar(use(l), 12, k.Glyphs)), k.cell(limitToken(l), limitWord(l)),
		}})
	}
	return t.Render(w, h)
}
