package page

import (
	"fmt"
	"time"

	"hairpin/engine"
	"hairpin/ui/cause"
	"hairpin/ui/theme"
	"hairpin/ui/widget"
)

// usualTitle is the head of a column that compares with what is usual: of how long that is known.
func usualTitle(s *engine.State) string {
	switch over := s.UsualOver; {
	case over == 0, over > 23*time.Hour:
		return "vs 24h"
	case over >= time.Hour:
		return fmt.Sprintf("vs %dh", int(over/time.Hour))
	default:
		return fmt.Sprintf("vs %dm", int(over/time.Minute))
	}
}

// forwarding is how many times the usual a NIC forwards; a third of it, or three times, is worth a look.
func (k Kit) forwarding(s *engine.State, n engine.NIC) widget.Cell {
	if s.UsualOver == 0 || n.Usual < 1 {
		return k.cell(theme.Dim, "-")
	}
	if n.Forward.PPS < n.Usual/3 || n.Forward.PPS > n.Usual*3 {
		return k.cell(theme.Warn, widget.Factor(n.Forward.PPS, n.Usual))
	}
	return k.cell(theme.Text, widget.Factor(n.Forward.PPS, n.Usual))
}

// unusual is how many times the usual a reason drops, or that it is new here.
func (k Kit) unusual(s *engine.State, r engine.Reason) widget.Cell {
	switch {
	case s.UsualOver == 0 || r.PPS == 0:
		return k.cell(theme.Dim, "-")
	case cause.New(s, r):
		return k.cell(theme.Warn, "new")
	case r.Usual == 0:
		return k.cell(theme.Text, "rare")
	case cause.Above(r, r.PPS):
		return k.cell(theme.Warn, widget.Factor(r.PPS, r.Usual))
	}
	return k.cell(theme.Text, widget.Factor(r.PPS, r.Usual))
}
