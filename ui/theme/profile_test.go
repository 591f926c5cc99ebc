package theme

import (
	"fmt"
	"strings"
	"testing"

	"hairpin/ui/uitest"
)

func TestProfile(t *testing.T) {
	for vars, want := range map[string]Profile{
		"TERM=xterm-256color":                      ANSI256, // what most sshd pass
		"TERM=xterm-256color COLORTERM=truecolor":  TrueColor,
		"TERM=xterm-256color COLORTERM=24bit":      TrueColor,
		"TERM=tmux-256color COLORTERM=truecolor":   TrueColor,
		"TERM=screen-256color COLORTERM=truecolor": ANSI256, // GNU screen may be it
		"TERM=screen":                    ANSI16,
		"TERM=xterm-direct":              TrueColor,
		"TERM=xterm-kitty":               ANSI256,
		"TERM=xterm":                     ANSI16,
		"TERM=linux":                     ANSI16,
		"TERM=vt100 LANG=en_US.UTF-8":    ANSI16,
		"":                               ANSI16,
		"NO_COLOR=1 TERM=xterm-256color": ANSI16,
		"NO_COLOR=1 TERM=xterm COLORTERM=truecolor":  ANSI16,
		"NO_COLOR= TERM=xterm-256color COLORTERM=no": ANSI256,
	} {
		got, colour := Detect(uitest.Env(vars))
		if got != want || colour == strings.HasPrefix(vars, "NO_COLOR=1") {
			t.Errorf("%q: %v, colour %v; want %v", vars, got, colour, want)
		}
	}
}

// TestNoColorKeepsAttributes: without colours the word for critical is still bold and reverse.
func TestNoColorKeepsAttributes(t *testing.T) {
	p, colour := Detect(uitest.Env("NO_COLOR=1 TERM=xterm-256color"))
	if colour {
		t.Fatal("NO_COLOR is not respected")
	}
	th, _ := Load("mono")
	for _, k := range Tokens() {
		out := th.WithProfile(p).Style(k).Render("x")
		for _, colour := range []string{"3", "4", "9", "10"} {
			for _, param := range strings.FieldsFunc(out, func(r rune) bool { return r == '[' || r == ';' || r == 'm' }) {
				if len(param) > 1 && strings.HasPrefix(param, colour) {
					t.Errorf("%s has a colour: %q", k, out)
				}
			}
		}
	}
	if out := th.WithProfile(p).Style(Crit).Render("CRIT"); !strings.HasPrefix(out, "\x1b[1;7m") {
		t.Errorf("crit is %q", out)
	}
}

func ExampleDetect() {
	fmt.Println(Detect(func(name string) string { return map[string]string{"TERM": "xterm-256color"}[name] }))
	// Output: ansi256 true
}

func TestMonochrome(t *testing.T) {
	for term, want := range map[string]bool{
		"vt100": true, "vt220": true, "vt220-8bit": true, "linux-m": true, "xterm-mono": true,
		"": false, "linux": false, "xterm": false, "screen": false, "vte-256color": false, "vt52x": false,
	} {
		if got := Monochrome(func(string) string { return term }); got != want {
			t.Errorf("TERM=%s: %v", term, got)
		}
	}
}
