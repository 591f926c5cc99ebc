package canvas

import (
	"strings"

	"github.com/charmbracelet/lipgloss"

	"hairpin/ui/theme"
)

// Render is the canvas as lines for a terminal: one run of attributes for each stretch of equal cells, spaces at the
// end of a line left out where they would show nothing.
func (c *Canvas) Render(t *theme.Theme) string {
	styles := map[cell]lipgloss.Style{}
	var out, run strings.Builder
	for y := range c.H {
		if y > 0 {
			out.WriteByte('\n')
		}
		end := c.end(y)
		for x := 0; x < end; {
			kind := c.kind(x, y)
			run.Reset()
			for ; x < end && c.kind(x, y) == kind; x++ {
				run.WriteString(c.at(x, y).text)
			}
			style, known := styles[kind]
			if !known {
				style = t.Style(kind.token)
				if kind.selected {
					style = t.Style(theme.Selection).Inherit(style)
				}
				styles[kind] = style
			}
			out.WriteString(style.Render(run.String()))
		}
	}
	return out.String()
}

// kind is the cell without its text.
func (c *Canvas) kind(x, y int) cell {
	k := *c.at(x, y)
	k.text = ""
	return k
}

// end is the column behind the last cell of a row that shows anything.
func (c *Canvas) end(y int) int {
	x := c.W
	for x > 0 && *c.at(x-1, y) == (cell{text: " ", token: theme.Text}) {
		x--
	}
	return x
}

// Plain is the canvas as text, without the spaces at the ends of lines.
func (c *Canvas) Plain() string {
	var out strings.Builder
	for y := range c.H {
		var line strings.Builder
		for x := range c.W {
			line.WriteString(c.at(x, y).text)
		}
		out.WriteString(strings.TrimRight(line.String(), " "))
		out.WriteByte('\n')
	}
	return out.String()
}

// Row is one line of the canvas as text, at its full width.
func (c *Canvas) Row(y int) string {
	var line strings.Builder
	for x := range c.W {
		line.WriteString(c.at(x, y).text)
	}
	return line.String()
}

// Token is what the cell at (x, y) means, and whether it is in the row under the cursor.
func (c *Canvas) Token(x, y int) (token theme.Token, selected bool) {
	k := c.at(x, y)
	return k.token, k.selected
}
