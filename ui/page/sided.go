package page

import (
	"strings"

	"hairpin/ui/action"
)

// Sided is a page that has a second column where there is room.
type Sided interface {
	// Right is the first cell of that column on a page of this size; 0 = there is none.
	Right(w, h int) int
	// Click is what a click on a line of that column means. lines are what it shows, from the top of the screen.
	Click(lines []string, y int) Side
	// OnRight tells whether that column has the cursor.
	OnRight() bool
}

// Side is what a click beside the first column means; the zero value is nothing.
type Side struct {
	Cursor bool   // the column has rows that take the cursor
	Go     *Place // open this
}

// Right is where the numbers of the whole node stand.
func (o *Overview) Right(w, h int) int {
	if !wide(w, h) {
		return 0
	}
	return w/2 + 6
}

// Click opens the screen of what stands there.
func (o *Overview) Click(lines []string, y int) Side {
	for ; y >= 0; y-- {
		for title, screen := range map[string]action.ID{"DROP REASON": action.GoChain, "STAGE": action.GoChain, "CLOSEST TO A LIMIT": action.GoLimits,
			"PROBLEMS": action.GoEvents, "EVENTS": action.GoEvents} {
			if strings.HasPrefix(strings.TrimLeft(lines[y], " "), title) {
				return Side{Go: &Place{Screen: screen}}
			}
		}
	}
	return Side{}
}

// Right is where the backends of the VIP under the cursor stand.
func (p *VIPs) Right(w, h int) int {
	if !wide(w, h) {
		return 0
	}
	return vipsLeft + 2
}

// Click takes the cursor there.
func (p *VIPs) Click([]string, int) Side { return Side{Cursor: true} }

// Right is where the stage under the cursor is told of.
func (p *Chain) Right(w, h int) int {
	if !wide(w, h) || p.open != "" {
		return 0
	}
	return chainLeft + 2
}

// Click opens that stage.
func (p *Chain) Click([]string, int) Side {
	name, ok := p.list.cursor.Row()
	if !ok {
		return Side{}
	}
	return Side{Go: &Place{Screen: action.GoChain, Stage: name}}
}

// Right is where the row under the cursor is told of.
func (p *plain) Right(w, h int) int {
	if !wide(w, h) {
		return 0
	}
	return plainLeft(w) + 2
}

// Click means nothing there.
func (p *plain) Click([]string, int) Side { return Side{} }

// OnRight is never so.
func (o *Overview) OnRight() bool { return false }

// OnRight is so while a VIP is open.
func (p *VIPs) OnRight() bool { return p.open != "" }

// OnRight is never so.
func (p *Chain) OnRight() bool { return false }

// OnRight is never so.
func (p *plain) OnRight() bool { return false }
