package widget

import (
	"testing"

	"hairpin/ui/theme"
)

func TestClean(t *testing.T) {
	for dirty, want := range map[string]string{
		"web-443":                      "web-443",
		"a\nb\tc\r":                    "a b c ",
		"\x1b[2J\x1b]52;c;x\x07gone":   "[2J]52;c;xgone",
		"\u009b2Jx\x00\x7f":            "2Jx",
		"a\xffb":                       "a?b",
		"ab\u202ecd\u2066\u200b\u2028": "abcd",
		"déjà 世界":                      "déjà 世界",
	} {
		if got := Clean(dirty); got != want {
			t.Errorf("%q: %q, want %q", dirty, got, want)
		}
	}
}

func TestFit(t *testing.T) {
	g := theme.Block()
	for _, c := range []struct {
		text        string
		w           int
		left, right string
	}{
		{"abc", 5, "abc  ", "  abc"},
		{"abc", 3, "abc", "abc"},
		{"abcd", 3, "ab…", "ab…"},
		{"abcd", 1, "a", "a"},
		{"abcd", 0, "", ""},
		{"abcd", -1, "", ""},
		{"世界", 4, "世界", "世界"},
		{"世界", 3, "世…", "世…"},
		{"世界", 2, "… ", " …"},
		{"世", 1, " ", " "},
		{"\x1b[1mabcd\x1b[m", 3, "\x1b[1mab…\x1b[m", "\x1b[1mab…\x1b[m"},
	} {
		if got := Fit(c.text, c.w, g); got != c.left {
			t.Errorf("Fit(%q, %d) = %q, want %q", c.text, c.w, got, c.left)
		}
		if got := FitRight(c.text, c.w, g); got != c.right {
			t.Errorf("FitRight(%q, %d) = %q, want %q", c.text, c.w, got, c.right)
		}
	}
}

func TestLine(t *testing.T) {
	g := theme.ASCII()
	for _, c := range []struct {
		w                 int
		left, right, want string
	}{
		{10, "ab", "cd", "ab      cd"},
		{5, "ab", "cd", "ab cd"},
		{4, "abc", "cd", "a cd"},
		{2, "abc", "cd", "cd"},
		{1, "abc", "cd", "c"},
		{5, "abc", "", "abc  "},
		{5, "", "cd", "   cd"},
		{0, "abc", "cd", ""},
	} {
		if got := Line(c.w, c.left, c.right, g); got != c.want {
			t.Errorf("%q and %q in %d: %q, want %q", c.left, c.right, c.w, got, c.want)
		}
	}
}

func TestMiddle(t *testing.T) {
	g := theme.Block()
	for _, row := range []struct {
		text string
		w    int
		want string
	}{
		{"short", 5, "short"}, {"prod-web-01", 7, "pro…-01"}, {"prod-web-01", 8, "prod…-01"}, {"prod-web-01", 2, "p…"}, {"prod", 0, ""},
		{"世界世界世界", 6, "世…界"}, {"a世界世界b", 7, "a世…界b"},
	} {
		if got := Middle(row.text, row.w, g); got != row.want || Width(got) > row.w {
			t.Errorf("%q in %d: %q, want %q", row.text, row.w, got, row.want)
		}
	}
}
