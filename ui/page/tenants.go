package page

import (
	"fmt"
	"slices"
	"strings"

	"hairpin/engine"
	"hairpin/ui/theme"
	"hairpin/ui/widget"
)

// Tenants is whose VIPs there are, what they carry and drop together, and what of their quotas is used.
type Tenants struct {
	plain
	rows map[string]engine.Tenant
}

// NewTenants begins at the first tenant.
func NewTenants() *Tenants { return &Tenants{plain: plain{list{cursor: Cursor{first: true}}}} }

// Crumb says how many there are, or whose operator looks.
func (p *Tenants) Crumb(v View) string {
	if mine := v.State.Operator; len(mine) > 0 {
		return "Tenants > yours"
	}
	return fmt.Sprintf("Tenants > %d", len(p.rows))
}

// Sync follows the tenants in the spec's order.
func (p *Tenants) Sync(v View) {
	p.rows = map[string]engine.Tenant{}
	var entries []entry
	for _, t := range v.State.Tenants() {
		p.rows[t.Name] = t
		entries = append(entries, entry{name: t.Name, fields: []Field{{"tenant", t.Name}, {"state", tenantWord(v.State, t)}}})
	}
	p.list.sync(entries)
}

// tenantWord is what is wrong with a tenant, in a word.
func tenantWord(s *engine.State, t engine.Tenant) string {
	empty := func(v engine.VIP) bool { return v.Tenant == t.Name && v.Empty }
	switch {
	case slices.ContainsFunc(s.VIPs, empty):
		return "NO BACKEND"
	case t.Limited.PPS > 0:
		return "OVER"
	case t.Drop.PPS > 0:
		return "drops"
	}
	return ""
}

// Copy is the tenant under the cursor.
func (p *Tenants) Copy(View) string {
	name, _ := p.list.cursor.Row()
	t, known := p.rows[name]
	if !known {
		return ""
	}
	return fmt.Sprintf("%s: %d VIPs, %d backends, %s/s, %s/s dropped", name, len(t.VIPs), t.Backends, widget.Number(t.PPS), widget.Number(t.Drop.PPS))
}

// Draw is the tenants, and the one under the cursor in words.
func (p *Tenants) Draw(k Kit, v View, w, h int) []string {
	return split(k, w, h, func(w, h int) []string { return p.table(k, v, w, h) }, func(w, _ int) []string { return p.detail(k, v, w) })
}

func (p *Tenants) table(k Kit, v View, w, h int) []string {
	names := make([]string, 0, len(p.rows))
	for name := range p.rows {
		names = append(names, name)
	}
	t := k.table(
		widget.Column{Title: "TENANT", Width: widest(8, 20, names)},
		widget.Column{Title: "VIPS", Width: 5, Right: true},
		widget.Column{Title: "BACKENDS", Width: 8, Right: true, Drop: 3},
		widget.Column{Title: "PKT/s", Width: 6, Right: true},
		widget.Column{Title: "BIT/s", Width: 6, Right: true, Drop: 2},
		widget.Column{Title: "DROP/s", Width: 6, Right: true},
		widget.Column{Title: "NEW/s", Width: 6, Right: true, Drop: 1},
		widget.Column{Title: "OPEN", Width: 6, Right: true, Drop: 1},
		widget.Column{Title: "STATE", Width: 10},
	)
	return p.list.draw(k, t, w, h, true, "the running spec has no tenants: a block tenants names them, and tenant: in a VIP whose it is", func(name string) widget.Row {
		t := p.rows[name]
		counted := func(of string, n float64) widget.Cell {
			if n < 0 {
				return k.cell(theme.Dim, "-")
			}
			return k.rate("tenants."+of, n, theme.Text)
		}
		dropped, word := theme.Text, tenantWord(v.State, t)
		if t.Drop.PPS > 0 {
			dropped = theme.Warn
		}
		return widget.Row{Cells: []widget.Cell{k.cell(theme.Text, name), k.cell(theme.Text, fmt.Sprint(len(t.VIPs))), k.cell(theme.Text, fmt.Sprint(t.Backends)),
			k.rate("tenants.pps", t.PPS, theme.Text), k.rate("tenants.bps", 8*t.BPS, theme.Text), k.rate("tenants.drop", t.Drop.PPS, dropped),
			counted("new", t.New), counted("open", t.Open), k.cell(tenantToken(word), word)}}
	})
}

func tenantToken(word string) theme.Token {
	switch word {
	case "":
		return theme.Text
	case "drops":
		return theme.Warn
	}
	return theme.Crit
}

// detail is the tenant under the cursor in words: its VIPs, its quotas, its limits, and who its operators are.
func (p *Tenants) detail(k Kit, v View, w int) (out []string) {
	name, _ := p.list.cursor.Row()
	t, known := p.rows[name]
	if !known {
		return nil
	}
	say := func(token theme.Token, text string) {
		for _, line := range widget.Wrap(widget.Clean(text), w-3) {
			out = append(out, "   "+k.Say(token, line))
		}
	}
	vips := "has no VIP"
	if len(t.VIPs) > 0 {
		vips = "has " + strings.Join(t.VIPs, ", ")
	}
	say(theme.Title, name+" "+vips)
	say(theme.Text, "VIPs "+ofQuota(len(t.VIPs), t.MaxVIPs)+", backends "+ofQuota(t.Backends, t.MaxBackends))
	for _, l := range v.State.Limits {
		if l.Tenant != name || l.Source.IsValid() {
			continue
		}
		unit := map[string]string{"ratelimit": " new connections a second there", "connlimit": " connections"}[l.Kind]
		say(limitToken(l), fmt.Sprintf("%s on %s: %s of %d%s, %d refused", l.Stage, l.NIC, widget.Number(l.Now), l.Max, unit, l.Over.Packets))
	}
	if of := v.State.Spec.Tenant(name); of != nil {
		who := slices.Clone(of.Operators)
		for _, g := range of.Groups {
			who = append(who, "group "+g)
		}
		say(theme.Dim, "operators: "+strings.Join(append(who, []string{"none"}[min(1, len(who)):]...), ", "))
	}
	return out
}

func ofQuota(n int, most uint32) string {
	if most == 0 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d of %d", n, most)
}
