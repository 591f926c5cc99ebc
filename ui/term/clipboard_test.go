package term

import (
	"strings"
	"testing"

	"hairpin/ui/uitest"
)

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
		if got := clipboardFor(uitest.Env(vars)).sequence("hi"); got != want {
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
