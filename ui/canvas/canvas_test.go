package canvas

import (
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"hairpin/ui/theme"
)

func TestPutCutsAtTheEdge(t *testing.T) {
	c := New(10, 2, theme.Block())
	if x := c.Put(1, 0, 20, theme.Text, "abc"); x != 4 {
		t.Errorf("column behind abc is %d", x)
	}
	c.Put(5, 0, 20, theme.Crit, "defghijk")
	c.Put(0, 1, 4, theme.Text, "longer")
	c.Right(4, 1, 6, theme.Text, "12")
	c.Put(0, 7, 9, theme.Text, "outside")
	c.Put(-3, 0, 9, theme.Text, "outside")
	if got := c.Plain(); got != " abc defg…\nlon…    12\n" {
		t.Errorf("%q", got)
	}
	if token, _ := c.Token(9, 0); token != theme.Crit {
		t.Errorf("the ellipsis is %s", token)
	}
}

func TestWideAndControlCharacters(t *testing.T) {
	c := New(8, 2, theme.Block())
	c.Put(0, 0, 8, theme.Text, "世界x")
	c.Put(0, 1, 8, theme.Text, "a\x1b[2Jb\nc")
	if got := c.Plain(); got != "世界x\na [2Jb c\n" {
		t.Errorf("%q", got)
	}
	c.Put(0, 0, 4, theme.Text, "世界x")
	if w := ansi.StringWidth(c.Row(0)); w > 8 {
		t.Errorf("a cut in a wide character makes the row %d wide: %q", w, c.Row(0))
	}
	for x := range 4 {
		c.Put(0, 0, 8, theme.Text, "世界    ")
		c.Put(x, 0, 1, theme.Text, "x")
		if w := ansi.StringWidth(c.Row(0)); w != 8 {
			t.Errorf("x over column %d makes the row %d wide: %q", x, w, c.Row(0))
		}
	}
}

func TestSubIsCutToItsParent(t *testing.T) {
	c := New(6, 3, theme.ASCII())
	in := c.Sub(2, 1, 10, 10)
	if in.W != 4 || in.H != 2 {
		t.Fatalf("%d x %d", in.W, in.H)
	}
	in.Put(0, 0, 10, theme.Text, "abcdef")
	if got := c.Plain(); got != "\n  abc~\n\n" {
		t.Errorf("%q", got)
	}
	if empty := c.Sub(9, 9, 3, 3); empty.W != 0 || empty.H != 0 {
		t.Errorf("outside is %d x %d", empty.W, empty.H)
	}
}

func TestBox(t *testing.T) {
	c := New(12, 3, theme.ASCII())
	c.Box(theme.Title, "A").Put(0, 0, 20, theme.Text, "inside here")
	if got := c.Plain(); got != "+- A ------+\n| inside ~ |\n+----------+\n" {
		t.Errorf("\n%s", got)
	}
	New(2, 1, theme.ASCII()).Box(theme.Title, "too small for one")
}

func TestRenderKeepsTheTextAndTheWidth(t *testing.T) {
	th, _ := theme.Load(theme.Fallback)
	c := New(20, 2, theme.Block())
	c.Put(0, 0, 20, theme.Crit, "CRIT")
	c.Put(5, 0, 20, theme.Dim, "since")
	c.Select(1)
	lines := strings.Split(c.Render(th), "\n")
	if len(lines) != 2 || ansi.Strip(lines[0]) != "CRIT since" || ansi.StringWidth(lines[1]) != 20 {
		t.Errorf("%q", lines)
	}
	if strings.Count(lines[0], "\x1b[") > 6 {
		t.Errorf("more than one run a word: %q", lines[0])
	}
}
