package page

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"hairpin/engine"
	"hairpin/ui/theme"
	"hairpin/ui/widget"
)

// BGP is the sessions with routers, what they are told of VIPs and why, and what a drain of the node would take back.
type BGP struct {
	plain
	sessions map[string]engine.BGPSession
	routes   map[string]engine.Announcement
}

// NewBGP begins at the first session.
func NewBGP() *BGP { return &BGP{plain: plain{list{cursor: Cursor{first: true}}}} }

// Crumb says how many sessions there are, and how many addresses are announced.
func (p *BGP) Crumb(v View) string {
	b := v.State.BGP
	if b == nil {
		return "BGP"
	}
	up := 0
	for _, x := range b.Sessions {
		if x.State == "established" {
			up++
		}
	}
	text := fmt.Sprintf("BGP > %d of %d sessions, %d of %d announced", up, len(b.Sessions), len(b.Told()), len(b.Routes))
	if v.State.Drained != nil {
		text += ", drained"
	}
	return text
}

// Sync follows the sessions and the addresses.
func (p *BGP) Sync(v View) {
	p.sessions, p.routes = map[string]engine.BGPSession{}, map[string]engine.Announcement{}
	var entries []entry
	if b := v.State.BGP; b != nil {
		for _, x := range b.Sessions {
			name := x.Neighbor.String()
			p.sessions[name] = x
			entries = append(entries, entry{name: name, fields: []Field{{"kind", "session"}, {"neighbor", name}, {"as", fmt.Sprint(x.AS)}, {"state", x.State}, {"why", x.Why}}})
		}
		for _, a := range b.Routes {
			name := a.Prefix.String()
			p.routes[name] = a
			entries = append(entries, entry{name: name, fields: []Field{{"kind", "address"}, {"address", name}, {"vip", strings.Join(a.VIPs, " ")}, {"state", a.State},
				{"with", a.With()}, {"why", a.Why}}})
		}
	}
	p.list.sync(entries)
}

// Copy is the session or the address under the cursor.
func (p *BGP) Copy(View) string {
	name, _ := p.list.cursor.Row()
	if x, is := p.sessions[name]; is {
		return strings.TrimSpace(strings.Join([]string{name, x.State, x.Why}, " "))
	}
	a := p.routes[name]
	return strings.TrimSpace(strings.Join([]string{name, a.State, a.Why}, " "))
}

// Draw is the table, and everything about the row under the cursor.
func (p *BGP) Draw(k Kit, v View, w, h int) []string {
	return split(k, w, h, func(w, h int) []string { return p.table(k, v, w, h) }, func(w, _ int) []string { return p.detail(k, v, w) })
}

func (p *BGP) table(k Kit, v View, w, h int) []string {
	var names []string
	if b := v.State.BGP; b != nil {
		for _, x := range b.Sessions {
			names = append(names, x.Neighbor.String())
		}
		for _, a := range b.Routes {
			names = append(names, a.Prefix.String())
		}
	}
	t := k.table(
		widget.Column{Title: "KIND", Width: 7, Drop: 2},
		widget.Column{Title: "WHO", Width: widest(8, 28, names)},
		widget.Column{Title: "STATE", Width: 13},
		widget.Column{Title: "FOR", Width: 5, Right: true, Drop: 1},
		widget.Column{Title: "WITH", Width: 14, Grow: true},
	)
	return p.list.draw(k, t, w, h, true, "no router is told of VIPs: the spec has no block bgp", func(name string) widget.Row {
		kind, state, since, with := "session", p.sessions[name].State, p.sessions[name].Since, p.sessions[name].Why
		token := theme.OK
		if x, is := p.sessions[name]; !is {
			a := p.routes[name]
			kind, state, since, with = "address", a.State, a.Since, cmp.Or(a.Why, strings.Join(a.VIPs, " "))
			token = routeToken(a, v)
		} else if x.State != "established" {
			token = theme.Crit
		} else {
			with = fmt.Sprintf("AS %d, told %d", x.AS, x.Announced)
		}
		return widget.Row{Cells: []widget.Cell{k.cell(theme.Dim, kind), k.cell(theme.Text, name), k.cell(token, state), k.cell(theme.Dim, lasted(since, v)), k.cell(theme.Text, with)}}
	})
}

// routeToken is the style of an address's state. That a drained node withdraws is as it should be.
func routeToken(a engine.Announcement, v View) theme.Token {
	switch {
	case a.Told():
		return theme.OK
	case a.Off():
		return theme.Dim
	case v.State.Drained != nil:
		return theme.Warn
	}
	return theme.Crit
}

// lasted is how long something has been so.
func lasted(since time.Time, v View) string {
	if since.IsZero() {
		return "-"
	}
	return widget.Age(max(0, v.Now.Sub(since)))
}

func (p *BGP) detail(k Kit, v View, w int) (out []string) {
	b := v.State.BGP
	if b == nil {
		return nil
	}
	say := func(t theme.Token, text string) {
		for _, line := range widget.Wrap(widget.Clean(text), w-3) {
			out = append(out, "   "+k.Say(t, line))
		}
	}
	if b.Trouble != "" {
		say(theme.Crit, b.Trouble)
	}
	name, _ := p.list.cursor.Row()
	if x, is := p.sessions[name]; is {
		say(theme.Title, fmt.Sprintf("%s of AS %d, here AS %d", name, x.AS, b.AS))
		if x.Why != "" {
			say(theme.Crit, x.Why)
		}
		say(theme.Text, fmt.Sprintf("was told of %d addresses; told of %d, none of which is used", x.Announced, x.Learned))
		say(theme.Text, b.Kept(x))
	}
	if a, is := p.routes[name]; is {
		say(theme.Title, name+" of "+strings.Join(a.VIPs, ", "))
		if a.Why != "" {
			say(routeToken(a, v), a.Why)
		}
		if with := a.With(); with != "" {
			say(theme.Text, "with "+with)
		}
	}
	if name != "" {
		say(theme.Dim, b.Drain(v.State.Drained != nil))
	}
	return out
}
