package widget

import (
	"io"
	"strings"
	"testing"

	"github.com/charmbracelet/lipgloss"
	"github.com/muesli/termenv"

	"hairpin/ui/theme"
	"hairpin/ui/uitest"
)

func renderer() *lipgloss.Renderer {
	r := lipgloss.NewRenderer(io.Discard)
	r.SetColorProfile(termenv.ANSI)
	return r
}

func sample() Table {
	r := renderer()
	red := r.NewStyle().Foreground(lipgloss.Color("1"))
	return Table{
		Columns: []Column{
			{Title: "NIC", Width: 4}, {Title: "CHAIN", Width: 6, Grow: true}, {Title: "DROP", Width: 5, Right: true},
			{Title: "60s", Width: 3, Drop: 1},
		},
		Rows: []Row{
			{Cells: []Cell{{Text: "eth0"}, {Text: "acl>maglev"}, {Text: "12.4k", Style: red}, {Text: "▁▂▃"}}},
			{Cells: []Cell{{Text: "eth1"}, {Text: "acl"}, {Text: "0"}}, Marked: true},
			{Cells: []Cell{{Text: "\x1b[2J\n"}}},
		},
		Selected: -1, Selection: r.NewStyle().Reverse(true), Glyphs: theme.Block(),
	}
}

func TestTable(t *testing.T) {
	for _, c := range []struct {
		about string
		w, h  int
		edit  func(*Table)
		want  []string
	}{
		{"all of it", 28, 4, func(*Table) {}, []string{
			" NIC  CHAIN         DROP 60s",
			" eth0 acl>maglev   12.4k ▁▂▃",
			"*eth1 acl              0",
			" [2J",
		}},
		{"wider: one column grows", 30, 2, func(t *Table) { t.Rows = t.Rows[:1] }, []string{
			" NIC  CHAIN           DROP 60s",
			" eth0 acl>maglev     12.4k ▁▂▃",
		}},
		{"narrower: one goes", 20, 2, func(t *Table) { t.Rows = t.Rows[:1] }, []string{
			" NIC  CHAIN     DROP",
			" eth0 acl>mag… 12.4k",
		}},
		{"narrower still: the one that grows shrinks", 14, 2, func(t *Table) { t.Rows = t.Rows[:1] }, []string{
			" NIC  C…  DROP",
			" eth0 a… 12.4k",
		}},
		{"a cursor", 26, 3, func(t *Table) { t.Selected = 1 }, []string{
			" NIC  CHAIN       DROP 60s",
			" eth0 acl>maglev 12.4k ▁▂▃",
			">eth1 acl            0",
		}},
		{"rows that have no room", 26, 3, func(*Table) {}, []string{
			" NIC  CHAIN       DROP 60s",
			" eth0 acl>maglev 12.4k ▁▂▃",
			" … 2 more",
		}},
		{"further down", 26, 3, func(t *Table) { t.Selected, t.Offset = 2, 1 }, []string{
			" NIC  CHAIN       DROP 60s",
			"*eth1 acl            0",
			">[2J",
		}},
		{"titles only", 26, 1, func(*Table) {}, []string{" NIC  CHAIN       DROP 60s"}},
		{"an offset behind the end", 26, 2, func(t *Table) { t.Offset = 99 }, []string{" NIC  CHAIN       DROP 60s", ""}},
	} {
		t.Run(c.about, func(t *testing.T) {
			table := sample()
			c.edit(&table)
			got := uitest.NewScreen(lines(table.Render(c.w, c.h)), c.w, c.h)
			for y, want := range c.want {
				if got.Row(y) != want {
					t.Errorf("row %d is %q, want %q", y, got.Row(y), want)
				}
			}
		})
	}
}

// TestTableDoesNotShift: whatever the data, each column begins and ends where it did.
func TestTableDoesNotShift(t *testing.T) {
	table := sample()
	for _, text := range []string{"1", "12.4k", "a much longer text", "世界世界世界", ""} {
		table.Rows = []Row{{Cells: []Cell{{Text: text}, {Text: text}, {Text: text}, {Text: "END"}}}}
		row := uitest.NewScreen(lines(table.Render(40, 2)), 40, 2)
		if _, ok := row.StyleOf(1, "END"); !ok || Width(row.Row(1)) != 40 {
			t.Errorf("%q shifts the last column: %q", text, row.Row(1))
		}
	}
}

func TestTableStyles(t *testing.T) {
	table := sample()
	s := uitest.NewScreen(lines(table.Render(28, 4)), 28, 4)
	if st, ok := s.StyleOf(1, "12.4k"); !ok || st.Fg == nil {
		t.Errorf("a cell has no style: %+v", st)
	}
	if st, _ := s.StyleOf(1, "acl"); !st.Empty() {
		t.Errorf("its neighbour has one: %+v", st)
	}
	table.Selected = 0
	s = uitest.NewScreen(lines(table.Render(28, 4)), 28, 4)
	for x := range 28 {
		if st := s.Style(x, 1); st.Attrs == 0 || st.Fg != nil {
			t.Errorf("column %d of the selected row is %+v", x, st)
		}
	}
	if out := table.Render(28, 4)[1]; strings.Count(out, "\x1b[") != 2 {
		t.Errorf("the selected row is not one run: %q", out)
	}
}

func TestScroll(t *testing.T) {
	for _, c := range []struct{ offset, selected, rows, visible, want int }{
		{0, 0, 10, 5, 0}, {0, 4, 10, 5, 0}, {0, 5, 10, 5, 1}, {5, 3, 10, 5, 3}, {3, 9, 10, 5, 5}, {8, 9, 10, 5, 5}, {2, 1, 3, 5, 0},
		{0, -1, 10, 5, 0}, {3, 2, 10, 0, 0}, {7, 0, 0, 5, 0},
	} {
		if got := Scroll(c.offset, c.selected, c.rows, c.visible); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
}
