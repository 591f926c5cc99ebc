package page

import (
	"fmt"
	"net/netip"
	"slices"

	"hairpin/engine"
	"hairpin/engine/reason"
	"hairpin/engine/spec"
	"hairpin/ui/theme"
	"hairpin/ui/widget"
)

// Agent is what this node takes packets for as a backend, what became of them, and for whom else they came.
type Agent struct {
	plain
	hosted    map[string]engine.Hosted
	strangers map[string]engine.Stranger
}

// NewAgent begins at the first address.
func NewAgent() *Agent { return &Agent{plain: plain{list{cursor: Cursor{first: true}}}} }

// Crumb says how many addresses are taken, and how many came that are not.
func (p *Agent) Crumb(v View) string {
	h := v.State.Hosting
	if h == nil {
		return "Agent"
	}
	text := fmt.Sprintf("Agent > %d addresses", len(h.Addresses))
	if n := len(h.Strangers); n > 0 {
		text += fmt.Sprintf(", packets for %d more that are not hosted here", n)
	}
	return text
}

// Sync follows the addresses: those of the spec, then the others.
func (p *Agent) Sync(v View) {
	p.hosted, p.strangers = map[string]engine.Hosted{}, map[string]engine.Stranger{}
	var entries []entry
	if h := v.State.Hosting; h != nil {
		for _, a := range h.Addresses {
			name := a.Address.String()
			p.hosted[name] = a
			entries = append(entries, entry{name: name, fields: []Field{{"address", name}, {"for", servedBy(v, a)}}})
		}
		for _, o := range h.Strangers {
			name := o.Address.String()
			if _, both := p.hosted[name]; both { // hosted since
				continue
			}
			p.strangers[name] = o
			entries = append(entries, entry{name: name, fields: []Field{{"address", name}, {"for", notHosted}}})
		}
	}
	p.list.sync(entries)
}

const notHosted = "nobody"

// agentOf is what the running spec says of the agent; empty where it says nothing.
func agentOf(v View) *spec.Agent {
	if v.State.Spec == nil || v.State.Spec.Agent == nil {
		return &spec.Agent{}
	}
	return v.State.Spec.Agent
}

// servedBy is who gets the packets for an address: this host, or a virtual machine behind a tap.
func servedBy(v View, a engine.Hosted) string {
	if a.Gone {
		return "gone"
	}
	for _, t := range agentOf(v).Taps {
		if slices.Contains(t.VIPs, a.Address) {
			return "tap " + t.Name
		}
	}
	return "host"
}

// Copy is the row under the cursor.
func (p *Agent) Copy(v View) string {
	name, _ := p.list.cursor.Row()
	if a, known := p.hosted[name]; known {
		return fmt.Sprintf("%s %s in %d out %d no_socket %d flow_taken %d flows_full %d handed_over %d", name, servedBy(v, a), a.In.Packets, a.Out.Packets, a.Orphans.Packets,
			a.Taken.Packets, a.Full.Packets, a.Handed.Packets)
	}
	if o, known := p.strangers[name]; known {
		return fmt.Sprintf("%s not hosted here, %d packets", name, o.Packets)
	}
	return ""
}

// Draw is what holds for all, the addresses, and the one under the cursor in words.
func (p *Agent) Draw(k Kit, v View, w, h int) []string {
	head := p.head(k, v, w)
	head = head[:min(len(head), max(0, h-3))]
	rest := split(k, w, max(0, h-len(head)), func(w, h int) []string { return p.table(k, v, w, h) }, func(w, _ int) []string { return p.detail(k, v, w) })
	return append(widget.Fill(head, w, len(head), k.Glyphs), rest...)
}

// head is the mode, the flows that are translated, and to whom connections are reported.
func (p *Agent) head(k Kit, v View, w int) []string {
	h := v.State.Hosting
	if h == nil {
		return nil
	}
	text := "packets go to their own addresses here, and servers answer clients directly"
	if h.Translates {
		text = fmt.Sprintf("%s flows are translated, room for %s", widget.Number(float64(h.Flows)), widget.Number(float64(h.Room)))
	}
	lines := []string{" " + k.Say(theme.Dim, "mode ") + k.Say(theme.Text, agentOf(v).Mode.String()+": "+text)}
	if h.Unread != "" {
		lines = append(lines, " "+k.Say(theme.Warn, "for whom packets came that nobody here hosts is not known: "+h.Unread))
	}
	for _, r := range v.State.Reports[:min(2, len(v.State.Reports))] {
		said, token := fmt.Sprintf("%d reports, none yet", r.Sent), theme.Text
		if !r.Last.IsZero() {
			said = fmt.Sprintf("%s reports, the last %s ago", widget.Number(float64(r.Sent)), widget.Age(max(0, v.Now.Sub(r.Last))))
		}
		if r.Why != "" {
			said, token = r.Why, theme.Warn
		}
		lines = append(lines, " "+k.Say(theme.Dim, "tells "+r.To.String()+" of its connections: ")+k.Say(token, said))
	}
	for i := range lines {
		lines[i] = widget.Fit(lines[i], w, k.Glyphs)
	}
	return lines
}

func (p *Agent) table(k Kit, v View, w, h int) []string {
	var addresses, served []string
	for name, a := range p.hosted {
		addresses, served = append(addresses, name), append(served, servedBy(v, a))
	}
	for name := range p.strangers {
		addresses = append(addresses, name)
	}
	t := k.table(
		widget.Column{Title: "ADDRESS", Width: widest(9, 26, addresses)},
		widget.Column{Title: "FOR", Width: widest(6, 16, served), Drop: 4},
		widget.Column{Title: "IN/s", Width: 6, Right: true},
		widget.Column{Title: "OUT/s", Width: 6, Right: true, Drop: 1},
		widget.Column{Title: "NO SOCKET", Width: 9, Right: true, Drop: 2},
		widget.Column{Title: "TAKEN", Width: 6, Right: true, Drop: 3},
		widget.Column{Title: "FULL", Width: 6, Right: true, Drop: 3},
		widget.Column{Title: "HANDED", Width: 6, Right: true, Drop: 5},
	)
	empty := "this node is no backend: no spec with a block agent runs"
	hosting := v.State.Hosting
	if hosting != nil {
		empty = "no packet came yet for an address that is hosted here"
	}
	return p.list.draw(k, t, w, h, true, empty, func(name string) widget.Row {
		a, known := p.hosted[name]
		if !known {
			return widget.Row{Cells: []widget.Cell{k.cell(theme.Warn, name), k.cell(theme.Warn, notHosted)}}
		}
		ever := func(c engine.Counter, counted bool) widget.Cell {
			switch {
			case !counted:
				return k.cell(theme.Dim, "-")
			case c.PPS > 0:
				return k.rate("agent.ever", float64(c.Packets), theme.Warn)
			}
			return k.rate("agent.ever", float64(c.Packets), theme.Text)
		}
		out := k.cell(theme.Dim, "-")
		if hosting.Translates {
			out = k.rate("agent.pps", a.Out.PPS, theme.Text)
		}
		return widget.Row{Cells: []widget.Cell{k.cell(theme.Text, name), k.cell(theme.Dim, servedBy(v, a)), k.rate("agent.pps", a.In.PPS, theme.Text), out,
			ever(a.Orphans, hosting.Orphans), ever(a.Taken, hosting.Translates), ever(a.Full, hosting.Translates),
			ever(a.Handed, hosting.HandsOver)}}
	})
}

// detail is the row under the cursor in words.
func (p *Agent) detail(k Kit, v View, w int) (out []string) {
	name, _ := p.list.cursor.Row()
	say := func(t theme.Token, text string) {
		for _, line := range widget.Wrap(widget.Clean(text), w-3) {
			out = append(out, "   "+k.Say(t, line))
		}
	}
	if o, known := p.strangers[name]; known {
		say(theme.Title, name+" is not hosted here")
		say(theme.Text, fmt.Sprintf("%d packets came for it, encapsulated; the last %s ago", o.Packets, widget.Age(max(0, v.Now.Sub(o.Last)))))
		say(theme.Key, "take this host from the backends of that VIP, or name the address in agent.vips")
	}
	a, known := p.hosted[name]
	if !known {
		return out
	}
	say(theme.Title, name+whither(v, a))
	h := v.State.Hosting
	passed := fmt.Sprintf("%d packets were passed on", a.In.Packets)
	if h.Translates {
		passed += fmt.Sprintf(", %d answers translated", a.Out.Packets)
	}
	say(theme.Text, passed)
	for _, c := range []struct {
		reason  string
		counter engine.Counter
	}{{"flows_full", a.Full}, {"flow_taken", a.Taken}, {"no_socket", a.Orphans}, {"handed_over", a.Handed}} {
		if c.counter.Packets == 0 {
			continue
		}
		r, _ := reason.ByName(c.reason)
		rate, token := "", theme.Text
		if c.counter.PPS > 0 {
			rate, token = fmt.Sprintf(", %s/s", widget.Number(c.counter.PPS)), theme.Warn
		}
		say(token, fmt.Sprintf("%s %d%s: %s", c.reason, c.counter.Packets, rate, r.Doc))
	}
	return out
}

// whither is where packets for an address go.
func whither(v View, a engine.Hosted) string {
	agent := agentOf(v)
	whom, local := "this host", agent.Local
	for _, t := range agent.Taps {
		if slices.Contains(t.VIPs, a.Address) {
			whom, local = "the machine behind "+t.Name, t.Local
		}
	}
	to := slices.IndexFunc(local, func(l netip.Addr) bool { return l.Is6() == a.Address.Is6() })
	switch {
	case a.Gone:
		return " is no longer in the spec: packets for it are not taken any more"
	case agent.Mode == spec.SNATMode && to >= 0:
		return " is for " + whom + ", at " + local[to].String()
	}
	return " is for " + whom
}
