package page

import (
	"fmt"
	"strings"

	"hairpin/engine"
	"hairpin/ui/action"
	"hairpin/ui/theme"
	"hairpin/ui/widget"
)

// mostLines bounds how far one scrolls; a trace has fewer.
const mostLines = 200

// Trace is the screen of one packet's way: what each stage would see and decide, and what would become of it.
type Trace struct {
	place Place
	at    int  // which packet of the answer
	other bool // by what is traced against
	top   int  // first line that is drawn
}

// NewTrace shows nothing until something is traced.
func NewTrace() *Trace { return &Trace{place: Place{Screen: action.GoTrace}} }

// Scope is the trace's own.
func (p *Trace) Scope() action.Scope { return action.Trace }

// Crumb names the screen and the packet.
func (p *Trace) Crumb(View) string {
	if p.place.Packet == "" {
		return "Trace"
	}
	name := p.place.Packet
	if Captured(name) {
		name = "a captured packet"
	}
	if p.place.Change > 0 {
		return fmt.Sprintf("Trace > %s, against change %d", name, p.place.Change)
	}
	return "Trace > " + name
}

// Captured tells whether a packet is given by its bytes, which nobody reads.
func Captured(packet string) bool { return strings.HasPrefix(packet, "hex ") }

// Hints for the footer.
func (p *Trace) Hints() []action.ID {
	return []action.ID{action.TracePacket, action.TraceAgain, action.TraceOther, action.TraceAgainst, action.TraceShells, action.Older, action.CopyRow, action.Palette, action.Help, action.Back}
}

// Enter shows what was traced there.
func (p *Trace) Enter(at Place) {
	if p.place != at {
		p.place, p.at, p.top, p.other = at, 0, 0, false
	}
}

// Sync has nothing to follow: a trace is of its time.
func (p *Trace) Sync(View) {}

// Act goes through packets and lines.
func (p *Trace) Act(id action.ID, v View) Move {
	n := 0
	if v.Traced != nil && v.Traced.Result != nil {
		n = len(v.Traced.Result.Packets)
	}
	switch id {
	case action.Back, action.Cancel:
		return Move{Up: true}
	case action.TraceOther:
		p.other, p.top = !p.other, 0
	case action.Down, action.Up:
		step := map[action.ID]int{action.Down: 1, action.Up: -1}[id]
		if n > 1 {
			p.at, p.top = min(max(p.at+step, 0), n-1), 0
		} else {
			p.top = min(max(0, p.top+step), mostLines)
		}
	case action.PageDown:
		p.top = min(p.top+8, mostLines)
	case action.PageUp:
		p.top = max(0, p.top-8)
	case action.Top:
		p.at, p.top = 0, 0
	case action.Bottom:
		p.at = max(0, n-1)
	}
	return Move{}
}

// SetFilter does nothing: every stage counts.
func (p *Trace) SetFilter(Filter) {}

// Filter is never in force.
func (p *Trace) Filter() Filter { return Filter{} }

// Target is the packet itself.
func (p *Trace) Target() Target { return Target{Packet: p.place.Packet, NIC: p.place.NIC} }

// shown is the packet that is looked at, its outcome, and by what; nil where there is none.
func (p *Trace) shown(v View) (*engine.Traced, *engine.TraceOutcome, string) {
	if v.Traced == nil || v.Traced.Result == nil || len(v.Traced.Result.Packets) == 0 {
		return nil, nil, ""
	}
	r := v.Traced.Result
	t := &r.Packets[min(p.at, len(r.Packets)-1)]
	if p.other && t.Then != nil {
		return t, t.Then, r.Against
	}
	return t, &t.Now, r.On
}

// Copy is the trace in words.
func (p *Trace) Copy(v View) string {
	t, o, on := p.shown(v)
	if t == nil {
		return ""
	}
	return strings.Join(append([]string{t.Packet, "on " + on}, o.Lines()...), "\n")
}

// Draw is the verdict, why, every stage, the way, and what would be otherwise.
func (p *Trace) Draw(k Kit, v View, w, h int) []string {
	t, o, on := p.shown(v)
	if t == nil {
		return widget.Fill(p.nothing(k, v, w), w, h, k.Glyphs)
	}
	if wide(w, h) && t.Then != nil {
		left := (w - 2) / 2
		head := p.which(k, v, t, v.Traced.Result.On, w)[:1]
		r := v.Traced.Result
		both := widget.Beside(p.side(k, v, t, &t.Now, r.On, left, h-1), left, 2, p.side(k, v, t, t.Then, r.Against, w-left-2, h-1), w-left-2, k.Glyphs)
		return widget.Fill(append(head, both...), w, h, k.Glyphs)
	}
	return p.scrolled(k, append(p.which(k, v, t, on, w), p.verdict(k, o, w)...), p.body(k, v, t, o, w), w, h)
}

// side is one of two outcomes beside each other.
func (p *Trace) side(k Kit, v View, t *engine.Traced, o *engine.TraceOutcome, on string, w, h int) []string {
	head := append([]string{widget.Fit(" "+k.Say(theme.Dim, "on "+on+", "+widget.Age(v.Now.Sub(v.Traced.Result.Time))+" ago"), w, k.Glyphs)}, p.verdict(k, o, w)...)
	if o == t.Then {
		return p.scrolled(k, head, p.outcome(k, o, w), w, h)
	}
	return p.scrolled(k, head, p.body(k, v, t, o, w), w, h)
}

// scrolled is lines below a head that stays, from the first one that is to be drawn.
func (p *Trace) scrolled(k Kit, head, lines []string, w, h int) []string {
	room := h - len(head) - 1
	if room < 3 { // on a small screen all of it is scrolled
		lines = append(append(append([]string(nil), head...), ""), lines...)
		top := max(0, min(p.top, len(lines)-h))
		return widget.Fill(lines[top:], w, h, k.Glyphs)
	}
	top := max(0, min(p.top, len(lines)-room))
	shown := lines[top:min(len(lines), top+room)]
	if more := len(lines) - top - len(shown); more > 0 {
		shown = append(append([]string(nil), shown[:room-1]...), k.Say(theme.Hint, fmt.Sprintf(" %d more lines below", more+1)))
	}
	return widget.Fill(append(append(head, ""), shown...), w, h, k.Glyphs)
}

// nothing is why there is nothing to see, and how to see something.
func (p *Trace) nothing(k Kit, v View, w int) []string {
	said, token := "no packet is traced: type one, take your own SSH session, or trace a row of another screen", theme.Dim
	switch {
	case v.Traced == nil:
	case v.Traced.Why != "":
		said, token = v.Traced.Why, theme.Warn
	case v.Traced.Asked:
		said = "tracing"
	}
	var out []string
	for _, text := range append(widget.Wrap(widget.Clean(said), w-2), "", "a packet: "+engine.TraceExample,
		"it is run dry: nothing is sent, counted or changed") {
		out = append(out, " "+k.Say(token, text))
		token = map[bool]theme.Token{true: theme.Dim, false: token}[text == ""]
	}
	return out
}

// which is what is looked at, by what, and when it was traced.
func (p *Trace) which(k Kit, v View, t *engine.Traced, on string, w int) []string {
	r := v.Traced.Result
	text := t.Packet
	if len(r.Packets) > 1 {
		text = fmt.Sprintf("%d of %d: %s", min(p.at, len(r.Packets)-1)+1, len(r.Packets), text)
	}
	age := "on " + on + ", " + widget.Age(v.Now.Sub(r.Time)) + " ago"
	if v.Traced.Asked {
		age = "tracing again"
	}
	return []string{" " + k.Say(theme.Title, text), widget.Fit(" "+k.Say(theme.Dim, age), w, k.Glyphs)}
}

// verdictToken is the style of what becomes of a packet.
func verdictToken(verdict string) theme.Token {
	switch verdict {
	case "forward", "pass":
		return theme.OK
	case "drop":
		return theme.Crit
	case "would drop", "":
		return theme.Warn
	}
	return theme.Text
}

func (p *Trace) verdict(k Kit, o *engine.TraceOutcome, w int) []string {
	out := labelled(k, w, "VERDICT", o.Headline(), verdictToken(o.Verdict))
	out = append(out, labelled(k, w, "WHY", o.Because(), theme.Text)...)
	for _, text := range o.Unsure {
		out = append(out, labelled(k, w, "UNSURE", text, theme.Warn)...)
	}
	return out
}

// labelled is text behind a label, in as many lines as it needs; none for no text.
func labelled(k Kit, w int, label, text string, t theme.Token) []string {
	const wide = 10
	var out []string
	for i, line := range widget.Wrap(widget.Clean(text), max(10, w-wide-1)) {
		if i > 0 {
			label = ""
		}
		out = append(out, " "+k.Say(theme.Title, fmt.Sprintf("%-*s", wide-1, label))+k.Say(t, line))
	}
	return out
}

// body is everything below the verdict.
func (p *Trace) body(k Kit, v View, t *engine.Traced, o *engine.TraceOutcome, w int) []string {
	return append(p.outcome(k, o, w), p.whatIf(k, v, t, w)...)
}

// outcome is the stages, and what leaves them.
func (p *Trace) outcome(k Kit, o *engine.TraceOutcome, w int) []string {
	out := p.steps(k, o, w)
	var way []string
	for _, f := range o.Way {
		way = append(way, f.String())
	}
	if len(out) > 0 {
		out = append(out, "")
	}
	out = append(out, labelled(k, w, "LEAVES", o.Leaves, theme.Text)...)
	return append(out, labelled(k, w, "WAY", strings.Join(way, ", "), theme.Text)...)
}

// whatIf is how the other side differs.
func (p *Trace) whatIf(k Kit, v View, t *engine.Traced, w int) []string {
	r := v.Traced.Result
	if t.Then == nil {
		return labelled(k, w, "WHAT IF", "nothing is staged, nothing waits to be confirmed, and no earlier change was named", theme.Dim)
	}
	text, token := "the same by "+r.Against, theme.Text
	if t.Differs != "" {
		text, token = "by "+r.Against+": "+t.Differs, theme.Staged
	}
	return labelled(k, w, "WHAT IF", text, token)
}

// steps are the stages, a line for each thing that one saw.
func (p *Trace) steps(k Kit, o *engine.TraceOutcome, w int) []string {
	if len(o.Steps) == 0 {
		return nil
	}
	var names []string
	for _, s := range o.Steps {
		names = append(names, s.Name)
	}
	t := k.table(
		widget.Column{Title: "#", Width: 2, Right: true, Drop: 2},
		widget.Column{Title: "STAGE", Width: widest(6, 16, names)},
		widget.Column{Title: "RESULT", Width: 10},
		widget.Column{Title: "NS", Width: 5, Right: true, Drop: 1},
		widget.Column{Title: "WHAT IT SAW AND DECIDED", Width: 20, Grow: true},
	)
	for _, s := range o.Steps {
		t.Rows = append(t.Rows, stepRows(k, s, factWidth(w, names))...)
	}
	return t.Render(w, len(t.Rows)+1)
}

// factWidth is how wide a fact may be before it goes on in the next line.
func factWidth(w int, names []string) int { return max(20, w-widest(6, 16, names)-24) }

func stepRows(k Kit, s engine.TraceStep, wide int) []widget.Row {
	ns := "-"
	if s.NS > 0 {
		ns = fmt.Sprintf("%.0f", s.NS)
	}
	var facts []string
	for _, f := range s.Facts {
		facts = append(facts, widget.Wrap(widget.Clean(f.String()), wide)...)
	}
	token := verdictToken(s.Result)
	if s.Result == "next" || s.Result == "-" {
		token = theme.Dim
	}
	first := ""
	if len(facts) > 0 {
		first = facts[0]
	}
	rows := []widget.Row{{Cells: []widget.Cell{k.cell(theme.Dim, fmt.Sprint(s.Position)), k.cell(theme.Text, s.Name), k.cell(token, s.Result),
		k.cell(theme.Dim, ns), k.cell(theme.Text, first)}}}
	for _, f := range facts[min(1, len(facts)):] {
		rows = append(rows, widget.Row{Cells: []widget.Cell{{}, {}, {}, {}, k.cell(theme.Text, f)}})
	}
	return rows
}
