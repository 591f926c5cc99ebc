package page

import (
	"slices"

	"hairpin/ui/action"
	"hairpin/ui/widget"
)

// Overview is the first screen: what is wrong, what is forwarded and dropped, by NIC, reason and VIP, and what
// happened just before.
type Overview struct{ vips list }

// NewOverview has its cursor on the busiest VIP until it is moved.
func NewOverview() *Overview {
	return &Overview{vips: list{sorts: vipSorts, sort: 1, cursor: Cursor{first: true}}}
}

// Scope is the overview's own.
func (o *Overview) Scope() action.Scope { return action.Overview }

// Crumb is empty: the second line belongs to the cause.
func (o *Overview) Crumb(View) string { return "" }

// Hints for the footer.
func (o *Overview) Hints() []action.ID {
	return []action.ID{action.Open, action.Pause, action.Filter, action.Palette, action.Arm, action.Help, action.Back}
}

// Enter leaves everything as it was.
func (o *Overview) Enter(Place) {}

// Sync follows the VIPs, the busiest first.
func (o *Overview) Sync(v View) { o.vips.sync(vipEntries(v.State)) }

// Act moves among the VIPs and opens one.
func (o *Overview) Act(id action.ID, _ View) Move {
	switch id {
	case action.Open:
		if name, ok := o.vips.cursor.Row(); ok {
			return Move{Go: &Place{Screen: action.GoVIPs, VIP: name}}
		}
	case action.NextPane:
		return Move{Go: &Place{Screen: action.GoEvents}}
	case action.Back:
		return Move{Up: true}
	case action.Cancel:
		o.vips.cancel()
	default:
		o.vips.act(id)
	}
	return Move{}
}

// SetFilter leaves out VIPs.
func (o *Overview) SetFilter(f Filter) { o.vips.filter = f }

// Filter is the one in force.
func (o *Overview) Filter() Filter { return o.vips.filter }

// Target is the VIP under the cursor.
func (o *Overview) Target() Target { return o.vips.vip() }

// Copy is the address of the VIP under the cursor.
func (o *Overview) Copy(v View) string { return copyVIP(v, o.Target().VIP) }

// Draw stacks the parts, or puts them in two columns where there is room.
func (o *Overview) Draw(k Kit, v View, w, h int) []string {
	s := v.State
	nics, drops, vips := max(1, len(s.NICs)), max(1, len(dropped(s))), max(1, o.vips.total)
	near := closest(s)
	if !wide(w, h) {
		parts := []part{
			{rank: 0, need: 1 + min(2, nics), want: 1 + nics, draw: func(h int) []string { return nicTable(k, s, w, h) }},
			{rank: 2, need: 1 + min(2, drops), want: 1 + drops, draw: func(h int) []string { return reasonTable(k, s, w, h) }},
			{rank: 1, need: 1 + min(3, vips), want: 1 + vips, draw: func(h int) []string { return o.table(k, s, w, h) }},
			{rank: 3, need: 1 + max(1, min(3, len(s.Problems))), want: 3 + len(s.Problems), draw: func(h int) []string { return happened(k, v, w, h) }},
		}
		if near := closeOnly(near); len(near) > 0 { // the others have their screen
			parts = slices.Insert(parts, 2, part{rank: 4, need: 1 + min(2, len(near)), want: 1 + min(3, len(near)),
				draw: func(h int) []string { return limitTable(k, near, w, h) }})
		}
		return stack(k, w, h, parts)
	}
	left, right := w/2+4, w-w/2-6
	return widget.Beside(stack(k, left, h, []part{
		{rank: 0, need: 2, want: 1 + nics, draw: func(h int) []string { return nicTable(k, s, left, h) }},
		{rank: 2, need: 4, want: 11, draw: func(h int) []string { return traffic(k, s, left, h) }},
		{rank: 1, need: 1 + min(3, vips), want: 1 + vips, draw: func(h int) []string { return o.table(k, s, left, h) }},
		{rank: 3, need: 3, want: h, draw: func(h int) []string { return o.behind(k, v, left, h) }},
	}), left, 2, stack(k, right, h, slices.DeleteFunc([]part{
		{rank: 0, need: 2, want: 1 + drops, draw: func(h int) []string { return reasonTable(k, s, right, h) }},
		{rank: 1, need: 1 + min(1, len(near)), want: 1 + min(5, len(near)), draw: func(h int) []string { return limitTable(k, near, right, h) }},
		{rank: 2, need: 2, want: 1 + stages(s), draw: func(h int) []string { return stageTable(k, s, right, h) }},
		{rank: 1, need: 4, want: h, draw: func(h int) []string { return happened(k, v, right, h) }},
	}, func(p part) bool { return p.want == 1 })), right, k.Glyphs)
}

// behind is the backends of the VIP under the cursor, for a look without opening it.
func (o *Overview) behind(k Kit, v View, w, h int) []string {
	name, _ := o.vips.cursor.Row()
	b := backends{list: list{sorts: backendSorts}}
	b.sync(name, v)
	vip, known := vipOf(v.State, name)
	if !known {
		return nil
	}
	return b.table(k, v, vip, w, h, false)
}
