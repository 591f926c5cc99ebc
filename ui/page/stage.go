package page

import (
	"fmt"
	"strings"

	"hairpin/engine"
	"hairpin/engine/reason"
	"hairpin/engine/spec"
	"hairpin/ui/cause"
	"hairpin/ui/theme"
	"hairpin/ui/widget"
)

// stageParts are all that is known of one stage: what it dropped of whom, its rules, lists or metrics, and what its NIC
// received. most is
// how many lines of the ledger are worth their place.
func stageParts(k Kit, v View, r chainRow, w, most int) []part {
	if r.nic == "" {
		return nil
	}
	drops := ledgerOf(v.State, r)
	head := aboutStage(k, v, r, w)
	parts := []part{{rank: 0, need: 1, want: len(head), draw: func(int) []string { return head }}, {rank: 1, need: 1 + min(2, max(1, len(drops))), want: 1 + min(most, max(1, len(drops))), draw: func(h int) []string {
		return ledger(k, v.State, drops, widget.Clean("DROPPED BY "+r.link.Name), w, h)
	}}}
	if rules := rulesOf(v.State, r.link.Name); len(rules) > 0 {
		parts = append(parts, part{rank: 3, need: 1 + min(2, len(rules)), want: 1 + len(rules), draw: func(h int) []string { return ruleTable(k, rules, w, h) }})
	}
	if lists := listsOf(v.State, r.link.Name); len(lists) > 0 {
		parts = append(parts, part{rank: 4, need: 1 + min(2, len(lists)), want: 1 + len(lists), draw: func(h int) []string { return listTable(k, v, lists, w, h) }})
	}
	if metrics := metricsOf(v.State, r.link.Name); len(metrics) > 0 { // one that cannot be read takes two lines
		parts = append(parts, part{rank: 4, need: 1 + min(2, len(metrics)), want: 1 + 2*len(metrics), draw: func(h int) []string { return metricTable(k, metrics, w, h) }})
	}
	if lines := account(k, v.State, r.on, w); len(lines) > 0 {
		parts = append(parts, part{rank: 2, need: 1, want: len(lines), draw: func(int) []string { return lines }})
	}
	return parts
}

// aboutStage is what a stage is and costs, and the limits that it keeps.
func aboutStage(k Kit, v View, r chainRow, w int) []string {
	text := fmt.Sprintf("%s: %s on %s", r.link.Name, kindOf(v, r), where(r.nic, string(r.hook)))
	switch word := onWord(r); word {
	case "shadow":
		text += ", in shadow: it drops nothing"
	case "on":
	default:
		text += ", " + word
	}
	if r.on.Why != "" {
		text += ", " + r.on.Why
	}
	if r.runs.Name != "" && !r.runs.Disabled {
		id := "about " + r.name()
		text += fmt.Sprintf(", %s/s in, %s/s dropped", k.Units.Number(id, r.runs.In.PPS), k.Units.Number(id+" drop", r.runs.Drop.PPS))
		if r.runs.Shadow {
			text += fmt.Sprintf(", %s/s would be", k.Units.Number(id+" would", r.runs.Would.PPS))
		}
	}
	if r.runs.NS > 0 {
		text += fmt.Sprintf(", %.0f ns a packet", r.runs.NS)
	}
	for i, m := range v.Next.Maxima(r.link.Name) {
		text += []string{"; at most ", ", "}[min(i, 1)] + maximumWords(m)
	}
	var out []string
	for _, line := range widget.Wrap(widget.Clean(text), max(w-2, 10)) {
		out = append(out, " "+k.Say(theme.Text, line))
	}
	return out
}

func maximumWords(m spec.Maximum) string {
	text := fmt.Sprintf("%d per %s", m.Max, strings.ReplaceAll(m.Per.String(), "_", " and "))
	if whose := m.VIP + m.Tenant; whose != "" {
		text += " " + whose
	}
	if m.Prefix4 != 0 {
		text += fmt.Sprintf(" /%d /%d", m.Prefix4, m.Prefix6)
	}
	return text
}

// ledgerOf are the rows of the ledger of one stage, those of one whose stage was not known by its place in the chain.
func ledgerOf(s *engine.State, r chainRow) []engine.Drop {
	var out []engine.Drop
	for _, d := range s.Drops {
		if d.NIC == r.nic && HookOf(d.Hook) == r.hook && d.Stage == r.link.Name {
			out = append(out, d)
		}
	}
	return out
}

// ledger is rows of the drop ledger under a title; those of several stages say whose they are.
func ledger(k Kit, s *engine.State, drops []engine.Drop, title string, w, h int) []string {
	return ledgerTable(k, s, drops, title, false, w, h)
}

func ledgerTable(k Kit, s *engine.State, drops []engine.Drop, title string, whose bool, w, h int) []string {
	var vips, names []string
	for _, d := range drops {
		vips, names = append(vips, d.VIP), append(names, d.Reason)
	}
	t := k.table(
		widget.Column{Title: title, Width: max(widest(18, 22, names), min(widget.Width(title), 30))},
		widget.Column{Title: "VIP", Width: widest(4, 14, vips), Ends: true},
		widget.Column{Title: "NOW/s ", Width: 7, Right: true},
		widget.Column{Title: "EVER", Width: 6, Right: true, Drop: 1},
		widget.Column{Title: "", Width: 12, Grow: true, Drop: 2},
	)
	if whose {
		t.Columns[4].Title = "STAGE"
	}
	if len(drops) == 0 {
		return []string{t.Render(w, 1)[0], k.Say(theme.Dim, " nothing")}
	}
	for _, d := range drops {
		id := fmt.Sprintf("ledger %s %s %d %s %s %v", d.NIC, d.Hook, d.Position, d.VIP, d.Reason, d.Shadow)
		known, _ := reason.ByName(d.Reason)
		name, token, what := d.Reason, theme.Text, known.Doc
		if d.PPS == 0 {
			token = theme.Dim
		}
		now := k.drop(id, d.PPS, incoming(s))
		if d.Shadow {
			token, what = theme.Draining, "shadow: let pass; "+what
			now = k.cell(theme.Draining, k.Units.Number(id, d.PPS)+" ")
		}
		if whose {
			what = where(d.NIC, d.Hook) + " " + d.Stage
			if d.Shadow {
				what += ", let pass in shadow"
			}
		}
		vip := d.VIP
		if vip == "" {
			vip = "-"
		}
		t.Rows = append(t.Rows, widget.Row{Cells: []widget.Cell{
			k.cell(token, name), k.cell(theme.Dim, vip), now, k.cell(theme.Dim, widget.Number(float64(d.Packets))), k.cell(theme.Dim, what),
		}})
	}
	return t.Render(w, h)
}

// metricsOf are the numbers of an external stage.
func metricsOf(s *engine.State, stage string) []engine.Metric {
	var out []engine.Metric
	for _, m := range s.Metrics {
		if m.Stage == stage {
			out = append(out, m)
		}
	}
	return out
}

func metricTable(k Kit, metrics []engine.Metric, w, h int) []string {
	t := k.table(
		widget.Column{Title: "METRIC", Width: 18, Grow: true},
		widget.Column{Title: "MAP", Width: 16, Drop: 1},
		widget.Column{Title: "KIND", Width: 9, Drop: 2},
		widget.Column{Title: "VALUE", Width: 7, Right: true},
	)
	for _, m := range metrics {
		value := k.cell(theme.Text, k.Units.Number("metric "+m.Stage+" "+m.Map+" "+m.Name, m.Value))
		if m.Why != "" {
			value = k.cell(theme.Warn, "-")
		}
		t.Rows = append(t.Rows, widget.Row{Cells: []widget.Cell{k.cell(theme.Text, m.Name), k.cell(theme.Dim, m.Map), k.cell(theme.Dim, m.Kind), value}})
		if m.Why != "" {
			t.Rows = append(t.Rows, widget.Row{Cells: []widget.Cell{k.cell(theme.Warn, "  "+m.Why)}})
		}
	}
	return t.Render(w, h)
}

// account adds up what a NIC received, a line, and names what no stage can explain, a line each.
func account(k Kit, s *engine.State, n engine.NIC, w int) []string {
	if n.Name == "" || n.State != "attached" {
		return nil
	}
	id := "account " + n.Name + " " + n.Hook
	rate := func(what string, v float64) string { return k.Units.Number(id+what, v) }
	before := 0.0
	for _, l := range n.Lost {
		if l.Where == "before" {
			before += l.PPS
		}
	}
	text := fmt.Sprintf("%s forwarded + %s passed + %s dropped", rate("fwd", n.Forward.PPS), rate("pass", n.Pass.PPS), rate("drop", n.Drop.PPS))
	switch {
	case n.Unread != "":
		text = fmt.Sprintf("%s in/s = %s; what the NIC received is not known: %s", rate("in", n.In.PPS), text, n.Unread)
	case n.Received.Packets > 0:
		text = fmt.Sprintf("received %s/s = %s + %s lost before", rate("rx", n.Received.PPS), text, rate("lost", before))
	default:
		text = fmt.Sprintf("%s in/s = %s", rate("in", n.In.PPS), text)
	}
	var out []string
	say := func(token theme.Token, text string) {
		for i, line := range widget.Wrap(widget.Clean(text), max(w-4, 10)) {
			indent := " "
			if i > 0 {
				indent = "   "
			}
			out = append(out, indent+k.Say(token, line))
		}
	}
	say(theme.Text, where(n.Name, n.Hook)+" "+text)
	for _, l := range n.Lost {
		token := theme.Text
		if l.PPS >= cause.DropFloor {
			token = theme.Warn
		}
		say(token, fmt.Sprintf("lost %s/s, %s ever, %s: %s (%s)", rate(l.Name, l.PPS), widget.Number(float64(l.Packets)), lostWhere(l.Where),
			l.What, l.Name))
	}
	if n.Uncounted > 0 {
		say(theme.Dim, fmt.Sprintf("%s ever seen by the chain and not counted by the NIC", widget.Number(float64(n.Uncounted))))
	}
	return out
}

// lostWhere is a place of loss in words.
func lostWhere(place string) string {
	switch place {
	case "before":
		return "before the chain"
	case "after":
		return "after it forwarded them"
	}
	return "before or behind the chain"
}
