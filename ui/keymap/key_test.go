package keymap

import (
	"strings"
	"testing"
)

func TestParseKey(t *testing.T) {
	for _, row := range []struct{ in, out, why string }{
		{"j", "j", ""},
		{"G", "G", ""},
		{"+", "+", ""},
		{"alt++", "alt++", ""},
		{" ", "space", ""},
		{"space", "space", ""},
		{"é", "é", ""},
		{"ctrl+d", "ctrl+d", ""},
		{"ctrl+_", "ctrl+_", ""},
		{"alt+<", "alt+<", ""},
		{"shift+tab", "shift+tab", ""},
		{"ctrl+shift+up", "ctrl+shift+up", ""},
		{"f12", "f12", ""},
		{"ctrl+i", "", "tab"},
		{"ctrl+m", "", "enter"},
		{"ctrl+[", "", "esc"},
		{"ctrl+h", "", "backspace"},
		{"shift+enter", "", "enter"},
		{"ctrl+enter", "", "enter"},
		{"alt+shift+enter", "", "plain enter"},
		{"ctrl+k", "", "stays free"},
		{"ctrl+z", "", "stays free"},
		{"ctrl+1", "", "do not send ctrl"},
		{"ctrl+D", "", "do not send ctrl"},
		{"shift+a", "", "write 'A'"},
		{"super+a", "", "do not send super"},
		{"f13", "", "no key"},
		{"ctrl+", "", "no key"},
		{"", "", "no key"},
		{"\t", "", "no key"},
	} {
		got, err := ParseKey(row.in)
		switch {
		case row.why == "" && (err != nil || got != row.out):
			t.Errorf("%q: %q, %v", row.in, got, err)
		case row.why != "" && (err == nil || !strings.Contains(err.Error(), row.why)):
			t.Errorf("%q: error %v does not speak of %q", row.in, err, row.why)
		}
	}
}
