package page

import (
	"fmt"
	"strings"

	"hairpin/engine"
	"hairpin/engine/capture"
	"hairpin/ui/action"
	"hairpin/ui/theme"
	"hairpin/ui/widget"
)

// Capture is the packets that a capture of this console's takes, newest first.
type Capture struct {
	plain
	all  map[string]*engine.CaptureRecord
	open bool // the packet under the cursor has the whole screen
}

// Capturing is a capture of this console's.
type Capturing struct {
	Status  engine.CaptureStatus
	Records []engine.CaptureRecord // the newest of them, oldest first
	On      bool                   // it goes on
}

// NewCapture has nothing yet.
func NewCapture() *Capture { return &Capture{} }

// Scope is its own.
func (p *Capture) Scope() action.Scope { return action.Capture }

// Hints for the footer.
func (p *Capture) Hints() []action.ID {
	return []action.ID{action.CaptureStart, action.CaptureStop, action.CaptureSave, action.TraceThis, action.Filter, action.CopyRow, action.Palette, action.Help, action.Back}
}

// Act opens the packet under the cursor, or moves in the list.
func (p *Capture) Act(id action.ID, v View) Move {
	switch {
	case id == action.Open:
		p.open = !p.open
	case p.open && (id == action.Back || id == action.Cancel):
		p.open = false
	default:
		return p.plain.Act(id, v)
	}
	return Move{}
}

// Crumb says what is captured.
func (p *Capture) Crumb(v View) string {
	c := v.Capture
	switch {
	case c == nil:
		return "Capture"
	case c.On:
		return "Capture > running on " + c.Status.Where
	}
	return "Capture > over: " + c.Status.Over
}

// Sync follows the records.
func (p *Capture) Sync(v View) {
	p.all = map[string]*engine.CaptureRecord{}
	var entries []entry
	if v.Capture != nil {
		records := v.Capture.Records
		for i := len(records) - 1; i >= 0; i-- {
			r := &records[i]
			name := fmt.Sprintf("%d %s %s", r.Packet, r.Place(), r.Time.Format("15:04:05.000000"))
			p.all[name] = r
			entries = append(entries, entry{name: name, fields: []Field{{"point", r.Point.String()}, {"nic", r.NIC}, {"stage", r.Stage}, {"vip", r.VIP},
				{"verdict", r.Verdict}, {"reason", r.Reason}, {"line", r.Line()}}})
		}
	}
	p.list.sync(entries)
}

// Target is the packet that a trace may follow.
func (p *Capture) Target() Target {
	name, _ := p.list.cursor.Row()
	r := p.all[name]
	if r == nil {
		return Target{}
	}
	for _, as := range p.all { // what is traced is the packet as it came
		if as.Packet == r.Packet && as.NIC == r.NIC && as.Point == capture.Came {
			return Target{Packet: as.Whole(), NIC: as.NIC}
		}
	}
	return Target{}
}

// Copy is everything about the packet under the cursor.
func (p *Capture) Copy(View) string {
	name, _ := p.list.cursor.Row()
	if r := p.all[name]; r != nil {
		return strings.Join(r.Describe(), "\n")
	}
	return ""
}

// Draw is how far it has come, the packets, and the one under the cursor in full.
func (p *Capture) Draw(k Kit, v View, w, h int) []string {
	head := p.head(k, v, w)
	head = head[:min(len(head), max(0, h-3))]
	if p.open {
		return append(widget.Fill(head, w, len(head), k.Glyphs), widget.Fill(p.detail(k, w), w, max(0, h-len(head)), k.Glyphs)...)
	}
	rest := split(k, w, max(0, h-len(head)), func(w, h int) []string { return p.table(k, v, w, h) }, func(w, h int) []string { return p.detail(k, w) })
	return append(widget.Fill(head, w, len(head), k.Glyphs), rest...)
}

func (p *Capture) head(k Kit, v View, w int) []string {
	c := v.Capture
	if c == nil {
		lines := []string{" " + k.Say(theme.Dim, "nothing is captured here; only headers are copied, and it ends by itself")}
		for _, s := range v.State.Captures {
			lines = append(lines, " "+k.Say(theme.Text, fmt.Sprintf("%s captures %s on %s until %s", s.Who, orAll(s.Filter), s.Where, s.Until.Format("15:04:05"))))
		}
		return lines
	}
	s := c.Status
	word, token := "REC ", theme.Crit
	if !c.On {
		word, token = "OVER", theme.Dim
	}
	left := max(0, s.Until.Sub(v.Now))
	first := " " + k.Say(token, word) + k.Say(theme.Text, fmt.Sprintf("  %d records, %d bytes  of at most %d, %d, %s left", s.Packets, s.Bytes, s.Most, s.MostOf, widget.Age(left)))
	second := " " + k.Say(theme.Dim, "filter ") + k.Say(theme.Text, orAll(s.Filter)) + k.Say(theme.Dim, fmt.Sprintf("  sample 1/%d  snap %s", s.OneIn, snapText(s.Snap)))
	cost := "not known yet"
	if s.NS > 0 {
		cost = fmt.Sprintf("+%.0f ns a packet that comes by", s.NS)
	}
	lost := theme.Text
	if s.Lost+s.Torn > 0 {
		lost = theme.Warn
	}
	third := " " + k.Say(theme.Dim, "cost ") + k.Say(theme.Text, cost) + k.Say(theme.Dim, "  lost ") + k.Say(lost, fmt.Sprint(s.Lost+s.Torn)) +
		k.Say(theme.Dim, fmt.Sprintf("  %d packets came by", s.Seen))
	return []string{widget.Fit(first, w, k.Glyphs), widget.Fit(second, w, k.Glyphs), widget.Fit(third, w, k.Glyphs)}
}

func orAll(filter string) string {
	if filter == "" {
		return "every packet"
	}
	return filter
}

func snapText(snap int) string {
	if snap == 0 {
		return "headers"
	}
	return fmt.Sprint(snap)
}

func (p *Capture) table(k Kit, v View, w, h int) []string {
	t := k.table(
		widget.Column{Title: "TIME", Width: 12},
		widget.Column{Title: "POINT", Width: 5},
		widget.Column{Title: "LEN", Width: 5, Right: true, Drop: 2},
		widget.Column{Title: "REASON", Width: 14},
		widget.Column{Title: "PACKET", Width: max(20, w-43)},
	)
	return p.list.draw(k, t, w, h, true, "no packet yet", func(name string) widget.Row {
		r := p.all[name]
		token := theme.Text
		if r.Verdict == "drop" {
			token = theme.Warn
		}
		return widget.Row{Cells: []widget.Cell{k.cell(theme.Dim, r.Time.Format("15:04:05.000")), k.cell(theme.Text, r.Point.String()), k.cell(theme.Dim, fmt.Sprint(r.Bytes)),
			k.cell(token, r.Reason), k.cell(theme.Text, r.Line())}}
	})
}

func (p *Capture) detail(k Kit, w int) (out []string) {
	name, _ := p.list.cursor.Row()
	r := p.all[name]
	if r == nil {
		return nil
	}
	for i, line := range r.Describe() {
		token := theme.Text
		if i == 0 {
			token = theme.Title
		}
		for _, part := range widget.Wrap(widget.Clean(line), w-2) {
			out = append(out, " "+k.Say(token, part))
		}
	}
	return out
}
