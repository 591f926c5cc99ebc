package page

import (
	"fmt"
	"strings"

	"hairpin/ui/theme"
	"hairpin/ui/widget"
)

// onWord is whether packets meet a stage, so that no colour is needed.
func onWord(r chainRow) string {
	switch {
	case r.on.State == "" || r.link.New:
		return "not live"
	case r.on.State != "attached":
		return strings.ToUpper(r.on.State)
	case r.runs.Name == "":
		return "not live"
	case r.runs.Disabled:
		return "off"
	case r.runs.Shadow:
		return "shadow"
	}
	return "on"
}

func onToken(word string) theme.Token {
	switch word {
	case "on":
		return theme.Up
	case "off":
		return theme.Dim
	case "shadow":
		return theme.Draining
	case "not live":
		return theme.Staged
	}
	return theme.Crit
}

// kindOf is the kernel function of a row.
func kindOf(v View, r chainRow) string {
	switch {
	case r.runs.Kind != "":
		return r.runs.Kind
	case v.Next != nil:
		return string(v.Next.KindOf(r.link.Name))
	}
	return ""
}

// where is a NIC, and its hook where that is not the usual one.
func where(nic string, at string) string {
	if at == "xdp" {
		return nic
	}
	return nic + " " + hook(at)
}

// table is every stage of every chain, the ones that packets do not meet in grey.
func (p *Chain) table(k Kit, v View, w, h int) []string {
	var nics []string
	for _, r := range p.rows {
		nics = append(nics, where(r.nic, string(r.hook)))
	}
	t := k.table(
		widget.Column{Title: "NIC", Width: widest(5, 16, nics)},
		widget.Column{Title: "#", Width: 2, Right: true, Drop: 6},
		widget.Column{Title: "ON", Width: 8},
		widget.Column{Title: "STAGE", Width: 10, Grow: true, Ends: true},
		widget.Column{Title: "KIND", Width: 9, Drop: 5},
		widget.Column{Title: "ns", Width: 4, Right: true, Drop: 4},
		widget.Column{Title: "IN/s", Width: 6, Right: true, Drop: 2},
		widget.Column{Title: "DROP/s ", Width: 7, Right: true},
		widget.Column{Title: "WOULD/s", Width: 7, Right: true, Drop: 3},
		widget.Column{Title: "STAGED", Width: 10, Drop: 1},
	)
	if len(v.Staged) == 0 { // it has a place only while there is something to say
		t.Columns = t.Columns[:9]
	}
	return p.list.draw(k, t, w, h, p.open == "", "no NIC has a chain", func(name string) widget.Row {
		return p.row(k, v, p.rows[name])
	})
}

func (p *Chain) row(k Kit, v View, r chainRow) widget.Row {
	word, id := onWord(r), r.name()
	main, place := theme.Text, fmt.Sprint(r.place)
	if r.place == 0 {
		main, place = theme.Dim, "-"
	}
	if r.link.Text != "" {
		main = theme.Staged
	}
	none := k.cell(theme.Dim, "-")
	cells := []widget.Cell{
		k.cell(theme.Text, where(r.nic, string(r.hook))), k.cell(theme.Dim, place), k.cell(onToken(word), word), k.cell(main, r.link.Name),
		k.cell(theme.Dim, kindOf(v, r)), none, none, none, none, k.cell(theme.Staged, r.link.Text),
	}
	if r.runs.Name == "" || r.runs.Disabled {
		return widget.Row{Cells: cells}
	}
	if r.runs.NS > 0 {
		cells[5] = k.cell(theme.Text, fmt.Sprintf("%.0f", r.runs.NS))
	}
	cells[6] = k.rate(id+" in", r.runs.In.PPS, theme.Text)
	cells[7] = k.drop(id+" drop", r.runs.Drop.PPS, r.runs.In.PPS)
	if r.runs.Shadow {
		cells[8] = k.rate(id+" would", r.runs.Would.PPS, theme.Draining)
	}
	return widget.Row{Cells: cells}
}
