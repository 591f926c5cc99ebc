package app

import (
	"testing"

	"hairpin/engine"
	"hairpin/ui/action"
)

// TestGoBack: R ends the watch of a successor, and nothing else.
func TestGoBack(t *testing.T) {
	for _, row := range []struct {
		outcome engine.HandoffOutcome
		asked   int
		says    string
	}{
		{engine.HandoffGoesOn, 1, "step 6 of 7"},
		{engine.HandoffConfirmed, 0, "go back: no successor is watched"},
	} {
		d := open80(t, handedOver(row.outcome)(), isArmed)
		d.do(action.GoHandoff)
		d.press("R")
		d.has(row.says)
		asked := d.node.Handoffs()
		if len(asked) != row.asked || row.asked > 0 && !asked[0].Back {
			t.Errorf("%s: asked for %+v", row.outcome, asked)
		}
	}
}
