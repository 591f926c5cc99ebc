package app

import (
	"testing"
	"time"

	"hairpin/engine"
	"hairpin/engine/spec"
	"hairpin/ui/action"
	"hairpin/ui/uitest/fake"
)

// changed is a node on which change 2 of 3 drained a backend, and one event tells of it.
func changed(t *testing.T) (*driver, *spec.Spec) {
	t.Helper()
	s := fake.Busy()
	before, err := spec.SetWeight(s.Spec, "web", second, 55)
	if err != nil {
		t.Fatal(err)
	}
	s.Events = append(s.Events, engine.Event{Seq: 900, Time: s.Time, Severity: "audit", Who: "ops-3", What: "applied generation 41", Change: 2})
	d := open80(t, s, isArmed)
	noon := time.Date(2026, 8, 22, 12, 0, 0, 0, time.UTC)
	d.node.Keep(
		engine.Change{Number: 1, Time: noon, Who: "ops-1", Revision: "r40", Outcome: engine.ChangeConfirmed},
		engine.Change{Number: 2, Time: noon, Who: "ops-3", Why: "INC-7", Revision: "r41", Before: "r40", Outcome: engine.ChangeConfirmed, By: "ops-1",
			Text: []string{"~ vip web: weight"}},
		engine.Change{Number: 3, Time: noon, Who: "ops-2", Revision: "r42", Before: "r41", Outcome: engine.ChangeWentBack})
	d.node.KeepSpec(1, before)
	return d, before
}

// TestTakeBack: R on the event of a change stages what ran before it; applying that asks for the node's name.
func TestTakeBack(t *testing.T) {
	d, before := changed(t)
	d.do(action.GoEvents)
	d.press("R")
	d.has("staged, not live: back to before change 2")
	if len(d.node.Applied()) > 0 {
		t.Fatal("a single key changed the node")
	}
	d.press("A")
	d.has("what ran before comes back as a whole")
	d.press("tab", "enter")
	if len(d.node.Applied()) > 0 {
		t.Fatal("applied without the node's name")
	}
	d.text("lb-fra-07")
	d.press("enter")
	if a := d.node.Applied(); len(a) != 1 || !a[0].Spec.Equal(before) || a[0].Deadline != time.Minute {
		t.Errorf("%+v", a)
	}
}

// TestTakeBackSaysWhy: an event that is about no change, and a change that is not kept.
func TestTakeBackSaysWhy(t *testing.T) {
	d, _ := changed(t)
	d.do(action.GoEvents, action.Down)
	d.press("R")
	d.has("this event is about no change; H shows")
	d.do(action.Top)
	d.node.Keep()
	d.press("R")
	d.has("change 2 is not kept")
}

func TestHistoryShown(t *testing.T) {
	d, _ := changed(t)
	d.do(action.GoEvents)
	d.press("H")
	d.has("HISTORY OF lb-fra-07")
	d.has("#3 2026-08-22 12:00:00 ops-2, went back")
	d.has("#2 2026-08-22 12:00:00 ops-3, confirmed by ops-1: INC-7")
	d.has("~ vip web: weight")
}
