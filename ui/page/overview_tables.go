package page

import (
	"strings"

	"hairpin/engine"
	"hairpin/ui/theme"
	"hairpin/ui/widget"
)

func nicTable(k Kit, s *engine.State, w, h int) []string {
	var names []string
	for _, n := range s.NICs {
		names = append(names, where(n.Name, n.Hook))
	}
	t := k.table(
		widget.Column{Title: "NIC", Width: widest(5, 16, names)},
		widget.Column{Title: "CHAIN", Width: 10, Grow: true, Drop: 2},
		widget.Column{Title: "STATE", Width: 8, Drop: 1},
		widget.Column{Title: "IN/s", Width: 6, Right: true},
		widget.Column{Title: "FWD/s", Width: 6, Right: true},
		widget.Column{Title: usualTitle(s), Width: 6, Right: true, Drop: 3},
		widget.Column{Title: "PASS/s", Width: 6, Right: true, Drop: 5},
		widget.Column{Title: "DROP/s ", Width: 7, Right: true},
		widget.Column{Title: "60s", Width: 12, Drop: 4},
	)
	if len(s.NICs) == 0 {
		return []string{t.Render(w, 1)[0], k.Say(theme.Dim, " no NIC has a chain")}
	}
	for _, n := range s.NICs {
		id := n.Name + " " + n.Hook
		state, token := n.Mode, theme.OK
		if n.State != "attached" {
			state, token = strings.ToUpper(n.State), theme.Crit
		} else if n.Why != "" {
			state, token = n.Mode+"!", theme.Warn
		}
		if len(s.Operator) > 0 { // what a NIC carries is the whole node's
			cells := []widget.Cell{k.cell(theme.Text, where(n.Name, n.Hook)), k.cell(theme.Dim, "-"), k.cell(token, state)}
			for range 5 {
				cells = append(cells, k.cell(theme.Dim, "-"))
			}
			t.Rows = append(t.Rows, widget.Row{Cells: cells})
			continue
		}
		t.Rows = append(t.Rows, widget.Row{Cells: []widget.Cell{
			k.cell(theme.Text, where(n.Name, n.Hook)), k.cell(theme.Text, chain(n)), k.cell(token, state),
			k.rate(id+" in", n.In.PPS, theme.Text), k.rate(id+" fwd", n.Forward.PPS, theme.Text), k.forwarding(s, n),
			k.rate(id+" pass", n.Pass.PPS, theme.Text),
			k.drop(id+" drop", n.Drop.PPS, n.In.PPS), k.spark(n.History, 12),
		}})
	}
	return t.Render(w, h)
}

// hook is the short name of where a chain sits.
func hook(h string) string {
	switch h {
	case "tcx_ingress":
		return "tcx in"
	case "tcx_egress":
		return "tcx out"
	case "clsact_ingress":
		return "tc in"
	case "clsact_egress":
		return "tc out"
	}
	return h
}

func chain(n engine.NIC) string {
	names := make([]string, len(n.Stages))
	for i, s := range n.Stages {
		names[i] = s.Name
		switch {
		case s.Disabled:
			names[i] += "(off)"
		case s.Shadow:
			names[i] += "(shadow)"
		}
	}
	return strings.Join(names, ">")
}

// dropped are the reasons by which packets were ever lost.
func dropped(s *engine.State) []engine.Reason {
	var out []engine.Reason
	for _, r := range s.Reasons {
		if r.Verdict == "drop" {
			out = append(out, r)
		}
	}
	return out
}

func reasonTable(k Kit, s *engine.State, w, h int) []string {
	list := dropped(s)
	var names []string
	for _, r := range list {
		names = append(names, r.Name)
	}
	t := k.table(
		widget.Column{Title: "DROP REASON", Width: widest(18, 22, names)},
		widget.Column{Title: "STAGE", Width: 9, Grow: true, Drop: 4, Ends: true},
		widget.Column{Title: "NOW/s ", Width: 7, Right: true},
		widget.Column{Title: "1m AVG", Width: 6, Right: true, Drop: 3},
		widget.Column{Title: usualTitle(s), Width: 6, Right: true, Drop: 2},
		widget.Column{Title: "EVER", Width: 6, Right: true, Drop: 5},
		widget.Column{Title: "60s", Width: 20, Drop: 1},
	)
	if len(list) == 0 {
		return []string{t.Render(w, 1)[0], k.Say(theme.Dim, " nothing was ever dropped")}
	}
	for _, r := range list {
		name := theme.Text
		if r.PPS == 0 {
			name = theme.Dim
		}
		t.Rows = append(t.Rows, widget.Row{Cells: []widget.Cell{
			k.cell(name, r.Name), k.cell(theme.Dim, r.Stage), k.drop("reason "+r.Name, r.PPS, incoming(s)),
			k.rate("reason avg "+r.Name, mean(r.History), theme.Text), k.unusual(s, r),
			k.cell(theme.Dim, widget.Number(float64(r.Packets))), k.spark(r.History, 20),
		}})
	}
	return t.Render(w, h)
}

func stages(s *engine.State) (n int) {
	for _, nic := range s.NICs {
		n += len(nic.Stages)
	}
	return n
}

func stageTable(k Kit, s *engine.State, w, h int) []string {
	t := k.table(
		widget.Column{Title: "STAGE", Width: 18, Grow: true, Ends: true},
		widget.Column{Title: "NIC", Width: 12},
		widget.Column{Title: "ON", Width: 6},
		widget.Column{Title: "IN/s", Width: 6, Right: true},
		widget.Column{Title: "DROP/s ", Width: 7, Right: true},
		widget.Column{Title: "WOULD/s", Width: 7, Right: true, Drop: 1},
	)
	for _, n := range s.NICs {
		for _, g := range n.Stages {
			id := n.Name + " " + n.Hook + " " + g.Name
			word, name, would := "on", theme.Text, k.cell(theme.Dim, "-")
			switch {
			case g.Disabled:
				word, name = "off", theme.Dim
			case g.Shadow:
				word, would = "shadow", k.rate(id+" would", g.Would.PPS, theme.Draining)
			}
			t.Rows = append(t.Rows, widget.Row{Cells: []widget.Cell{
				k.cell(name, g.Name), k.cell(theme.Dim, where(n.Name, n.Hook)), k.cell(onToken(word), word),
				k.rate(id, g.In.PPS, theme.Text), k.drop(id+" drop", g.Drop.PPS, g.In.PPS), would,
			}})
		}
	}
	return t.Render(w, h)
}

// traffic is the last minute of all that comes in, as a chart.
func traffic(k Kit, s *engine.State, w, h int) []string {
	w = min(w, 67)
	head := widget.Line(w, k.Say(theme.Title, " PACKETS IN, all NICs, 60 s"), "now "+k.Units.Number("in", incoming(s))+"/s", k.Glyphs)
	return append([]string{head}, chart(k, sum(s.NICs), w, h-1)...)
}

// incoming is the rate of all packets from outside.
func incoming(s *engine.State) float64 {
	in, _, _ := s.Totals()
	return in
}
