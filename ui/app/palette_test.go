package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hairpin/ui/action"
	"hairpin/ui/theme"
	"hairpin/ui/uitest"
	"hairpin/ui/uitest/fake"
)

func withEnv(text string) setup { return func(o *Options) { o.Getenv = uitest.Env(text) } }

// byName runs a command of the palette.
func (d *driver) byName(text string) {
	d.t.Helper()
	d.press(":")
	d.text(text)
	d.press("enter")
}

func TestPaletteListsValues(t *testing.T) {
	d := open80(t, fake.Busy(), isArmed)
	d.press(":")
	d.text("vips ")
	d.has("> screen.vips api")
	d.has("screen.vips echo")
	d.text("we")
	d.has("> screen.vips web")
	d.press("enter")
	d.has("VIPs > web")
	d.byName("VIPs nothing")
	d.has("no VIP is called nothing")
	d.byName("screen.vips wep")
	d.has("no VIP is called wep, did you mean web?")
	d.do(action.GoChain)
	d.press(":")
	d.text("insert ")
	d.has("> chain.insert burst")
}

func TestLooksChangeByName(t *testing.T) {
	d := open80(t, fake.Busy())
	d.byName("theme high")
	d.has("theme high-contrast from now on")
	if d.m.kit.Theme.Name != "high-contrast" {
		t.Errorf("the theme is %s", d.m.kit.Theme.Name)
	}
	d.byName("glyphs ascii")
	d.hasNot("█")
	d.byName("glyphs block")
	d.has("█")
	d.byName("keymap vim")
	d.do(action.GoVIPs)
	d.press("h")
	d.has("NIC", "CHAIN")
	d.byName("keymap nano")
	d.has(`no preset is called "nano"`)
	if d.m.keys.Name != "vim" || d.m.kit.Theme.Name != "high-contrast" {
		t.Errorf("keymap %s, theme %s", d.m.keys.Name, d.m.kit.Theme.Name)
	}
	d.do(action.Theme)
	d.has("theme: which theme?")
	d = open80(t, fake.Busy(), withEnv("NO_COLOR=1"))
	d.byName("theme cb-dark")
	d.has("NO_COLOR is set: the theme stays mono")
	d = open80(t, fake.Busy(), func(o *Options) { o.KnowsGlyphs = false })
	d.byName("glyphs braille")
	if d.m.kit.Glyphs.Name != theme.ASCII().Name {
		t.Error("glyphs are drawn that the terminal may not know")
	}
}

// TestCommandsAreRemembered over sessions, by those who were run, not those that were given up.
func TestCommandsAreRemembered(t *testing.T) {
	state := t.TempDir()
	first := open80(t, fake.Busy(), withEnv("XDG_STATE_HOME="+state))
	first.byName("vips web")
	first.press(":")
	first.text("screen.limits")
	first.press("esc")
	first.byName("theme mono")
	next := open80(t, fake.Busy(), withEnv("XDG_STATE_HOME="+state))
	next.press(":", "up")
	next.has(":look.theme mono")
	next.press("up", "up")
	next.has(":screen.vips web")
	next.press("enter")
	next.has("VIPs > web")
	next.press(":", "up")
	next.has(":screen.vips web")
	if info, err := os.Stat(filepath.Join(state, "hairpin", "commands")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}

// TestUnwritableHomeIsSaidOnce, and within the session commands are remembered all the same.
func TestUnwritableHomeIsSaidOnce(t *testing.T) {
	d := open80(t, fake.Busy(), withEnv("HOME=/dev/null"))
	const said = "commands are not kept for the next session"
	d.hasNot("skipped")
	d.byName("vips web")
	d.has(said)
	d.press("j")
	d.byName("vips api")
	d.hasNot("skipped")
	if p := d.m.looks.problems; len(p) != 1 || !strings.Contains(p[0], said) {
		t.Errorf("said: %q", p)
	}
	d.press(":", "up", "up")
	d.has(":screen.vips web")
}
