package app

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"hairpin/engine"
	"hairpin/ui/uitest/fake"
)

func TestEngineRefuses(t *testing.T) {
	d := open80(t, fake.Busy(), isArmed)
	atBackend(d)
	d.press("D")
	d.node.Refuse(errors.New("eth0: link has been severed"))
	d.press("A")
	d.has("APPLY: NOT POSSIBLE")
	d.has("plan: eth0: link has been severed")
	d.press("enter")
	d.node.Refuse(nil)
	d.press("A")
	d.node.Refuse(errors.New("eth0: link has been severed"))
	d.text("web")
	d.press("enter")
	d.has("APPLY: NOT DONE")
	d.has("apply: eth0: link has been severed")
	if d.m.staged.Len() != 1 {
		t.Error("what could not be applied stays staged")
	}
}

func TestItWentBack(t *testing.T) {
	d := open80(t, fake.Busy(), isArmed)
	s := fake.Busy()
	s.Generation.Fallbacks = 1
	d.show(s)
	d.has("WENT BACK")
	d.has("generation 41 by itself")
	for range 3 {
		d.press("enter", "esc", "D", "ctrl+c") // meant for what was there before
	}
	d.has("WENT BACK")
	d.now = d.now.Add(424 * time.Millisecond)
	d.press("enter")
	d.has("WENT BACK")
	d.now = d.now.Add(time.Millisecond)
	d.press("enter")
	d.hasNot("WENT BACK")
	d.pass(time.Second)
	d.hasNot("WENT BACK")
}

// TestItWentBackForOthers: who only looks on is told, and kept from nothing.
func TestItWentBackForOthers(t *testing.T) {
	d := open80(t, fake.Busy())
	s := fake.Busy()
	s.Generation.Fallbacks = 1
	s.Events = append(s.Events, engine.Event{Seq: 9000, Time: s.Time, Severity: "warn", Who: "kernel", What: "generation 42 was not confirmed in time: back to generation 41"})
	d.show(s)
	d.hasNot("WENT BACK")
	d.has("generation 42 was not confirmed in time")
	d.press("2")
	d.has("Chain")
}

func TestNoEngineNoChange(t *testing.T) {
	s := fake.Busy()
	s.Role, s.PID = engine.Pins, 0
	d := open80(t, s)
	d.has("WARN", "no engine")
	d.press("!")
	d.has("arm: no engine runs on this node")
}

// TestInsisting: what the engine refuses as unsafe is made for whoever read why and types the node's name.
func TestInsisting(t *testing.T) {
	d := open80(t, fake.Busy(), isArmed)
	atBackend(d)
	d.press("D", "A")
	d.node.Refuse(fmt.Errorf("%w: vip web: none is left", engine.ErrUnsafe))
	d.text("web")
	d.press("enter")
	d.has("APPLY: REFUSED")
	d.has("vip web: none is left")
	d.node.Refuse(nil)
	d.pass(deafness)
	d.press("enter") // the focus is on Cancel
	if len(d.node.Applied()) != 0 || d.m.staged.Len() != 1 {
		t.Fatal("it was applied, or is staged no more")
	}
	d.press("A")
	d.node.Refuse(engine.ErrUnsafe)
	d.text("web")
	d.press("enter")
	d.node.Refuse(nil)
	d.pass(deafness)
	d.text("lb-fra-07")
	d.press("enter")
	if a := d.node.Applied(); len(a) != 1 || !a[0].Force {
		t.Errorf("%+v", a)
	}
}
