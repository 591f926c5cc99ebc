package overlay

import (
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
	return NewPalette(items, func(a action.Action, arg string) any { return ran{a.ID, arg} })
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
	seen(p, 80, 20).Has(t, "> app.quit")
	for range 100 {
		p.Act(action.LineUp)
	}
	seen(p, 80, 20).Has(t, "> backend.weight")
}

func TestHelpComesFromKeymapAndRegistry(t *testing.T) {
	h := NewHelp(keymap.Load("vim"), action.Backends, []string{"keymap.toml:7: ctrl+i"})
	text := ""
	for range 30 {
		text += seen(h, 100, 20).Text()
		h.Act(action.PageDown)
	}
	s := seen(h, 100, 20)
	s.Has(t, "SKIPPED IN CONFIGURATION")
	s.Has(t, "keymap.toml:7: ctrl+i")
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
