package term

import (
	"strings"
	"testing"

	"hairpin/ui/theme"
)

// env is an environment written as "A=1 B=2".
func env(text string) func(string) string {
	vars := map[string]string{}
	for _, word := range strings.Fields(text) {
		name, value, _ := strings.Cut(word, "=")
		vars[name] = value
	}
	return func(name string) string { return vars[name] }
}

func TestProfile(t *testing.T) {
	for vars, want := range map[string]theme.Profile{
		"TERM=xterm-256color":                      theme.ANSI256, // what most sshd pass
		"TERM=xterm-256color COLORTERM=truecolor":  theme.TrueColor,
		"TERM=xterm-256color COLORTERM=24bit":      theme.TrueColor,
		"TERM=tmux-256color COLORTERM=truecolor":   theme.TrueColor,
		"TERM=screen-256color COLORTERM=truecolor": theme.ANSI256, // GNU screen may be it
		"TERM=screen":                    theme.ANSI16,
		"TERM=xterm-direct":              theme.TrueColor,
		"TERM=xterm-kitty":               theme.ANSI256,
		"TERM=xterm":                     theme.ANSI16,
		"TERM=linux":                     theme.ANSI16,
		"TERM=vt100 LANG=en_US.UTF-8":    theme.ANSI16,
		"":                               theme.ANSI16,
		"NO_COLOR=1 TERM=xterm-256color": theme.ANSI16,
		"NO_COLOR=1 TERM=xterm COLORTERM=truecolor":  theme.ANSI16,
		"NO_COLOR= TERM=xterm-256color COLORTERM=no": theme.ANSI256,
	} {
		got, colour := Profile(env(vars))
		if got != want || colour == strings.HasPrefix(vars, "NO_COLOR=1") {
			t.Errorf("%q: %v, colour %v; want %v", vars, got, colour, want)
		}
	}
}

// TestNoColorKeepsAttributes: without colours the word for critical is still bold and reverse.
func TestNoColorKeepsAttributes(t *testing.T) {
	p, colour := Profile(env("NO_COLOR=1 TERM=xterm-256color"))
	if colour {
		t.Fatal("NO_COLOR is not respected")
	}
	th, _ := theme.Load("mono")
	for _, k := range theme.Tokens() {
		out := th.WithProfile(p).Style(k).Render("x")
		for _, colour := range []string{"3", "4", "9", "10"} {
			for _, param := range strings.FieldsFunc(out, func(r rune) bool { return r == '[' || r == ';' || r == 'm' }) {
				if len(param) > 1 && strings.HasPrefix(param, colour) {
					t.Errorf("%s has a colour: %q", k, out)
				}
			}
		}
	}
	if out := th.WithProfile(p).Style(theme.Crit).Render("CRIT"); !strings.HasPrefix(out, "\x1b[1;7m") {
		t.Errorf("crit is %q", out)
	}
}

func TestClipboard(t *testing.T) {
	const plain = "\x1b]52;c;aGk=\x07"
	const tmux = "\x1bPtmux;\x1b\x1b]52;c;aGk=\x07\x1b\\"
	const screen = "\x1bP" + plain + "\x1b\\"
	for vars, want := range map[string]string{
		"TERM=xterm-256color":                      plain,
		"TERM=tmux-256color":                       plain + tmux,
		"TERM=screen-256color TMUX=/tmp/x,1,0":     plain + tmux,
		"TERM=screen.xterm-256color STY=1.pts-0.x": plain + screen,
		"TERM=screen-256color":                     plain + tmux + screen, // sudo: it may be either
	} {
		if got := clipboardFor(env(vars)).sequence("hi"); got != want {
			t.Errorf("%q: %q, want %q", vars, got, want)
		}
	}
	if _, ok := Copy(strings.Repeat("x", MaxCopy)); !ok {
		t.Error("the largest text is refused")
	}
	if _, ok := Copy(strings.Repeat("x", MaxCopy+1)); ok {
		t.Error("more than the largest text is sent")
	}
}
