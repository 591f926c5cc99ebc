package page

import (
	"fmt"
	"strings"
	"time"

	"hairpin/engine"
	"hairpin/ui/theme"
	"hairpin/ui/widget"
)

// steered are the ways of steers as rows between those to backends, by their titles.
type steered map[string]engine.SteeredPath

func steeredTitle(p engine.SteeredPath) string {
	if p.Group == "" {
		return p.Stage + " " + p.Name
	}
	return p.Stage + " " + p.Group + "/" + p.Name
}

// steeredWay is the NIC and the hop of a way; of a table the kernel knows them.
func steeredWay(p engine.SteeredPath) (nic, hop string) {
	if strings.HasPrefix(p.Way, "table ") {
		return "-", p.Way
	}
	nic, hop, found := strings.Cut(p.Way, " via ")
	if !found {
		hop = "its routes"
	}
	return nic, hop
}

func (all steered) sync(v View) (entries []entry) {
	for _, p := range v.State.Paths {
		name := steeredTitle(p)
		nic, hop := steeredWay(p)
		all[name] = p
		entries = append(entries, entry{name: name, fields: []Field{{"path", name}, {"nic", nic}, {"gateway", hop}, {"state", p.State}, {"why", p.Why}}})
	}
	return entries
}

func (all steered) row(k Kit, name string) widget.Row {
	p := all[name]
	nic, hop := steeredWay(p)
	token := theme.Text
	if p.State != "up" {
		token = theme.Crit
	}
	return widget.Row{Cells: []widget.Cell{k.cell(theme.Text, name), k.cell(token, p.State), k.cell(theme.Text, nic), k.cell(theme.Text, hop),
		k.cell(theme.Dim, "-"), k.cell(theme.Dim, "-"), k.cell(theme.Dim, "-")}}
}

// words are everything about a path, first whether all is well.
func (all steered) words(name string) (lines []string) {
	p := all[name]
	lines = append(lines, fmt.Sprintf("%.0f %% of the flows that begin take it; %s packets went by it, %s a second", 100*p.Share, widget.Number(float64(p.Packets)), widget.Number(p.PPS)))
	if m := p.Measured; m != nil && m.Probes > 0 {
		lines = append(lines, fmt.Sprintf("%s there and back, %.0f %% lost, of late", m.RTT.Round(10*time.Microsecond), 100*m.Loss))
	}
	return lines
}
