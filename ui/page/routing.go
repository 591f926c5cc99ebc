package page

import (
	"fmt"
	"strings"

	"hairpin/engine"
	"hairpin/ui/theme"
	"hairpin/ui/widget"
)

// Routing is the way to each backend: route, neighbour and NIC, as the kernel has them; and the ways by which flows are steered.
type Routing struct {
	plain
	all   map[string]engine.Route
	paths steered
}

// NewRouting is in the order of the spec.
func NewRouting() *Routing { return &Routing{} }

// Crumb says how many backends are reached.
func (p *Routing) Crumb(v View) string {
	reached := 0
	for _, r := range v.State.Routes {
		if r.Why == "" {
			reached++
		}
	}
	return fmt.Sprintf("Routing > %d of %d backends reached", reached, len(v.State.Routes))
}

// Sync follows the routes.
func (p *Routing) Sync(v View) {
	p.all, p.paths = map[string]engine.Route{}, steered{}
	var entries []entry
	for _, r := range v.State.Routes {
		name := r.Backend.String()
		p.all[name] = r
		entries = append(entries, entry{name: name, fields: []Field{{"backend", name}, {"vip", strings.Join(r.VIPs, " ")}, {"nic", r.NIC},
			{"gateway", gateway(r)}, {"mac", r.MAC}, {"state", r.State}, {"mtu", fmt.Sprint(r.MTU)}, {"why", r.Why}}})
	}
	p.list.sync(append(entries, p.paths.sync(v)...))
}

// gateway is whose MAC packets carry.
func gateway(r engine.Route) string {
	if !r.Gateway.IsValid() {
		return "on link"
	}
	return r.Gateway.String()
}

// Copy is the way to the backend under the cursor.
func (p *Routing) Copy(View) string {
	name, _ := p.list.cursor.Row()
	if x, known := p.paths[name]; known {
		return strings.Join(append([]string{name, x.State, x.Way, x.Why}, p.paths.words(name)...), " ")
	}
	r, known := p.all[name]
	if !known {
		return ""
	}
	return strings.Join([]string{name, r.State, r.NIC, gateway(r), r.MAC, fmt.Sprint(r.MTU), r.Why}, " ")
}

// Draw is the table, and everything about the backend under the cursor.
func (p *Routing) Draw(k Kit, v View, w, h int) []string {
	return split(k, w, h, func(w, h int) []string { return p.table(k, v, w, h) }, func(w, _ int) []string { return p.detail(k, v, w) })
}

func (p *Routing) table(k Kit, v View, w, h int) []string {
	var backends, gateways, nics []string
	for _, r := range v.State.Routes {
		backends, gateways, nics = append(backends, r.Backend.String()), append(gateways, gateway(r)), append(nics, r.NIC)
	}
	for name, x := range p.paths {
		nic, hop := steeredWay(x)
		backends, gateways, nics = append(backends, name), append(gateways, hop), append(nics, nic)
	}
	t := k.table(
		widget.Column{Title: "BACKEND", Width: widest(8, 26, backends)},
		widget.Column{Title: "STATE", Width: 10},
		widget.Column{Title: "NIC", Width: widest(4, 15, nics)},
		widget.Column{Title: "GATEWAY", Width: widest(8, 26, gateways), Drop: 1},
		widget.Column{Title: "MAC", Width: 17, Drop: 2},
		widget.Column{Title: "MTU", Width: 5, Right: true, Drop: 3},
		widget.Column{Title: "CHANGED", Width: 8, Drop: 4},
	)
	return p.list.draw(k, t, w, h, true, "no VIP has backends here", func(name string) widget.Row {
		if _, is := p.paths[name]; is {
			return p.paths.row(k, name)
		}
		r := p.all[name]
		token := theme.Text
		if r.Why != "" {
			token = theme.Crit
		}
		changed, mtu := "-", "-"
		if !r.Changed.IsZero() {
			changed = widget.Age(max(0, v.Now.Sub(r.Changed)))
		}
		if r.MTU > 0 {
			mtu = fmt.Sprint(r.MTU)
		}
		return widget.Row{Cells: []widget.Cell{k.cell(theme.Text, name), k.cell(token, r.State), k.cell(theme.Text, r.NIC), k.cell(theme.Text, gateway(r)),
			k.cell(theme.Dim, r.MAC), k.cell(theme.Dim, mtu), k.cell(theme.Dim, changed)}}
	})
}

func (p *Routing) detail(k Kit, v View, w int) (out []string) {
	name, _ := p.list.cursor.Row()
	r, known := p.all[name]
	x, steers := p.paths[name]
	if !known && !steers {
		return nil
	}
	say := func(t theme.Token, text string) {
		for _, line := range widget.Wrap(widget.Clean(text), w-3) {
			out = append(out, "   "+k.Say(t, line))
		}
	}
	if steers {
		say(theme.Title, name+": "+x.Way)
		if x.Why != "" {
			say(theme.Crit, x.Why)
		}
		for _, line := range p.paths.words(name) {
			say(theme.Text, line)
		}
		return out
	}
	say(theme.Title, name+" of "+strings.Join(r.VIPs, ", "))
	if r.Why != "" {
		say(theme.Crit, r.Why)
	}
	if r.NIC != "" {
		say(theme.Text, fmt.Sprintf("leaves by %s, %s, outer source %s", r.NIC, gateway(r), r.Source))
	}
	if !r.Changed.IsZero() {
		say(theme.Dim, "led elsewhere until "+clock(r.Changed, v.Now))
	}
	return out
}
