package app

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"hairpin/engine"
	"hairpin/ui/action"
	"hairpin/ui/feed"
	"hairpin/ui/term"
	"hairpin/ui/uitest/fake"
)

// TestKeysReadTogether: "jjj" in one message is three keys.
func TestKeysReadTogether(t *testing.T) {
	d := open80(t, fake.Busy())
	d.do(action.GoVIPs, action.Open)
	d.send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("jjj")})
	d.has(">10.1.1.14")
	d.send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("qq")})
	d.has("1 Overview")
	d.has("NIC", "CHAIN")
}

func TestPastedTextIsNotKeys(t *testing.T) {
	d := open80(t, fake.Busy(), isArmed)
	atBackend(d)
	d.send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("xDA"), Paste: true})
	d.has("pasted text is not taken for keys")
	if d.m.staged.Len() > 0 {
		t.Error("a paste staged something")
	}
	d.press("a")
	d.send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("10.1.1.15\n40"), Paste: true})
	d.has("> 10.1.1.15 40")
}

// TestStalledEngine: an engine that does not answer stops nothing on the screen, and its late answer finds nobody.
func TestStalledEngine(t *testing.T) {
	d := open80(t, fake.Busy(), isArmed)
	atBackend(d)
	d.press("D")
	release := d.node.Hang()
	defer release()
	d.hold = true
	d.press("A") // the command is kept: nobody answers
	plan := d.held[0]
	d.held, d.hold = nil, false
	d.has("asking the engine what this would do")
	d.pass(3 * time.Second)
	d.has("planning 3s")
	d.press("esc")
	d.hasNot("APPLY")
	d.press("k")
	d.has(">10.1.1.11")

	d.hold = true
	d.press("A") // a second request
	again := d.held[0]
	d.held, d.hold = nil, false
	release()
	d.send(plan()) // the first answer, late
	d.has("asking the engine what this would do")
	d.send(again())
	d.has("APPLY TO lb-fra-07")
	d.press("esc")
	d.send(again()) // nobody waits any more
	d.hasNot("APPLY TO")
}

func TestOneRequestAtATime(t *testing.T) {
	d := open80(t, fake.Busy(), isArmed)
	atBackend(d)
	d.press("D", "A")
	d.text("web")
	d.hold = true
	d.press("enter")
	apply := d.held[0]
	d.held, d.hold = nil, false
	d.pass(2 * time.Second)
	d.has("applying 2s")
	d.press("x")
	d.has("remove: applying is under way")
	d.press("C")
	d.has("confirm: applying is under way")
	d.send(apply())
	d.has("CONFIRM")
}

func TestQuit(t *testing.T) {
	d := open80(t, fake.Busy())
	d.press("esc")
	if len(d.m.stack) > 0 || d.quit {
		t.Fatal("esc quits")
	}
	d.press("q")
	d.has("QUIT")
	d.has("[ Leave it running ]")
	d.press("esc")
	d.hasNot("QUIT")
	d.press("q", "enter")
	if !d.quit || len(d.node.Detached()) > 0 {
		t.Errorf("quit %v, detached by %v", d.quit, d.node.Detached())
	}
	d = open80(t, fake.Busy())
	d.press("3", "enter", "ctrl+c")
	d.has("QUIT")
	d.press("ctrl+c")
	if !d.quit {
		t.Error("ctrl+c twice does not quit")
	}
}

func TestQuitSaysWhatIsLost(t *testing.T) {
	s := fake.Busy()
	s.Generation = engine.Generation{Active: 42, Confirmed: 41, Deadline: s.Time.Add(30 * time.Second)}
	d := open80(t, s, isArmed)
	atBackend(d)
	d.press("D")
	d.do(action.Quit)
	d.has("1 staged edit will be lost")
	d.has("generation 42 is not confirmed: it goes back by itself in 00:30")
}

func TestDetach(t *testing.T) {
	d := open80(t, fake.Busy())
	d.press("q", "tab", "enter")
	d.has("read-only: ! arms")
	d.press("esc")
	d = open80(t, fake.Busy(), isArmed)
	d.press("q", "tab", "enter")
	d.has("DETACH lb-fra-07")
	d.press("tab", "enter")
	d.has(`that is not "lb-fra-07"`)
	d.text("lb-fra-07")
	d.press("enter")
	if who := d.node.Detached(); len(who) != 1 || who[0] != "ops-3" || !d.quit {
		t.Errorf("detached by %v, quit %v", who, d.quit)
	}
	d = open80(t, fake.Busy(), isArmed)
	d.do(action.Detach)
	d.text("lb-fra-07")
	d.press("enter")
	d.has("everything of hairpin's is detached")
	d.has("nothing is attached to this node")
	if d.quit {
		t.Error("detaching by the palette quits")
	}
}

func TestPauseHoldsThePicture(t *testing.T) {
	d := open80(t, fake.Busy())
	d.press("p")
	d.now = d.now.Add(90 * time.Second)
	s := fake.Incident()
	s.Time = d.now
	d.show(s)
	d.has("OK", "PAUSED at 03:07:41")
	d.hasNot("no_backend")
	d.press("p")
	d.has("CRIT", "LIVE 03:09:11")
	d.has("no_backend")
	d.press("F")
	d.has("live: it is live")
}

func TestStaleIsSaid(t *testing.T) {
	d := open80(t, fake.Busy())
	d.pass(4 * time.Second)
	d.has("OK", "LIVE")
	d.pass(time.Second)
	d.has("WARN", "STALE 5s")
	d.has("no news from the engine: these numbers are old for 5s")
}

func TestFilterAndEsc(t *testing.T) {
	d := open80(t, fake.Incident())
	d.do(action.GoVIPs, action.Open)
	d.press("/")
	d.text("state=down")
	d.hasNot("10.1.1.11")
	d.press("enter")
	d.has("/state=down")
	d.press("j")
	d.has(">10.1.1.14")
	d.press("/", "esc")
	d.has("/state=down") // giving up leaves what was
	d.press("esc")
	d.has("10.1.1.11")
	d.hasNot("/state=down")
	d.press("/")
	d.text("nothing like it")
	d.has(`none of 4 matches "nothing like it"`)
}

func TestPaletteTakesArguments(t *testing.T) {
	d := open80(t, fake.Busy(), isArmed)
	atBackend(d)
	d.press(":")
	d.text("backend.weight 5")
	d.press("enter")
	d.has("10.1.1.12", "-> weight 5")
	d.press(":")
	d.text("weight x")
	d.press("enter")
	d.has("weight x: a weight is a number")
	d.press(":")
	d.text("filter 1.14")
	d.press("enter")
	d.hasNot("10.1.1.11")
	d.press("ctrl+p")
	d.text("node.detach")
	d.press("enter")
	d.has("DETACH lb-fra-07")
}

func TestTrail(t *testing.T) {
	d := open80(t, fake.Busy())
	d.press("[")
	d.has("there is no other view yet")
	d.press("3", "j", "enter", "9")
	d.has("Events > 3")
	d.press("[")
	d.has("VIPs > api")
	d.press("[", "[")
	d.has("NIC", "CHAIN")
	d.press("]", "]")
	d.has("VIPs > api")
	d.press("9", "-")
	d.has("VIPs > api")
	d.do(action.Last)
	d.has("Events > 3")
}

func TestUnknownKeys(t *testing.T) {
	d := open80(t, fake.Busy())
	d.press("w")
	d.has("w means nothing here; ? lists the keys")
	d.press("j")
	d.hasNot("means nothing")
}

func TestChords(t *testing.T) {
	d := open80(t, fake.Busy(), isArmed, withKeymap("vim"))
	atBackend(d)
	d.press("d")
	d.has("d and then?")
	d.hasNot("remove")
	d.send(d.late[len(d.late)-1]) // 300 ms later
	d.has("d", "remove")
	d.has("r", "drain")
	d.press("d")
	d.has("staged, not live: web 10.1.1.12 remove")
	d.press("u", "d", "esc")
	d.hasNot("and then?")
	d.press("d", "q")
	d.has("d q means nothing here")
	d.press("d")
	stale := d.late[len(d.late)-1]
	d.press("r", "d")
	d.send(stale)
	if d.m.chord.shown {
		t.Error("the popup of a chord that is over opened")
	}
	d.press("ctrl+c")
	d.has("QUIT")
}

func TestGlyphsAwaitTheTerminal(t *testing.T) {
	d := open80(t, fake.Busy(), func(o *Options) { o.KnowsGlyphs = false })
	d.hasNot("█")
	d.send(term.ProbedMsg{UTF8: false})
	d.hasNot("█")
	d.send(term.ProbedMsg{UTF8: true})
	d.has("█")
}

func TestBadConfigurationIsSaid(t *testing.T) {
	d := open80(t, fake.Busy(), func(o *Options) {
		text := "schema = 1\n[global]\n\"ctrl+i\" = \"list.up\"\nn = \"list.fly\"\n"
		if err := os.WriteFile(filepath.Join(o.Config, "keymap.toml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		o.Theme = "no-such-theme"
	})
	d.has("skipped 3 things in the configuration (? lists them): theme: no theme is calle")
	d.press("?")
	d.has("SKIPPED IN CONFIGURATION")
	d.has("keymap.toml:3: ctrl+i:") // the rest is wrapped, by the length of the folder's name
	d.has("the key stays as it was")
	d.has(`"list.fly"`)
}

func TestNothingCameYet(t *testing.T) {
	node := fake.New(nil)
	m := New(t.Context(), node, feed.New(t.Context(), node), Options{Getenv: func(string) string { return "" }, Now: fake.Epoch})
	m.Update(tea.WindowSizeMsg{Width: 80, Height: 24})
	for _, a := range action.All() {
		m.Update(tickMsg{})
		m.stack = nil
		m.act(call{ID: a.ID})
		checkFilled(t, string(a.ID), m.View(), 80, 24)
	}
	m.stack, m.flash = nil, flash{}
	d := &driver{t: t, m: m}
	d.has("WARN", "node", "read-only", "gen -")
	d.has("waiting for the engine's first snapshot")
}

func TestOrderIsHeldWhileNavigating(t *testing.T) {
	d := open80(t, fake.Busy())
	d.has(">web") // the busiest
	turn := func() *engine.State {
		s := fake.Busy()
		s.VIPs[2].PPS = 9e6
		return s
	}
	d.show(turn())
	d.has(">echo") // untouched, the list follows the rates
	d.show(fake.Busy())
	d.press("j")
	d.has(">api")
	before := d.screen().Has(t, ">api")
	d.show(turn())
	if after := d.screen().Has(t, ">api"); after != before {
		t.Errorf("the row moved from line %d to %d under the cursor", before, after)
	}
	d.press("esc")
	d.has(">echo")
}
