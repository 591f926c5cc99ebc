package app

import (
	"regexp"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"hairpin/ui/uitest/fake"
)

// TestNoColor: NO_COLOR takes the colours of every screen, all of them, and nothing of its text.
func TestNoColor(t *testing.T) {
	colour := regexp.MustCompile(`\x1b\[(?:[0-9;]*;)?(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:;[0-9;]*)?m`)
	coloured := 0
	for _, sc := range scenes() {
		frames := map[string]string{}
		for name, env := range map[string]string{"mono": "NO_COLOR=1", "colours": "COLORTERM=truecolor"} {
			d := open80(t, sc.state(), append([]setup{withEnv(env + " TERM=xterm-256color")}, sc.setup...)...)
			sc.do(d)
			frames[name] = d.m.View()
		}
		if colour.MatchString(frames["mono"]) {
			t.Errorf("%s: there is a colour: %q", sc.name, colour.FindString(frames["mono"]))
		}
		if colour.MatchString(frames["colours"]) {
			coloured++
		}
		if ansi.Strip(frames["mono"]) != ansi.Strip(frames["colours"]) {
			t.Errorf("%s: with colours it says something else:\n%s\n%s", sc.name, ansi.Strip(frames["colours"]), ansi.Strip(frames["mono"]))
		}
	}
	if coloured != len(scenes()) {
		t.Errorf("only %d of %d screens have colours at all", coloured, len(scenes()))
	}
}

// TestSerialConsole: a terminal that says that it has no colours gets none, unless somebody asks for a theme.
func TestSerialConsole(t *testing.T) {
	for env, want := range map[string]string{
		"TERM=vt220": "mono", "TERM=vt220 HAIRPIN_THEME=cb-dark": "cb-dark", "TERM=vt220 NO_COLOR=1 HAIRPIN_THEME=cb-dark": "mono",
		"TERM=linux": "default-dark",
	} {
		if d := open80(t, fake.Busy(), withEnv(env)); d.m.looks.theme.Name != want {
			t.Errorf("%s: the theme is %s, want %s", env, d.m.looks.theme.Name, want)
		}
	}
}
