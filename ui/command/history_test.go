package command

import (
	"strings"
	"testing"

	"hairpin/engine"
)

// TestBeforeRunning: the way back passes by what sources of backends changed, to what ran before somebody's last change.
func TestBeforeRunning(t *testing.T) {
	changes := []engine.Change{
		{Number: 1, Revision: "a"},
		{Number: 2, Revision: "b", Before: "a"},
		{Number: 5, First: 3, Revision: "c", Before: "b"},
		{Number: 6, Revision: "d", Before: "c", Outcome: engine.ChangeWentBack},
		{Number: 7, First: 7, Revision: "e", Before: "c"},
	}
	if to, err := beforeRunning(changes, "e"); err != nil || to.Number != 1 {
		t.Errorf("%+v, %v", to, err)
	}
	if _, err := beforeRunning(changes[2:], "e"); err == nil {
		t.Error("there is a way back to what nobody keeps")
	}
	_, err := changeOf(changes, "4")
	if err == nil || !strings.Contains(err.Error(), "change 4 is one of 3 that sources of backends made one after another, of which only the last is kept; that is change 5") {
		t.Errorf("%v", err)
	}
}
