package page

import (
	"fmt"
	"strconv"
	"strings"

	"hairpin/engine"
	"hairpin/ui/action"
	"hairpin/ui/theme"
	"hairpin/ui/widget"
)

// Events is what happened on the node, newest first, with the details of one.
type Events struct {
	plain
	all map[string]engine.Event
}

// NewEvents follows the newest until its cursor is moved.
func NewEvents() *Events { return &Events{plain: plain{list{cursor: Cursor{first: true}}}} }

// Scope is the events' own.
func (p *Events) Scope() action.Scope { return action.Events }

// Crumb names the screen, and what could not be recorded.
func (p *Events) Crumb(v View) string {
	crumb := fmt.Sprintf("Events > %d", len(v.State.Events))
	if n := v.State.EventsLost; n > 0 {
		crumb += fmt.Sprintf(", %s lost: the ring buffer was full", widget.Number(float64(n)))
	}
	return crumb
}

// Hints for the footer.
func (p *Events) Hints() []action.ID {
	return []action.ID{action.Down, action.Up, action.Filter, action.EventTime, action.TakeBack, action.History, action.Reverse, action.Pause, action.Palette, action.Help, action.Back}
}

// Enter selects an event, if the place names one.
func (p *Events) Enter(at Place) {
	if at.Event != 0 {
		p.list.cursor.Select(strconv.FormatUint(at.Event, 10))
	}
}

// Sync follows the events.
func (p *Events) Sync(v View) {
	p.all = map[string]engine.Event{}
	var entries []entry
	for i := len(v.State.Events) - 1; i >= 0; i-- {
		e := v.State.Events[i]
		name := strconv.FormatUint(e.Seq, 10)
		p.all[name] = e
		entries = append(entries, entry{name: name, fields: []Field{
			{"sev", e.Severity}, {"who", e.Who}, {"what", e.What}, {"detail", strings.Join(e.Detail, " ")},
		}})
	}
	p.list.sync(entries)
}

// Act moves in the list.
func (p *Events) Act(id action.ID, _ View) Move {
	switch id {
	case action.Back:
		return Move{Up: true}
	case action.NextPane:
		return Move{Go: &Place{Screen: action.GoOverview}}
	case action.Cancel:
		p.list.cancel()
	default:
		p.list.act(id)
	}
	return Move{}
}

// Target is the change that the event under the cursor is about, and its time.
func (p *Events) Target() Target {
	name, _ := p.list.cursor.Row()
	return Target{Change: p.all[name].Change, Time: p.all[name].Time, Packet: p.all[name].Packet}
}

// Copy is the event under the cursor.
func (p *Events) Copy(View) string {
	name, _ := p.list.cursor.Row()
	e, known := p.all[name]
	if !known {
		return ""
	}
	head := fmt.Sprintf("%s %s %s %s", e.Time.Format("2006-01-02 15:04:05"), e.Severity, e.Who, e.What)
	return strings.Join(append([]string{head}, e.Detail...), "\n")
}

// Draw is the list and, where there is room, the event under the cursor: below it, or beside it on a wide screen.
func (p *Events) Draw(k Kit, v View, w, h int) []string {
	return split(k, w, h, func(w, h int) []string { return p.table(k, v, w, h) }, func(w, h int) []string { return p.detail(k, v, w, h) })
}

func (p *Events) table(k Kit, v View, w, h int) []string {
	var who []string
	for _, e := range v.State.Events {
		who = append(who, e.Who)
	}
	t := k.table(
		widget.Column{Title: "TIME", Width: 8},
		widget.Column{Title: "SEV", Width: 5},
		widget.Column{Title: "WHO", Width: widest(6, 12, who), Drop: 2},
		widget.Column{Title: "WHAT", Width: 20, Grow: true},
		widget.Column{Title: "#", Width: 6, Right: true, Drop: 1},
	)
	return p.list.draw(k, t, w, h, true, "nothing happened yet", func(name string) widget.Row {
		e := p.all[name]
		return widget.Row{Cells: []widget.Cell{
			k.cell(theme.Dim, clock(e.Time, v.Now)), k.cell(severity(e.Severity), strings.ToUpper(e.Severity)),
			k.cell(theme.Dim, e.Who), k.cell(theme.Text, e.What), k.cell(theme.Dim, name),
		}}
	})
}

// detail is everything about the event under the cursor.
func (p *Events) detail(k Kit, v View, w, h int) []string {
	name, ok := p.list.cursor.Row()
	e, known := p.all[name]
	if !ok || !known {
		return widget.Fill(nil, w, h, k.Glyphs)
	}
	head := fmt.Sprintf(" #%d  %s  %s", e.Seq, e.Time.Format("2006-01-02 15:04:05"), e.Who)
	out := []string{k.Say(theme.Title, head) + "  " + k.Say(severity(e.Severity), strings.ToUpper(e.Severity)) +
		k.Say(theme.Dim, "  "+widget.Age(v.Now.Sub(e.Time))+" ago")}
	for _, text := range append([]string{e.What}, e.Detail...) {
		for _, line := range widget.Wrap(widget.Clean(text), w-3) {
			out = append(out, "   "+k.Say(theme.Text, line))
		}
	}
	return widget.Fill(out, w, h, k.Glyphs)
}
