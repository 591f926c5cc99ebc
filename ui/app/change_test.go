package app

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"hairpin/engine/spec"
	"hairpin/ui/action"
	"hairpin/ui/uitest/fake"
)

var second = netip.MustParseAddr("10.1.1.12")

// atBackend opens the second backend of web.
func atBackend(d *driver) { d.do(action.GoVIPs, action.Open, action.Down) }

// TestDrain is the whole way of one change: arm, stage, preview, type the name, apply, confirm.
func TestDrain(t *testing.T) {
	d := open80(t, fake.Busy())
	atBackend(d)
	d.press("D")
	d.has("drain: read-only: ! arms")
	d.press("!")
	d.has("ARM lb-fra-07")
	d.press("enter")
	d.has("a reason is needed")
	d.text("INC-7 disk")
	d.press("enter")
	d.has("ARMED 10:00")
	d.press("D")
	d.has("10.1.1.12", "up", "-> drain")
	d.has("staged, not live: web 10.1.1.12 drain")
	if len(d.node.Applied()) > 0 {
		t.Fatal("a single key changed the node")
	}
	d.press("A")
	d.has("APPLY TO lb-fra-07")
	d.has("17530 of 65537 slots move", "minimum 16384")
	d.has("27% of the slots of web move")
	d.has("[ Cancel ]", "Apply 1 edit")
	d.text("web")
	d.press("enter")
	d.has("gen 42", "CONFIRM 01:00")
	d.has("generation 42 goes back to generation 41 in 01:00; C keeps it")
	d.has("10.1.1.12", "draining")
	d.pass(18 * time.Second)
	d.has("CONFIRM 00:42")
	d.press("C")
	d.has("generation 42 is confirmed: it stays")
	d.has("pending: none")

	if n := d.node.Applied(); len(n) != 1 {
		t.Fatalf("applied %d times", len(n))
	}
	r := d.node.Applied()[0]
	if r.Who != "ops-3" || r.Why != "INC-7 disk: web 10.1.1.12 drain" || r.Deadline != time.Minute || r.Revision != "r41-7c1f" {
		t.Errorf("%+v", r)
	}
	if b := r.Spec.VIP("web").Backend(second); b.State != spec.Drain {
		t.Errorf("applied %+v", b)
	}
	if who := d.node.Confirmed(); len(who) != 1 || who[0] != "ops-3" {
		t.Errorf("confirmed by %v", who)
	}
	if d.m.staged.Len() != 0 {
		t.Error("what was applied is staged still")
	}
}

func TestSmallChangeNeedsNoName(t *testing.T) {
	d := open80(t, fake.Busy(), isArmed)
	atBackend(d)
	d.press("e")
	d.has("WEIGHT OF 10.1.1.12 IN web")
	d.text("99")
	d.press("enter")
	d.has("-> weight 99")
	d.press("A")
	d.hasNot("type web")
	d.press("enter") // the focus is on Cancel
	if len(d.node.Applied()) > 0 {
		t.Fatal("enter at once applied")
	}
	d.press("A", "tab", "enter")
	if len(d.node.Applied()) != 1 {
		t.Error("not applied")
	}
}

func TestEdits(t *testing.T) {
	for _, c := range []struct {
		keys string
		want string // the second backend's staged column, or what the last line says
	}{
		{"+", "-> weight 110"},
		{"+ + -", "-> weight 110"},
		{"-", "-> weight 95"},
		{"+ -", "as it runs now: nothing is staged"},
		{"D", "-> drain"},
		{"D D", "as it runs now: nothing is staged"},
		{"D +", "-> drain, 110"},
		{"D + u", "-> drain"},
		{"D + u U", "-> drain, 110"},
		{"D u u", "undo: nothing is staged"},
		{"U", "redo: nothing was undone"},
		{"space", "-> down"},
		{"space space", "as it runs now: nothing is staged"},
		{"M", "-> maintenance"},
		{"x", "remove"},
		{"x +", "10.1.1.12 is not in the spec of web any more"},
		{"e 5 0 enter", "-> weight 50"},
		{"e 7 0 0 0 0 enter", "a weight is a number from 0 to 65535"},
		{"e esc", "10.1.1.12     up"},
		{"a 1 0 . 1 . 1 . 2 0 enter", "+ add"},
		{"o 1 0 . 1 . 1 . 2 0 space 7 enter", "10.1.1.20 add, weight 7"},
		{"a n o n e enter", `"none" is no address`},
		{"a 1 0 . 1 . 1 . 1 2 enter", "it is there already"},
		{"A", "apply: nothing is staged"},
		{"C", "confirm: nothing waits for confirmation"},
	} {
		d := open80(t, fake.Busy(), isArmed)
		atBackend(d)
		d.press(strings.Fields(c.keys)...)
		t.Run(c.keys, func(t *testing.T) { d.t = t; d.has(c.want) })
		if len(d.node.Applied()) > 0 {
			t.Errorf("%s changed the node", c.keys)
		}
	}
}

func TestEmptyingAVIPAsksForItsName(t *testing.T) {
	d := open80(t, fake.Busy(), isArmed)
	d.do(action.GoVIPs, action.Bottom, action.Open) // echo, with two backends
	d.do(action.Drain, action.Down, action.Remove, action.Apply)
	d.has("echo loses its last backend: all of its packets will be dropped")
	d.has("type echo")
}

func TestTwoVIPsAskForTheNode(t *testing.T) {
	d := open80(t, fake.Busy(), isArmed)
	d.do(action.GoVIPs, action.Open, action.Drain, action.Back, action.Down, action.Open, action.Drain, action.Apply)
	d.has("type lb-fra-07")
	d.text("web")
	d.press("enter")
	d.has(`that is not "lb-fra-07"`)
}

func TestReadOnlyRefusesEverythingDangerous(t *testing.T) {
	for _, preset := range []string{"classic", "vim", "emacs"} {
		s := fake.Busy()
		s.Generation.Deadline = s.Time.Add(time.Minute)
		d := open80(t, s, withKeymap(preset))
		for _, a := range action.All() {
			if !a.Arms {
				continue
			}
			scope := openScope(t, d, a.Scope)
			d.do(a.ID)
			d.has(a.Title + ": read-only: ! arms")
			for _, keys := range d.m.keys.Keys(scope, a.ID) {
				d.m.flash = flash{}
				d.press(strings.Fields(keys)...)
				d.has(a.Title + ": read-only: ! arms")
			}
		}
		if d.m.staged.Len() > 0 || len(d.node.Applied())+len(d.node.Confirmed())+len(d.node.Detached()) > 0 {
			t.Errorf("%s: something got through", preset)
		}
	}
}

// openScope goes to a screen on which actions of a scope can be meant.
func openScope(t *testing.T, d *driver, scope action.Scope) action.Scope {
	t.Helper()
	switch scope {
	case action.Global, action.Backends:
		atBackend(d)
		return action.Backends
	case action.Chain:
		d.do(action.GoChain)
	case action.Limits:
		d.do(action.GoLimits)
	case action.Events:
		d.do(action.GoEvents)
	case action.Handoff:
		d.do(action.GoHandoff)
	case action.Trace:
		d.do(action.GoTrace)
	case action.Connections:
		d.do(action.GoConnections)
	case action.Capture:
		d.do(action.GoCapture)
	default:
		t.Fatalf("no screen is opened for %s", scope)
	}
	return scope
}

func TestEveryActionIsReachableInEveryPreset(t *testing.T) {
	for _, preset := range []string{"classic", "vim", "emacs"} {
		for _, a := range action.All() {
			d := open80(t, fake.Busy(), withKeymap(preset), isArmed)
			scope := openScope(t, d, a.Scope)
			keys := d.m.keys.Keys(scope, a.ID)
			for _, k := range keys {
				if id, _ := d.m.keys.Lookup(scope, strings.Fields(k)); id != a.ID {
					t.Errorf("%s: %s leads to %s, not %s", preset, k, id, a.ID)
				}
				for _, key := range strings.Fields(k) {
					keyMsg(t, key) // a terminal sends it
				}
			}
			if a.ID == action.Palette {
				if len(keys) == 0 {
					t.Errorf("%s: no key opens the palette", preset)
				}
				continue
			}
			d.do(action.Palette)
			d.text(string(a.ID))
			d.has("> " + string(a.ID))
		}
	}
}

func TestArmingEnds(t *testing.T) {
	d := open80(t, fake.Busy(), isArmed)
	atBackend(d)
	d.press("D")
	d.pass(10*time.Minute - time.Second)
	d.has("ARMED 00:01")
	d.pass(time.Second)
	d.has("read-only")
	d.has("ten minutes are over: read-only again; what is staged stays staged")
	d.press("A")
	d.has("apply: read-only: ! arms")
	d.press("!")
	d.text("again")
	d.press("enter", "A")
	d.has("web 10.1.1.12 drain")
	d.press("esc", "!")
	d.has("read-only again; what is staged stays staged")
}

func TestArmingEndsWhileThePreviewIsOpen(t *testing.T) {
	d := open80(t, fake.Busy(), isArmed)
	atBackend(d)
	d.press("D", "A")
	d.pass(11 * time.Minute)
	d.text("web")
	d.press("enter")
	d.has("apply: read-only: ! arms")
	if len(d.node.Applied()) > 0 {
		t.Error("applied after the arming was over")
	}
}

func TestWhoMayApplyMayConfirm(t *testing.T) {
	d := open80(t, fake.Busy(), isArmed)
	atBackend(d)
	d.press("D", "A")
	d.now = d.now.Add(10*time.Minute - 5*time.Second)
	s := *d.node.State()
	s.Time = d.now
	d.show(&s)
	d.text("web")
	d.press("enter")
	d.pass(30 * time.Second)
	d.press("C")
	if len(d.node.Confirmed()) != 1 {
		t.Errorf("not confirmed:\n%s", d.screen().Text())
	}
}

func TestTheWorldMoves(t *testing.T) {
	d := open80(t, fake.Busy(), isArmed)
	atBackend(d)
	d.press("D", "A")
	other := fake.Busy()
	other.Revision = "r42-else"
	d.show(other)
	d.text("web")
	d.press("enter")
	d.has("APPLY: NOT DONE")
	d.has("the plan was made for r41-7c1f")
	d.pass(time.Second)
	d.press("enter")
	d.has("staged 1, not live: web 10.1.1.12 drain")

	gone, err := spec.RemoveBackend(other.Spec, "web", second)
	if err != nil {
		t.Fatal(err)
	}
	without := fake.Busy()
	without.Spec = gone
	without.VIPs[0].Backends = append(without.VIPs[0].Backends[:1:1], without.VIPs[0].Backends[2:]...)
	d.show(without)
	d.has("no longer staged", "web has no backend 10.1.1.12")
	if d.m.staged.Len() != 0 {
		t.Error("an edit that cannot be made is staged still")
	}
	d.press("x")
	d.has("remove: no backend is under the cursor") // and not its neighbour
}

func TestTheTargetIsTakenAtTheKey(t *testing.T) {
	d := open80(t, fake.Busy(), isArmed)
	atBackend(d)
	d.press("e") // the dialog names 10.1.1.12
	s := fake.Busy()
	list := s.VIPs[0].Backends
	list[0], list[1] = list[1], list[0]
	d.show(s)
	d.text("7")
	d.press("enter")
	if got := d.m.staged.Edits()[0].String(); got != "web 10.1.1.12 weight 7" {
		t.Errorf("staged %s", got)
	}
}

// TestApplyToFleet: an edit at a node of a fleet is one of all nodes, which the preview says, and when the store is away.
func TestApplyToFleet(t *testing.T) {
	for _, reached := range []bool{true, false} {
		s := fake.Fleeted()
		s.Fleet.Reached = reached
		d := open80(t, s)
		atBackend(d)
		d.press("!")
		d.text("INC-7")
		d.press("enter")
		d.press("D")
		d.press("A")
		d.has("APPLY TO THE FLEET")
		d.hasNot("goes back by itself after")
		if reached {
			d.has("it becomes revision 13, of all nodes of the fleet")
		} else {
			d.has("the store is away, so that it will be refused")
		}
	}
}
