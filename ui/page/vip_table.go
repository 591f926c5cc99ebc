package page

import (
	"fmt"
	"slices"
	"time"

	"hairpin/engine"
	"hairpin/ui/cause"
	"hairpin/ui/staged"
	"hairpin/ui/theme"
	"hairpin/ui/widget"
)

// vipSorts are the columns by which VIPs can be sorted, as vipEntries gives them.
var vipSorts = []string{"PPS", "DROP/s"}

// vipEntries are the VIPs in the order of the spec.
func vipEntries(s *engine.State) []entry {
	out := make([]entry, len(s.VIPs))
	for i, v := range s.VIPs {
		fields := []Field{{"name", v.Name}, {"proto", v.Protocol}, {"encap", v.Encap}, {"port", fmt.Sprint(v.Port)}, {"tenant", v.Tenant}}
		for _, a := range v.Addresses {
			fields = append(fields, Field{"address", a.String()})
		}
		out[i] = entry{name: v.Name, fields: fields, keys: []float64{v.PPS, v.Drop.PPS}}
	}
	return out
}

func vipOf(s *engine.State, name string) (engine.VIP, bool) {
	for _, v := range s.VIPs {
		if v.Name == name {
			return v, true
		}
	}
	return engine.VIP{}, false
}

// live is "up/total" and how bad it is.
func live(v engine.VIP) (string, theme.Token) {
	up, down, total := cause.Live(v)
	text := fmt.Sprintf("%d/%d", up, total)
	switch {
	case v.Empty:
		return text + "!", theme.Crit
	case down > 0:
		return text + "!", theme.Warn
	}
	return text + " ", theme.Text
}

// settling is how much of a VIP's ring still asks for older flows, and how long it goes on.
func settling(s *engine.Settling, now time.Time) string {
	if s == nil {
		return ""
	}
	text := widget.Percent(s.Marked)
	if !s.Ends.IsZero() {
		text += " " + widget.Age(s.Ends.Sub(now))
	}
	return text
}

// copyVIP is where a VIP is reached, for the clipboard.
func copyVIP(v View, name string) string {
	if vip, ok := vipOf(v.State, name); ok && len(vip.Addresses) > 0 {
		return endpoint(vip.Addresses[0], vip.Port)
	}
	return ""
}

func anySettling(s *engine.State) bool {
	return slices.ContainsFunc(s.VIPs, func(v engine.VIP) bool { return v.Settling != nil })
}

func total(s *engine.State) (pps float64) {
	for _, v := range s.VIPs {
		pps += v.PPS
	}
	return pps
}

// share is a part of a whole; 0 of nothing.
func share(part, whole float64) float64 {
	if whole <= 0 {
		return 0
	}
	return part / whole
}

func names(s *engine.State) []string {
	var out []string
	for _, v := range s.VIPs {
		out = append(out, v.Name)
	}
	return out
}

// nameWidth is how much of a screen's width a name may take: all of the longest one where there is room.
func nameWidth(w int) int {
	if w >= 120 {
		return 32
	}
	return 18
}

// stagedIn is how many backends of a VIP are staged to change.
func stagedIn(v View, vip string) string {
	if n := staged.Between(v.Running, v.Next, vip).Len(); n > 0 {
		return fmt.Sprintf("%d staged", n)
	}
	return ""
}

// table is the full list of VIPs.
func (p *VIPs) table(k Kit, v View, w, h int) []string {
	t := k.table(
		widget.Column{Title: "VIP", Width: widest(9, nameWidth(w), names(v.State)), Ends: true},
		widget.Column{Title: "ADDRESS", Width: 18, Grow: true, Drop: 2},
		widget.Column{Title: "PROTO", Width: 5, Drop: 5},
		widget.Column{Title: "PPS", Width: 6, Right: true},
		widget.Column{Title: "SHARE", Width: 5, Right: true, Drop: 6},
		widget.Column{Title: "UP ", Width: 6, Right: true},
		widget.Column{Title: "DROP/s ", Width: 7, Right: true},
		widget.Column{Title: "60s", Width: 12, Drop: 7},
		widget.Column{Title: "SETTLING", Width: 10, Drop: 4},
		widget.Column{Title: "STAGED", Width: 9, Drop: 3},
	)
	if len(v.Staged) == 0 { // the last two have a place only while there is something to say
		t.Columns = t.Columns[:9]
		if !anySettling(v.State) {
			t.Columns = t.Columns[:8]
		}
	}
	return p.list.draw(k, t, w, h, true, "no VIP is configured", func(name string) widget.Row {
		vip, _ := vipOf(v.State, name)
		up, token := live(vip)
		return widget.Row{Cells: []widget.Cell{
			k.cell(theme.Text, name), k.cell(theme.Dim, address(vip)), k.cell(theme.Dim, vip.Protocol),
			k.rate("vip "+name, vip.PPS, theme.Text), k.cell(theme.Dim, widget.Percent(share(vip.PPS, total(v.State)))),
			k.cell(token, up), k.drop("vip drop "+name, vip.Drop.PPS, vip.PPS), k.spark(vip.History, 12),
			k.cell(theme.Draining, settling(vip.Settling, v.Now)), k.cell(theme.Staged, stagedIn(v, name)),
		}}
	})
}

// narrow is the list of VIPs beside the backends of one.
func (p *VIPs) narrow(k Kit, v View, w, h int) []string {
	t := k.table(
		widget.Column{Title: "VIP", Width: 9, Grow: true, Ends: true},
		widget.Column{Title: "PPS", Width: 6, Right: true},
		widget.Column{Title: "UP ", Width: 6, Right: true},
		widget.Column{Title: "DROP/s ", Width: 7, Right: true},
		widget.Column{Title: "STAGED", Width: 9},
	)
	return p.list.draw(k, t, w, h, true, "no VIP is configured", func(name string) widget.Row {
		vip, _ := vipOf(v.State, name)
		up, token := live(vip)
		return widget.Row{Cells: []widget.Cell{
			k.cell(theme.Text, name), k.rate("vip "+name, vip.PPS, theme.Text), k.cell(token, up),
			k.drop("vip drop "+name, vip.Drop.PPS, vip.PPS), k.cell(theme.Staged, stagedIn(v, name)),
		}}
	})
}

// table is the part of the overview that lists VIPs.
func (o *Overview) table(k Kit, s *engine.State, w, h int) []string {
	t := k.table(
		widget.Column{Title: "VIP", Width: widest(9, nameWidth(w), names(s)), Ends: true},
		widget.Column{Title: "ADDRESS", Width: 18, Grow: true, Drop: 2},
		widget.Column{Title: "PPS", Width: 6, Right: true},
		widget.Column{Title: "SHARE", Width: 5, Right: true, Drop: 3},
		widget.Column{Title: "UP ", Width: 6, Right: true},
		widget.Column{Title: "DROP/s ", Width: 7, Right: true},
		widget.Column{Title: "60s", Width: 12, Drop: 1},
	)
	return o.vips.draw(k, t, w, h, true, "no VIP is configured", func(name string) widget.Row {
		vip, _ := vipOf(s, name)
		up, token := live(vip)
		return widget.Row{Cells: []widget.Cell{
			k.cell(theme.Text, name), k.cell(theme.Dim, address(vip)), k.rate("vip "+name, vip.PPS, theme.Text),
			k.cell(theme.Dim, widget.Percent(share(vip.PPS, total(s)))), k.cell(token, up),
			k.drop("vip drop "+name, vip.Drop.PPS, vip.PPS), k.spark(vip.History, 12),
		}}
	})
}
