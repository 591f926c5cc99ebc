package widget

import (
	"strings"
	"testing"

	"github.com/charmbracelet/lipgloss"

	"hairpin/ui/theme"
	"hairpin/ui/uitest"
)

func lines(block []string) string { return strings.Join(block, "\n") }

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		text string
		w    int
		want string
	}{
		{"one two three", 7, "one two\nthree"},
		{"one two", 3, "one\ntwo"},
		{"unbreakable", 4, "unbr\neaka\nble"},
		{"a\nb", 9, "a\nb"},
		{"世界", 3, "世\n界"},
		{"", 3, ""},
		{"abc", 0, ""},
	} {
		if got := lines(Wrap(c.text, c.w)); got != c.want {
			t.Errorf("%q in %d: %q, want %q", c.text, c.w, got, c.want)
		}
	}
}

func TestBox(t *testing.T) {
	plain := lipgloss.Style{}
	for _, c := range []struct {
		about string
		got   []string
		want  string
	}{
		{
			"title and body",
			Box("APPLY", []string{"one", "two is too long"}, 14, 5, plain, theme.Block()),
			"┌─ APPLY ────┐\n│ one        │\n│ two is to… │\n│            │\n└────────────┘",
		},
		{"a long title", Box("a long title", nil, 10, 2, plain, theme.ASCII()), "+- a lon~+\n+--------+"},
		{"no title", Box("", []string{"x"}, 5, 3, plain, theme.ASCII()), "+---+\n| x |\n+---+"},
		{"too small for a frame", Box("t", []string{"xyz"}, 3, 1, plain, theme.ASCII()), "xyz"},
	} {
		if got := lines(c.got); got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.about, got, c.want)
		}
	}
}

func TestPlace(t *testing.T) {
	screen := []string{"abcdef", "世界世", "x", "\x1b[7mghijkl\x1b[m"}
	for _, c := range []struct {
		about string
		got   []string
		want  string
	}{
		{"in the middle", Place(screen, []string{"12", "34"}, 2, 0), "ab12ef\n世34世\nx\nghijkl"},
		{"half of wide characters", Place(screen, []string{"", "12"}, 1, 0), "abcdef\n 12 世\nx\nghijkl"},
		{"over the right edge", Place(screen, []string{"123"}, 5, 0), "abcde1\n世界世\nx\nghijkl"},
		{"over the left edge", Place(screen, []string{"123"}, -2, 0), "3bcdef\n世界世\nx\nghijkl"},
		{"above and below", Place(screen, []string{"1", "2", "3", "4", "5", "6"}, 0, -2), "3bcdef\n4 界世\n5\n6hijkl"},
		{"outside", Place(screen, []string{"1"}, 9, 9), "abcdef\n世界世\nx\nghijkl"},
		{"centered", Center(screen, []string{"12", "34"}, 6), "abcdef\n世12世\nx\nghijkl"},
	} {
		got := uitest.NewScreen(lines(c.got), 6, 4).Text()
		want := uitest.NewScreen(c.want, 6, 4).Text()
		if got != want {
			t.Errorf("%s:\n%s\nwant\n%s", c.about, got, want)
		}
	}
	over := uitest.NewScreen(lines(Place(screen, []string{"12"}, 2, 3)), 6, 4)
	for text, reverse := range map[string]bool{"gh": true, "12": false, "kl": true} {
		if st, ok := over.StyleOf(3, text); !ok || (st.Attrs != 0) != reverse {
			t.Errorf("style of %s: %v %+v", text, ok, st)
		}
	}
	if screen[0] != "abcdef" {
		t.Error("the screen below was changed")
	}
}

func TestBesideAndFill(t *testing.T) {
	g := theme.ASCII()
	got := Beside([]string{"abcd", "e"}, 3, 1, []string{"x"}, 2, g)
	if want := "ab~ x \ne     "; lines(got) != want {
		t.Errorf("%q, want %q", lines(got), want)
	}
	if got, want := lines(Fill([]string{"abc", "d", "e"}, 2, 2, g)), "a~\nd "; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := Fill(nil, 3, -1, g); len(got) != 0 {
		t.Errorf("%q", got)
	}
}
