package page

import (
	"hairpin/ui/action"
	"hairpin/ui/widget"
)

// plain is what screens share that are one list, and have nothing of their own to do.
type plain struct{ list list }

// Scope is that of every screen.
func (p *plain) Scope() action.Scope { return action.Global }

// Hints for the footer.
func (p *plain) Hints() []action.ID {
	return []action.ID{action.Down, action.Up, action.Filter, action.CopyRow, action.Pause, action.Palette, action.Help, action.Back}
}

// Enter leaves everything as it was.
func (p *plain) Enter(Place) {}

// Act moves in the list.
func (p *plain) Act(id action.ID, _ View) Move {
	switch id {
	case action.Back:
		return Move{Up: true}
	case action.Cancel:
		return Move{Up: !p.list.cancel()}
	}
	p.list.act(id)
	return Move{}
}

// SetFilter leaves rows out.
func (p *plain) SetFilter(f Filter) { p.list.filter = f }

// Filter is the one in force.
func (p *plain) Filter() Filter { return p.list.filter }

// Target is nothing that an action could change.
func (p *plain) Target() Target { return Target{} }

// plainLeft is the width of the list where a row is told of beside it.
func plainLeft(w int) int { return w * 3 / 5 }

// split is a list and, where there is room, the details of a row: below it, or beside it on a wide screen.
func split(k Kit, w, h int, table, detail func(w, h int) []string) []string {
	if wide(w, h) {
		left := plainLeft(w)
		right := w - left - 2
		return widget.Beside(table(left, h), left, 2, detail(right, h), right, k.Glyphs)
	}
	if h < 12 {
		return widget.Fill(table(w, h), w, h, k.Glyphs)
	}
	below := min(8, h/3)
	out := widget.Fill(table(w, h-below-1), w, h-below, k.Glyphs)
	return append(out, widget.Fill(detail(w, below), w, below, k.Glyphs)...)
}
