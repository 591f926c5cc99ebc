package page

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"hairpin/engine"
	"hairpin/ui/action"
	"hairpin/ui/theme"
	"hairpin/ui/widget"
)

// Connections is who talks through the node, and over which connections, by samples.
type Connections struct {
	plain
	by, sort, group int // of the words of a request; group 0 = none
	all             map[string]engine.Flow
}

// NewConnections tells sources apart, by packets.
func NewConnections() *Connections {
	return &Connections{plain: plain{list{cursor: Cursor{first: true}}}}
}

// Scope is its own.
func (p *Connections) Scope() action.Scope { return action.Connections }

// Hints for the footer.
func (p *Connections) Hints() []action.ID {
	return []action.ID{action.TalkersBy, action.Sort, action.FlowGroup, action.CaptureThis, action.TraceThis, action.Filter, action.Palette, action.Help, action.Back}
}

// Request is what the engine is to be asked for.
func (p *Connections) Request() engine.ConnectionsRequest {
	r := engine.ConnectionsRequest{By: engine.TalkersBy()[p.by], Sort: engine.TalkersSort()[p.sort], Most: 200, Sockets: true}
	if p.group > 0 {
		r.Group = engine.TalkersBy()[p.group-1]
	}
	return r
}

// Act changes what is asked for, or moves in the list.
func (p *Connections) Act(id action.ID, v View) Move {
	switch id {
	case action.TalkersBy:
		p.by = (p.by + 1) % len(engine.TalkersBy())
	case action.Sort:
		p.sort = (p.sort + 1) % len(engine.TalkersSort())
	case action.FlowGroup:
		p.group = (p.group + 1) % (len(engine.TalkersBy()) + 1)
	default:
		return p.plain.Act(id, v)
	}
	return Move{}
}

// Crumb says of how many packets one is looked at, and what that costs.
func (p *Connections) Crumb(v View) string {
	c := v.Talk
	if c == nil {
		return "Connections"
	}
	text := fmt.Sprintf("Connections > sampled 1/%d, new ones 1/%d, over %s", c.OneIn, c.OneInNew, widget.Age(c.Over))
	if c.NS > 0 {
		text += fmt.Sprintf(", %.0f ns a packet", c.NS)
	}
	if c.Cut || c.Lost > 0 {
		text += ", SAMPLES LOST: rates are lower bounds"
	}
	return text
}

// Sync follows the flows. Most end within a second: the one that somebody has moved to stays until he moves on.
func (p *Connections) Sync(v View) {
	name, _ := p.list.cursor.Row()
	chosen, moved := p.all[name]
	moved = moved && p.list.cursor.Held()
	p.all = map[string]engine.Flow{}
	var entries []entry
	if v.Talk == nil {
		p.list.sync(nil)
		return
	}
	flows := v.Talk.Flows
	if moved && !slices.ContainsFunc(flows, func(f engine.Flow) bool { return flowName(f) == name }) {
		flows = append(slices.Clone(flows), chosen)
	}
	for _, f := range flows {
		name := flowName(f)
		p.all[name] = f
		entries = append(entries, entry{name: name, fields: []Field{{"proto", protocol(f.Protocol)}, {"src", f.Src.String()}, {"dst", f.Dst.String()}, {"vip", f.VIP},
			{"backend", addressText(f.Backend)}, {"state", f.State}, {"verdict", f.Verdict}, {"reason", f.Reason}, {"nic", f.NIC}, {"group", f.Group}}})
	}
	p.list.sync(entries)
}

func flowName(f engine.Flow) string {
	if f.Group != "" {
		return f.Group
	}
	return fmt.Sprintf("%s %s > %s", protocol(f.Protocol), f.Src, f.Dst)
}

func protocol(p uint8) string {
	if name, ok := map[uint8]string{1: "icmp", 6: "tcp", 17: "udp", 58: "icmp6"}[p]; ok {
		return name
	}
	return fmt.Sprint(p)
}

func addressText(a netip.Addr) string {
	if !a.IsValid() {
		return "-"
	}
	return a.String()
}

// Selected is the filter of the connection under the cursor; empty when there is none.
func (p *Connections) Selected() string {
	name, _ := p.list.cursor.Row()
	f, known := p.all[name]
	if !known || f.Group != "" {
		return ""
	}
	text := fmt.Sprintf("src host %s and dst host %s and proto %d", f.Src.Addr(), f.Dst.Addr(), f.Protocol)
	if f.Protocol == 6 || f.Protocol == 17 {
		text = fmt.Sprintf("src host %s and src port %d and dst host %s and dst port %d and %s", f.Src.Addr(), f.Src.Port(), f.Dst.Addr(), f.Dst.Port(), protocol(f.Protocol))
	}
	return text
}

// Target is the packet that a trace may follow.
func (p *Connections) Target() Target {
	name, _ := p.list.cursor.Row()
	f, known := p.all[name]
	if !known || f.Group != "" || f.Protocol != 6 && f.Protocol != 17 {
		return Target{}
	}
	if f.Protocol == 6 {
		name += " S"
	}
	return Target{Packet: name, NIC: f.NIC}
}

// Copy is the connection under the cursor.
func (p *Connections) Copy(View) string {
	name, _ := p.list.cursor.Row()
	f, known := p.all[name]
	if !known {
		return ""
	}
	return strings.TrimSpace(fmt.Sprintf("%s %s %s %s %s", name, f.VIP, addressText(f.Backend), f.State, f.Reason))
}

// Draw is the talkers, the connections, and the sockets that end here.
func (p *Connections) Draw(k Kit, v View, w, h int) []string {
	c := v.Talk
	if c == nil {
		text := "packets are sampled while this screen is open"
		if v.TalkWhy != "" {
			text = v.TalkWhy
		}
		return widget.Fill(p.earlier(k, v, text, w, h), w, h, k.Glyphs)
	}
	if wide(w, h) {
		left := plainLeft(w)
		right := w - left - 2
		side := append(p.talkers(k, c, right, h/2), "")
		return widget.Beside(p.flows(k, v, left, h), left, 2, append(side, sockets(k, c, right, h-len(side))...), right, k.Glyphs)
	}
	top := min(1+len(c.Talkers), max(0, h/3))
	out := widget.Fill(p.talkers(k, c, w, top), w, top, k.Glyphs)
	rest := h - len(out)
	below := 0
	if len(c.Sockets) > 0 && rest > 10 {
		below = min(len(c.Sockets)+2, rest/3)
	}
	out = append(out, widget.Fill(p.flows(k, v, w, rest-below), w, rest-below, k.Glyphs)...)
	if below > 0 {
		out = append(out, widget.Fill(sockets(k, c, w, below), w, below, k.Glyphs)...)
	}
	return out
}

// earlier is who sent most when packets were sampled last, where they are not now.
func (p *Connections) earlier(k Kit, v View, why string, w, h int) []string {
	out := []string{" " + k.Say(theme.Dim, why)}
	if t := v.State.Talkers; t != nil {
		out = append(out, " "+k.Say(theme.Text, fmt.Sprintf("who sent most at %s, 1 of %d packets sampled over %s", clock(t.Time, v.Now), t.OneIn, widget.Age(t.Over))), "")
		out = append(out, p.top(k, "source", "packets", t.List, w, h-len(out))...)
	}
	return out
}

func (p *Connections) talkers(k Kit, c *engine.Connections, w, h int) []string {
	return p.top(k, engine.TalkersBy()[p.by], engine.TalkersSort()[p.sort], c.Talkers, w, h)
}

func (p *Connections) top(k Kit, by, sort string, list []engine.Talker, w, h int) []string {
	titles := []string{"PKT/s", "BYTE/s", "NEW/s"}
	titles[slices.Index(engine.TalkersSort(), sort)] += k.Glyphs.Down
	t := k.table(
		widget.Column{Title: "TOP " + strings.ToUpper(by), Width: 20},
		widget.Column{Title: titles[0], Width: 7, Right: true}, widget.Column{Title: "+-", Width: 6, Right: true, Drop: 3},
		widget.Column{Title: titles[1], Width: 7, Right: true}, widget.Column{Title: "+-", Width: 6, Right: true, Drop: 4},
		widget.Column{Title: titles[2], Width: 7, Right: true}, widget.Column{Title: "+-", Width: 6, Right: true, Drop: 2},
	)
	for _, x := range list {
		number := func(name string, v float64, t theme.Token) widget.Cell { return k.rate("talkers."+name, v, t) }
		t.Rows = append(t.Rows, widget.Row{Cells: []widget.Cell{k.cell(theme.Text, x.Name), number("pps", x.PPS, theme.Text), number("pps", x.PPSOff, theme.Dim),
			number("bps", x.BPS, theme.Text), number("bps", x.BPSOff, theme.Dim), number("new", x.New, theme.Text), number("new", x.NewOff, theme.Dim)}})
	}
	if len(t.Rows) == 0 {
		return []string{t.Render(w, 1)[0], k.Say(theme.Dim, " nobody was seen yet, by "+sort)}
	}
	return t.Render(w, h)
}

func (p *Connections) flows(k Kit, v View, w, h int) []string {
	if p.group > 0 {
		t := k.table(widget.Column{Title: strings.ToUpper(engine.TalkersBy()[p.group-1]), Width: 26}, widget.Column{Title: "CONNS", Width: 6, Right: true},
			widget.Column{Title: "PACKETS", Width: 8, Right: true}, widget.Column{Title: "BYTES", Width: 8, Right: true, Drop: 1}, widget.Column{Title: "AGE", Width: 6, Right: true})
		return p.list.draw(k, t, w, h, true, "no connection was seen yet", func(name string) widget.Row {
			f := p.all[name]
			return widget.Row{Cells: []widget.Cell{k.cell(theme.Text, name), k.cell(theme.Text, fmt.Sprint(f.Flows)), k.rate("flows.packets", f.Packets, theme.Text),
				k.rate("flows.bytes", f.Bytes, theme.Text), k.cell(theme.Dim, widget.Age(max(0, v.Talk.Time.Sub(f.First))))}}
		})
	}
	var src, dst, vips, backends []string
	for _, f := range v.Talk.Flows {
		src, dst, vips, backends = append(src, f.Src.String()), append(dst, f.Dst.String()), append(vips, f.VIP), append(backends, addressText(f.Backend))
	}
	t := k.table(
		widget.Column{Title: "PROTO", Width: 5, Drop: 5},
		widget.Column{Title: "SOURCE", Width: widest(15, 24, src)},
		widget.Column{Title: "DESTINATION", Width: widest(11, 20, dst), Drop: 1},
		widget.Column{Title: "VIP", Width: widest(3, 10, vips), Drop: 2},
		widget.Column{Title: "BACKEND", Width: widest(7, 16, backends), Drop: 3},
		widget.Column{Title: "STATE", Width: 7},
		widget.Column{Title: "PKTS", Width: 6, Right: true},
		widget.Column{Title: "AGE", Width: 6, Right: true, Drop: 4},
	)
	return p.list.draw(k, t, w, h, true, "no connection was seen yet", func(name string) widget.Row {
		f := p.all[name]
		token, state := theme.Text, f.State
		if f.Verdict == "drop" {
			token, state = theme.Warn, "DROPPED"
		}
		return widget.Row{Cells: []widget.Cell{k.cell(theme.Dim, protocol(f.Protocol)), k.cell(theme.Text, f.Src.String()), k.cell(theme.Text, f.Dst.String()), k.cell(theme.Text, f.VIP),
			k.cell(theme.Text, addressText(f.Backend)), k.cell(token, state), k.rate("flows.packets", f.Packets, theme.Text),
			k.cell(theme.Dim, widget.Age(max(0, v.Talk.Time.Sub(f.First))))}}
	})
}

// sockets are the connections that end on this host.
func sockets(k Kit, c *engine.Connections, w, h int) []string {
	if len(c.Sockets) == 0 {
		return nil
	}
	t := k.table(
		widget.Column{Title: fmt.Sprintf("ENDING HERE %d", c.SocketsOpen), Width: 24},
		widget.Column{Title: "STATE", Width: 11},
		widget.Column{Title: "IN", Width: 6, Right: true}, widget.Column{Title: "OUT", Width: 6, Right: true},
		widget.Column{Title: "RETR", Width: 5, Right: true, Drop: 1}, widget.Column{Title: "RTT ms", Width: 7, Right: true, Drop: 2},
	)
	for _, s := range c.Sockets {
		retransmits := theme.Text
		if s.Retransmits > 0 {
			retransmits = theme.Warn
		}
		t.Rows = append(t.Rows, widget.Row{Cells: []widget.Cell{k.cell(theme.Text, s.Remote.String()), k.cell(theme.Text, s.State),
			k.rate("sockets", float64(s.Received), theme.Text), k.rate("sockets", float64(s.Acked), theme.Text),
			k.rate("retransmits", float64(s.Retransmits), retransmits), k.cell(theme.Dim, fmt.Sprintf("%.2f", float64(s.RTT.Microseconds())/1000))}})
	}
	return t.Render(w, h)
}
