package overlay

import (
	"strings"
	"testing"

	"hairpin/ui/action"
	"hairpin/ui/keymap"
)

type ran struct {
	id  action.ID
	arg string
}

func palette() *Palette {
	var items []Item
	for _, a := range action.In(action.Backends) {
		items = append(items, Item{Action: a})
	}
	items[0].Why = "read-only: ! arms"
	values := func(of action.Values) []string {
		return map[action.Values][]string{action.VIPNames: {"api", "web", "webmail"}, action.Themes: {"mono"}}[of]
	}
	return NewPalette(items, []string{"screen.vips web", "look.theme mono"}, values, func(a action.Action, arg, text string) any {
		if want := strings.TrimSpace(string(a.ID) + " " + arg); text != want {
			return text
		}
		return ran{a.ID, arg}
	})
}

func TestPalette(t *testing.T) {
	for _, c := range []struct {
		text string
		down int
		want ran
	}{
		{"backend.drain", 0, ran{action.Drain, ""}},
		{"drain", 0, ran{action.Drain, ""}},
		{"weight 50", 0, ran{action.Weight, "50"}},
		{"backend.add 10.1.1.15 40", 0, ran{action.Add, "10.1.1.15 40"}},
		{"wei", 0, ran{action.Weight, ""}},
		{"heav", 0, ran{action.Heavier, ""}},
		{"back", 0, ran{action.Weight, ""}}, // the first of those whose name begins so
		{"screen", 1, ran{action.GoChain, ""}},
		{"take staged back", 0, ran{action.Undo, ""}}, // words of its sentence, in any order
		{"arm disk is full", 0, ran{action.Arm, "disk is full"}},
		{"vips", 0, ran{action.GoVIPs, ""}},
		{"VIPs web", 0, ran{action.GoVIPs, "web"}},
		{"VIPs MAIL", 0, ran{action.GoVIPs, "webmail"}},
		{"VIPs w", 1, ran{action.GoVIPs, "webmail"}},
		{"VIPs ", 1, ran{action.GoVIPs, "web"}},
		{"VIPs nope", 0, ran{action.GoVIPs, "nope"}},
		{"theme m", 0, ran{action.Theme, "mono"}},
	} {
		p := palette()
		typed(p, c.text)
		for range c.down {
			p.Act(action.LineDown)
		}
		if out := p.Act(action.Accept); out != (Outcome{Close: true, Ask: c.want}) {
			t.Errorf("%q: %+v", c.text, out)
		}
	}
	p := palette()
	typed(p, "zzz")
	if out := p.Act(action.Accept); out.Close {
		t.Errorf("nothing matches: %+v", out)
	}
	seen(p, 80, 20).Has(t, "no action has these words")
	for range 3 {
		p.Act(action.Erase)
	}
	s := seen(p, 80, 20)
	s.Has(t, "> backend.weight <weight>")
	s.Has(t, "read-only: ! arms")
	for range 100 {
		p.Act(action.LineDown)
	}
	all := action.In(action.Backends)
	seen(p, 80, 20).Has(t, "> "+string(all[len(all)-1].ID))
	for range 100 {
		p.Act(action.LineUp)
	}
	seen(p, 80, 20).Has(t, ":screen.vips web")
}

// TestPaletteCompletes: tab writes names and values, and an action that needs a value asks for it.
func TestPaletteCompletes(t *testing.T) {
	p := palette()
	typed(p, "the")
	p.Act(action.NextField)
	seen(p, 80, 20).Has(t, ":look.theme  ")
	seen(p, 80, 20).Has(t, "> look.theme mono")
	p.Act(action.NextField)
	if out := p.Act(action.Accept); out.Ask != (ran{action.Theme, "mono"}) {
		t.Errorf("%+v", out)
	}
	p = palette()
	typed(p, "theme")
	if out := p.Act(action.Accept); out.Close {
		t.Errorf("without a value: %+v", out)
	}
	seen(p, 80, 20).Has(t, "> look.theme mono")
	p = palette()
	typed(p, "weight 5")
	p.Act(action.NextField)
	if out := p.Act(action.Accept); out.Ask != (ran{action.Weight, "5"}) {
		t.Errorf("a number is lost: %+v", out)
	}
	p = palette()
	typed(p, "zzz")
	p.Act(action.NextField)
	seen(p, 80, 20).Has(t, ":zzz")
}

// TestPaletteRecalls: up on the first row goes through what was run before, as far as it begins as typed.
func TestPaletteRecalls(t *testing.T) {
	p := palette()
	text := func(want string) {
		t.Helper()
		if p.typed.text != want {
			t.Errorf("the text is %q, want %q", p.typed.text, want)
		}
	}
	p.Act(action.LineUp)
	text("look.theme mono")
	p.Act(action.LineUp)
	p.Act(action.LineUp)
	text("screen.vips web")
	p.Act(action.LineDown)
	text("look.theme mono")
	p.Act(action.LineDown)
	text("")
	p.Act(action.LineDown)
	text("")
	typed(p, "scr")
	p.Act(action.LineUp)
	text("screen.vips web")
	if out := p.Act(action.Accept); out.Ask != (ran{action.GoVIPs, "web"}) {
		t.Errorf("%+v", out)
	}
	typed(p, "x")
	text("screen.vips webx")
	p.Act(action.LineUp)
	text("screen.vips webx")
}

func TestHelpComesFromKeymapAndRegistry(t *testing.T) {
	h := NewHelp(keymap.Load("vim"), action.Backends, []string{"keymap.toml:7: ctrl+i"})
	s := seen(h, 100, 20)
	s.Has(t, "SKIPPED IN CONFIGURATION")
	s.Has(t, "keymap.toml:7: ctrl+i")
	text := ""
	for range 30 {
		text += seen(h, 100, 20).Text()
		h.Act(action.PageDown)
	}
	h.Type("g")
	seen(h, 100, 20).Has(t, "SKIPPED IN CONFIGURATION")
	h.Type("G")
	seen(h, 100, 20).Has(t, "HOW A CHANGE IS MADE")
	for _, a := range action.In(action.Backends) {
		if !contains(text, a.Help) {
			t.Errorf("help says nothing of %s", a.ID)
		}
	}
	for _, want := range []string{"c w, e", ":stage.discard", "g g"} {
		if !contains(text, want) {
			t.Errorf("help does not show %q", want)
		}
	}
	if out := h.Type("x"); !out.Close {
		t.Error("any other key closes")
	}
	if out := h.Type("k"); out.Close {
		t.Error("k scrolls")
	}
}
