package app

import (
	"strings"
	"testing"

	"hairpin/engine"
	"hairpin/engine/spec"
	"hairpin/ui/action"
	"hairpin/ui/uitest/fake"
)

// TestStagedAcrossScreens: edits of backends, chains and limits are one list, whichever screen they are made on: every screen
// says how many there are, undo and redo walk through all of them, one preview says what all of them do and whom they hurt,
// and one change makes them live.
func TestStagedAcrossScreens(t *testing.T) {
	state := fake.Busy()
	state.NICs[0].Stages[0].Drop.PPS = 2100
	d := open80(t, state, isArmed)
	atBackend(d)
	d.press("D")
	d.press("2", "space")
	d.press("4", "e")
	d.text("30000")
	d.press("enter")
	for _, screen := range []action.ID{action.GoOverview, action.GoChain, action.GoVIPs, action.GoLimits, action.GoEvents, action.GoHandoff} {
		d.do(screen)
		d.pass(glance + 1) // what was said of the last one is gone
		d.has("staged 3, not live: syns limit per vip to 30000")
	}
	d.press("3", "u")
	d.has("taken back: syns limit per vip to 30000")
	d.press("9", "u")
	d.has("taken back: eth0 xdp syns disable")
	d.press("1", "U", "U")
	d.has("staged again: syns limit per vip to 30000")
	d.press("A")
	d.size(120, 60)
	for _, line := range []string{
		"web 10.1.1.12 drain", "eth0 xdp syns disable", "syns limit per vip to 30000", "17530 of 65537 slots move (minimum 16384)",
		"established connections stay where they are", "27% of the slots of web move",
		"syns on eth0 drops 2.10k packets a second, which get through from now on",
		"syns per vip api: 30000 would have refused about 3.70M of 21.7M",
		"type lb-fra-07 to go on", // more than one thing is touched
	} {
		d.has(line)
	}
	d.text("lb-fra-07")
	d.press("enter")
	applied := d.node.Applied()
	if len(applied) != 1 {
		t.Fatalf("%d changes", len(applied))
	}
	s := applied[0].Spec
	if b := s.VIP("web").Backend(second); b.State != spec.Drain || !s.NIC("eth0").XDP[0].Disabled || s.Maxima("syns")[0].Max != 30_000 {
		t.Errorf("%+v", s)
	}
	if want := "INC-1: web 10.1.1.12 drain; eth0 xdp syns disable; syns limit per vip to 30000"; applied[0].Why != want {
		t.Errorf("the audit trail says %q", applied[0].Why)
	}
	if d.m.staged.Len() != 0 {
		t.Error("what was applied is still staged")
	}
}

// TestStagedTargets: on every screen the target is what the cursor was on when the key was pressed, also when the rows have
// moved by the time the value is typed.
func TestStagedTargets(t *testing.T) {
	for _, c := range []struct {
		keys, value string
		moves       func(*engine.State)
		want        string
	}{
		{"3 enter j e", "7", func(s *engine.State) { s.VIPs[0].Backends = s.VIPs[0].Backends[2:] }, "web 10.1.1.12 weight 7"},
		{"4 e", "30000", func(s *engine.State) { s.Limits = s.Limits[1:] }, "syns limit per vip to 30000"},
		{"3 j enter e", "9", func(s *engine.State) { s.VIPs[0], s.VIPs[1] = s.VIPs[1], s.VIPs[0] }, "api 10.1.2.11 weight 9"},
	} {
		d := open80(t, fake.Busy(), isArmed)
		d.press(strings.Fields(c.keys)...)
		s := fake.Busy()
		c.moves(s)
		s.Armed = d.m.live.Armed
		d.show(s)
		d.text(c.value)
		d.press("enter")
		t.Run(c.keys, func(t *testing.T) { d.t = t; d.has(c.want) })
	}
}
