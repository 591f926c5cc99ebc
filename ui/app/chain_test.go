package app

import (
	"strings"
	"testing"
	"time"

	"hairpin/engine"
	"hairpin/engine/spec"
	"hairpin/ui/action"
	"hairpin/ui/uitest/fake"
)

// TestChainKeys: each key stages what it says, on the stage that it was pressed on.
func TestChainKeys(t *testing.T) {
	for _, c := range []struct{ keys, want string }{
		{"space", "staged, not live: eth0 xdp syns disable"},
		{"space space", "as it runs now: nothing is staged"},
		{"j S", "staged, not live: eth0 xdp burst end shadow"},
		{"S", "staged, not live: eth0 xdp syns shadow"},
		{"J", "staged, not live: eth0 xdp syns move to 2"},
		{"J K", "as it runs now: nothing is staged"},
		{"K", "sooner: syns is at the end of its chain"},
		{"J J", "no packet gets behind the balancer"}, // the order is checked when it is staged
		{"j j S", "balancer drops nothing that it"},
		{"x", "staged, not live: eth0 xdp syns remove"},
		{"x x", "as it runs now: nothing is staged"},
		{"j x space", "as it runs now: nothing is staged"},
		{"x S", "shadow: syns is staged to be removed; x puts it back"},
		{"x o", "the spec has: syns (ratelimit)"},
		{"x o s y n s enter", "as it runs now: nothing is staged"},
		{"o n o enter", "stage \"no\" is not known"},
		{"o", "every stage of the spec stands here already"},
		{"j j j j space", "staged, not live: eth1 xdp burst enable"},
		{"space u", "taken back: eth0 xdp syns disable"},
		{"space u U", "staged again: eth0 xdp syns disable"},
	} {
		d := open80(t, fake.Busy(), isArmed)
		d.press("2")
		d.press(strings.Fields(c.keys)...)
		t.Run(c.keys, func(t *testing.T) { d.t = t; d.has(c.want) })
		if len(d.node.Applied()) > 0 {
			t.Errorf("%s changed the node", c.keys)
		}
	}
}

// TestChainByName: the palette stages on the stage that is named, wherever the cursor is, also when a filter hides it.
func TestChainByName(t *testing.T) {
	for _, c := range []struct{ typed, want string }{
		{"chain.shadow syns", "staged, not live: eth0 xdp syns shadow"},
		{"chain.toggle burst", "staged, not live: eth0 xdp burst disable"}, // eth1 has one too, the cursor is on eth0
		{"chain.toggle eth1 xdp burst", "staged, not live: eth1 xdp burst enable"},
		{"chain.sooner burst", "staged, not live: eth0 xdp burst move to 1"},
		{"chain.remove burst", "staged, not live: eth0 xdp burst remove"},
		{"chain.toggle synz", "no chain has synz, did you mean syns?"},
		{"chain.toggle eth9 syns", "no chain has eth9 syns"},
	} {
		d := open80(t, fake.Busy(), isArmed)
		d.press("2")
		d.byName(c.typed)
		t.Run(c.typed, func(t *testing.T) { d.t = t; d.has(c.want) })
	}
	d := open80(t, fake.Busy(), isArmed)
	d.press("2", "/")
	d.text("nothing")
	d.press("enter")
	d.byName("chain.toggle syns")
	d.has("staged, not live: eth0 xdp syns disable")
	d.byName("chain.remove syns")
	d.byName("chain.remove syns")
	d.has("as it runs now: nothing is staged")
	d.press("/", "ctrl+u", "enter", "G")
	d.byName("chain.toggle burst")
	d.has("staged, not live: eth1 xdp burst enable")
	d = open80(t, fake.Busy())
	d.press("2")
	d.byName("chain.toggle syns")
	d.has("read-only: ! arms")
}

// TestChainChange is the whole way of one change of a chain: it shares the staged list with the backends' edits.
func TestChainChange(t *testing.T) {
	d := open80(t, fake.Busy(), isArmed)
	atBackend(d)
	d.do(action.Heavier)
	d.press("2", "j", "x")
	d.has("eth0", "shadow", "burst", "- remove")
	d.has("STAGED 2, not live")
	d.press("A")
	d.has("web 10.1.1.12 weight")
	d.has("eth0 xdp burst remove")
	d.text("web")
	d.press("enter")
	applied := d.node.Applied()
	if len(applied) != 1 || len(applied[0].Spec.NIC("eth0").XDP) != 2 || applied[0].Deadline != time.Minute {
		t.Fatalf("%+v", applied)
	}
	d.has("syns")
	d.hasNot("- remove")
	d.press("C")
	d.has("generation 42 is confirmed: it stays")
}

// TestBalancerAndShadowAskForTheName: what changes traffic at once is not done by a button alone.
func TestBalancerAndShadowAskForTheName(t *testing.T) {
	for _, c := range []struct{ keys, why, name string }{
		{"G x", "eth1 loses its balancer", "type eth1"},
		{"j S", "burst on eth0 would drop 45 packets a second from now on", "type burst"},
	} {
		d := open80(t, fake.Busy(), isArmed)
		d.press("2")
		d.press(strings.Fields(c.keys)...)
		d.press("A")
		d.has(c.why)
		d.has(c.name)
	}
	d := open80(t, fake.Busy(), isArmed)
	d.press("2", "space", "A")
	d.hasNot("type ")
}

// TestLimitKeys: steps, numbers, and what a lower limit would have refused.
func TestLimitKeys(t *testing.T) {
	for _, c := range []struct{ keys, want string }{
		{"-", "staged, not live: syns limit per vip to 39000"},
		{"- +", "as it runs now: nothing is staged"},
		{"- -", "-> 38.0k"},
		{"e 3 0 0 0 0 enter", "a limit of 30000 would have refused about 3.70M of 21.7M"},
		{"e x enter", "\"x\" is no number"},
		{"e 0 enter", "0 is not within 1 to"},
		{"j j j -", "staged, not live: syns limit per source to 490"}, // on a source: the limit of all of them
		{"G -", "staged, not live: burst limit per nic to 89000"},
		{"enter", "open: there is nothing to open"},
	} {
		d := open80(t, fake.Busy(), isArmed)
		d.press("4")
		d.press(strings.Fields(c.keys)...)
		t.Run(c.keys, func(t *testing.T) { d.t = t; d.has(c.want) })
	}
}

// TestFilteredAway: what a filter hides is no target.
func TestFilteredAway(t *testing.T) {
	d := open80(t, fake.Busy(), isArmed)
	d.press("4", "j", "/")
	d.text("source")
	d.press("enter", "-")
	d.has("lower: no limit is under the cursor")
	d.press("2", "j", "/")
	d.text("nic=eth1")
	d.press("enter", "space")
	d.has("on/off: no stage is under the cursor")
}

// TestLimitBelowWhatFlows asks for the name of the stage; one that is only lower does not.
func TestLimitBelowWhatFlows(t *testing.T) {
	d := open80(t, fake.Busy(), isArmed)
	d.press("4", "e")
	d.text("36000")
	d.press("enter", "A")
	d.has("syns on eth0 per vip web: 36000 is below the 36.1k that flow now")
	d.has("type syns")
	d = open80(t, fake.Busy(), isArmed)
	d.press("4", "-", "A")
	d.has("Apply 1 edit")
	d.hasNot("type ")
}

// TestCostsAreMeasuredWhileLookedAt: the engine is asked while the screen that shows them is open, and only then.
func TestCostsAreMeasuredWhileLookedAt(t *testing.T) {
	d := open80(t, fake.Busy())
	for range 5 {
		d.pass(time.Second)
	}
	if n := d.node.Watched(); n != 0 {
		t.Errorf("asked %d times while nobody looks", n)
	}
	d.press("2")
	for range 10 {
		d.pass(time.Second)
	}
	if n := d.node.Watched(); n != 5 {
		t.Errorf("asked %d times in ten seconds", n)
	}
	d.press("1")
	d.pass(3 * time.Second)
	if n := d.node.Watched(); n != 5 {
		t.Errorf("asked %d times after the screen was left", n)
	}
}

// TestChainWithoutSpec: what the kernel runs is shown, and nothing of it can be edited.
func TestChainWithoutSpec(t *testing.T) {
	s := fake.Busy()
	s.Spec, s.Role = nil, engine.Pins
	d := open80(t, s, isArmed)
	d.press("2", "space")
	d.has("eth1", "off", "burst")
	d.has("on/off: no engine runs on this node")
	d.press("4", "e")
	d.has("edit: no engine runs on this node")
}

// TestChainAfterChange: the cursor stays on its stage when the chain is another, and says so when it is gone.
func TestChainAfterChange(t *testing.T) {
	d := open80(t, fake.Busy(), isArmed)
	d.press("2", "j")
	s := fake.Busy()
	s.Spec.NICs[0].XDP = []spec.Position{{Name: "burst"}, {Name: "syns"}, {Name: "balancer"}}
	d.show(s)
	d.has(">eth0", "burst")
	d.press("enter")
	d.has("Chain > eth0 > xdp > burst")
	s = fake.Busy()
	s.Spec.NICs[0].XDP = spec.Stands(spec.Balancer)
	d.show(s)
	d.has("eth0 xdp burst is not in any chain any more")
	d.press("x")
	d.has("no stage is under the cursor")
	d.press("q")
	d.has("balancer")
}
