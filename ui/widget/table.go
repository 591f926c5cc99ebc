package widget

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/lipgloss"

	"hairpin/ui/theme"
)

// Column is one column of a table. Its width does not depend on the data, so that digits stay where they are.
type Column struct {
	Title string
	Width int
	Right bool // aligned right, as numbers are
	Grow  bool // takes the width that is left over
	Ends  bool // of names: what has no room loses its middle, since the ends tell names apart
	Drop  int  // when there is no room, the columns with the highest Drop go first; 0 = never
}

// Cell is plain text and its style.
type Cell struct {
	Text  string
	Style lipgloss.Style
}

// Row is one line of a table; cells that are missing are blank.
type Row struct {
	Cells  []Cell
	Marked bool
}

// Table is rows under fixed columns. Its first cell column is the gutter, with the cursor and the marks.
type Table struct {
	Columns  []Column
	Rows     []Row
	Selected int // index of the row under the cursor; -1 = the table has no cursor
	Offset   int // index of the first row drawn; see Scroll

	Header    lipgloss.Style
	Selection lipgloss.Style // of the whole selected row, over the styles of its cells
	Mark      lipgloss.Style
	Dim       lipgloss.Style // of "… 7 more"
	Glyphs    theme.Glyphs
}

// Render draws the table exactly w cells wide and h lines high, the titles in the first line. A table without a cursor
// says in its last line how many rows had no room.
func (t Table) Render(w, h int) []string {
	if h <= 0 {
		return nil
	}
	widths := t.layout(w)
	lines := []string{t.header(widths)}
	first := min(max(t.Offset, 0), len(t.Rows))
	last := min(first+h-1, len(t.Rows))
	more := len(t.Rows) - last
	if t.Selected < 0 && more > 0 && last > first {
		last, more = last-1, more+1
	}
	for i := first; i < last; i++ {
		lines = append(lines, t.row(i, widths, w))
	}
	if t.Selected < 0 && more > 0 && h > 1 {
		lines = append(lines, t.Dim.Render(Truncate(fmt.Sprintf(" %s %d more", t.Glyphs.Ellipsis, more), w, t.Glyphs)))
	}
	return Fill(lines, w, h, t.Glyphs)
}

// Scroll moves an offset as little as is needed for the selected row to be among the visible ones, and fills the table
// as far as there are rows. A table that is h lines high has h-1 visible rows.
func Scroll(offset, selected, rows, visible int) int {
	if visible <= 0 {
		return 0
	}
	offset = min(offset, selected)
	offset = max(offset, selected-visible+1)
	return max(min(offset, rows-visible), 0)
}

// layout is the width of each column in a table w cells wide; 0 for those that are left out.
func (t Table) layout(w int) []int {
	widths := make([]int, len(t.Columns))
	used := 0 // the gutter and, in front of each column but the first, one blank
	for i, c := range t.Columns {
		widths[i] = c.Width
		used += c.Width + 1
	}
	for used > w {
		victim := -1
		for i, c := range t.Columns {
			if widths[i] > 0 && c.Drop > 0 && (victim < 0 || c.Drop >= t.Columns[victim].Drop) {
				victim = i
			}
		}
		if victim < 0 {
			break
		}
		used -= widths[victim] + 1
		widths[victim] = 0
	}
	for i, c := range t.Columns {
		if c.Grow && widths[i] > 0 {
			widths[i] = max(widths[i]+w-used, 1)
			break
		}
	}
	return widths
}

func (t Table) header(widths []int) string {
	var b strings.Builder
	for i, c := range t.Columns {
		if widths[i] > 0 {
			b.WriteString(" " + t.align(i, c.Title, widths[i]))
		}
	}
	return t.Header.Render(b.String())
}

func (t Table) row(i int, widths []int, w int) string {
	row := t.Rows[i]
	selected := i == t.Selected
	gutter := " "
	switch {
	case selected:
		gutter = t.Glyphs.Cursor
	case row.Marked:
		gutter = t.Mark.Render(t.Glyphs.Mark)
	}
	var b strings.Builder
	for n := range t.Columns {
		if widths[n] == 0 {
			continue
		}
		var cell Cell
		if n < len(row.Cells) {
			cell = row.Cells[n]
		}
		text := t.align(n, Clean(cell.Text), widths[n])
		if !selected {
			text = paint(cell.Style, text)
		}
		b.WriteString(text + " ")
	}
	if !selected {
		return gutter + strings.TrimSuffix(b.String(), " ")
	}
	return t.Selection.Render(Fit(gutter+strings.TrimSuffix(b.String(), " "), w, t.Glyphs))
}

func (t Table) align(column int, text string, w int) string {
	switch {
	case t.Columns[column].Right:
		return FitRight(text, w, t.Glyphs)
	case t.Columns[column].Ends:
		text = Middle(text, w, t.Glyphs)
	}
	return Fit(text, w, t.Glyphs)
}

// paint styles the word and not the blanks around it: they cost bytes, and underlined blanks look like a field.
func paint(style lipgloss.Style, text string) string {
	word := strings.Trim(text, " ")
	if word == "" {
		return text
	}
	left := len(text) - len(strings.TrimLeft(text, " "))
	return text[:left] + style.Render(word) + text[left+len(word):]
}
