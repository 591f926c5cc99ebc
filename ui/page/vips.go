package page

import (
	"hairpin/ui/action"
	"hairpin/ui/widget"
)

// VIPs is the screen of virtual addresses; one of them opened is the screen of its backends.
type VIPs struct {
	list     list
	open     string // the VIP whose backends have the cursor; empty = the list has it
	backends backends
}

// NewVIPs has nothing open.
func NewVIPs() *VIPs {
	return &VIPs{list: list{sorts: vipSorts}, backends: backends{list: list{sorts: backendSorts}}}
}

// Scope depends on which of the two lists has the cursor.
func (p *VIPs) Scope() action.Scope {
	if p.open != "" {
		return action.Backends
	}
	return action.VIPs
}

// Crumb is the way to the VIP that is open.
func (p *VIPs) Crumb(View) string {
	if p.open == "" {
		return "VIPs"
	}
	return "VIPs > " + p.open
}

// Hints for the footer.
func (p *VIPs) Hints() []action.ID {
	if p.open != "" {
		return []action.ID{action.Weight, action.Heavier, action.Lighter, action.Drain, action.Toggle, action.Add,
			action.Remove, action.Apply, action.Undo, action.Help, action.Back}
	}
	return []action.ID{action.Open, action.Sort, action.Filter, action.Palette, action.Arm, action.Help, action.Back}
}

// Enter opens a VIP, or the list when the place names none.
func (p *VIPs) Enter(at Place) {
	if p.open = at.VIP; at.VIP != "" {
		p.list.cursor.Select(at.VIP)
		p.backends.enter(at.VIP)
	}
}

// Sync follows both lists.
func (p *VIPs) Sync(v View) {
	p.list.sync(vipEntries(v.State))
	name, _ := p.list.cursor.Row()
	if p.open != "" {
		name = p.open
	}
	p.backends.sync(name, v)
}

// Act moves in the list that has the cursor, and from one to the other.
func (p *VIPs) Act(id action.ID, _ View) Move {
	if p.open != "" {
		switch id {
		case action.Cancel:
			if !p.backends.list.cancel() {
				return Move{Go: &Place{Screen: action.GoVIPs}}
			}
		case action.Back, action.NextPane:
			return Move{Go: &Place{Screen: action.GoVIPs}}
		default:
			p.backends.list.act(id)
		}
		return Move{}
	}
	switch id {
	case action.Open, action.NextPane:
		if name, ok := p.list.cursor.Row(); ok {
			return Move{Go: &Place{Screen: action.GoVIPs, VIP: name}}
		}
	case action.Back:
		return Move{Up: true}
	case action.Cancel:
		p.list.cancel()
	default:
		p.list.act(id)
	}
	return Move{}
}

// SetFilter filters the list that has the cursor.
func (p *VIPs) SetFilter(f Filter) { p.focus().filter = f }

// Filter is the one of that list.
func (p *VIPs) Filter() Filter { return p.focus().filter }

func (p *VIPs) focus() *list {
	if p.open != "" {
		return &p.backends.list
	}
	return &p.list
}

// Target is the VIP, and the backend when its list has the cursor.
func (p *VIPs) Target() Target {
	if p.open != "" {
		return p.backends.target()
	}
	return p.list.vip()
}

// Copy is the address under the cursor.
func (p *VIPs) Copy(v View) string {
	if t := p.Target(); t.Backend.IsValid() {
		return t.Backend.String()
	}
	return copyVIP(v, p.list.vip().VIP)
}

// vipsLeft is the width of the list where its backends stand beside it.
const vipsLeft = 50

// Draw is one of the two lists, or both where there is room.
func (p *VIPs) Draw(k Kit, v View, w, h int) []string {
	if wide(w, h) {
		right := w - vipsLeft - 2
		return widget.Beside(p.narrow(k, v, vipsLeft, h), vipsLeft, 2, p.backends.draw(k, v, right, h, p.open != ""), right, k.Glyphs)
	}
	if p.open != "" {
		return p.backends.draw(k, v, w, h, true)
	}
	return p.table(k, v, w, h)
}
