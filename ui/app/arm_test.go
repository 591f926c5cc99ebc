package app

import (
	"errors"
	"testing"
	"time"

	"hairpin/engine"
	"hairpin/ui/action"
	"hairpin/ui/uitest/fake"
)

// otherArmed is a busy node on which somebody else is armed.
func otherArmed() *engine.State {
	s := fake.Busy()
	s.Role = engine.Observer
	s.Armed = &engine.Armed{Party: 9, Who: "eve", From: "198.51.100.60", Why: "INC-4412", Since: s.Time.Add(-228 * time.Second), Until: s.Time.Add(372 * time.Second)}
	return s
}

// TestAnotherIsArmed: everybody sees who may change the node, and why it is not this console.
func TestAnotherIsArmed(t *testing.T) {
	s := otherArmed()
	d := open80(t, s)
	d.has("eve armed 06:12")
	d.press("!")
	d.has("arm: armed is eve from 198.51.100.60: INC-4412, 06:12 left")
	atBackend(d)
	d.press("D")
	d.has("drain: armed is eve from 198.51.100.60: INC-4412, 06:12 left")
	if d.m.staged.Len() > 0 {
		t.Error("it was staged")
	}
	d.size(140, 30)
	d.do(action.GoOverview)
	d.has("armed: eve from 198.51.100.60: INC-4412, 06:12 left")
	d.pass(13 * time.Second)
	d.has("eve armed 05:59")
	d.pass(6 * time.Minute)
	d.has("read-only")
	d.hasNot("eve armed")

	mine := otherArmed()
	mine.Armed.Who = "ops-3"
	d = open80(t, mine)
	d.size(160, 30)
	d.press("!")
	d.has(`arm: armed elsewhere as ops-3 from 198.51.100.60: INC-4412, 06:12 left; "hairpin disarm" ends that`)
}

// TestConfirmUnarmed: whoever sits there keeps a change, also while another is armed.
func TestConfirmUnarmed(t *testing.T) {
	s := otherArmed()
	s.Generation.Deadline = s.Time.Add(20 * time.Second)
	d := open80(t, s)
	d.press("C")
	if by := d.node.Confirmed(); len(by) != 1 {
		t.Errorf("confirmed by %v", by)
	}
}

// TestBarred: one who may not change the node at all is told so before he tries.
func TestBarred(t *testing.T) {
	s := fake.Busy()
	s.Barred = "only root and the group hairpin may, this is eve (uid 1004)"
	s.Generation.Deadline = s.Time.Add(20 * time.Second)
	d := open80(t, s)
	for _, key := range []string{"!", "C"} {
		d.press(key)
		d.has(s.Barred)
	}
	if len(d.m.stack) > 0 || len(d.node.Confirmed()) > 0 {
		t.Error("it goes on")
	}
}

// TestArmsAreLost: what the engine takes back is gone from the console, which says so once; what is staged stays.
func TestArmsAreLost(t *testing.T) {
	for _, row := range []struct {
		name string
		lose func(*driver)
		says string
	}{
		{"time", func(d *driver) { d.pass(10 * time.Minute) }, "ten minutes are over: read-only again; what is staged stays staged"},
		{"taken back", func(d *driver) { _ = d.node.Disarm(t.Context()); d.show(d.node.State()) }, "not armed any more, Events says why: read-only again"},
		{"no engine", func(d *driver) {
			_ = d.node.Disarm(t.Context())
			s := *d.node.State()
			s.PID = 0
			d.show(&s)
		}, "the engine is gone: read-only again"},
	} {
		d := open80(t, fake.Busy(), isArmed)
		atBackend(d)
		d.press("D")
		d.has("ARMED")
		row.lose(d)
		d.has(row.says)
		d.hasNot("ARMED")
		if d.m.staged.Len() != 1 {
			t.Errorf("%s: %d edits are staged", row.name, d.m.staged.Len())
		}
		d.press("j")
		d.pass(time.Second)
		d.hasNot("read-only again")
	}
}

// TestArmRefused: two consoles arm at once, and this one was second.
func TestArmRefused(t *testing.T) {
	d := open80(t, fake.Busy())
	d.press("!")
	d.text("INC-1")
	d.node.Refuse(errors.New("refused: arm: eve is armed from 198.51.100.60 since 03:07:40 until 03:17:40: INC-4412; ask them to disarm, or wait"))
	d.press("enter")
	d.has("ARM: NOT DONE")
	d.has("eve is armed from 198.51.100.60")
	d.has("ask them to disarm")
	d.hasNot("ARMED")
}
