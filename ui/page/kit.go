package page

import (
	"math"
	"net/netip"
	"strconv"

	"github.com/charmbracelet/lipgloss"

	"hairpin/engine"
	"hairpin/ui/cause"
	"hairpin/ui/theme"
	"hairpin/ui/widget"
)

// Kit is what everything is drawn with.
type Kit struct {
	Theme  *theme.Theme
	Glyphs theme.Glyphs
	Units  *widget.Units
	Tick   int64 // of the newest sample, counted anywhere from: it aligns histories that are drawn shorter than they are
}

// Say is text from anywhere in the style of a token.
func (k Kit) Say(t theme.Token, text string) string {
	return k.Theme.Style(t).Render(widget.Clean(text))
}

// cell is one cell of a table.
func (k Kit) cell(t theme.Token, text string) widget.Cell {
	return widget.Cell{Text: text, Style: k.style(t)}
}

// style leaves plain text without any: that saves the bytes of a colour that is the terminal's own.
func (k Kit) style(t theme.Token) lipgloss.Style {
	if t == theme.Text {
		return lipgloss.Style{}
	}
	return k.Theme.Style(t)
}

// table is one with this kit's looks and no cursor.
func (k Kit) table(columns ...widget.Column) widget.Table {
	return widget.Table{
		Columns: columns, Selected: -1, Glyphs: k.Glyphs, Header: k.Theme.Style(theme.Title),
		Selection: k.Theme.Style(theme.Selection), Mark: k.Theme.Style(theme.Marked), Dim: k.Theme.Style(theme.Dim),
	}
}

// rate is a number per second under a name that keeps its unit steady. Nothing is dim.
func (k Kit) rate(name string, v float64, t theme.Token) widget.Cell {
	if v == 0 {
		t = theme.Dim
	}
	return k.cell(t, k.Units.Number(name, v))
}

// drop is a rate of lost packets out of a rate that came in: marked when it is more than a quiet day's.
func (k Kit) drop(name string, v, of float64) widget.Cell {
	switch {
	case v >= cause.DropFloor && v >= of*cause.DropCrit:
		return k.cell(theme.Crit, k.Units.Number(name, v)+"!")
	case v >= cause.DropFloor && v >= of*cause.DropWarn:
		return k.cell(theme.Warn, k.Units.Number(name, v)+"!")
	case v > 0:
		return k.cell(theme.Text, k.Units.Number(name, v)+" ")
	}
	return k.cell(theme.Dim, "0 ")
}

// spark is the last minute in w cells.
func (k Kit) spark(history []float64, w int) widget.Cell {
	n := w
	if k.Glyphs.Braille {
		n = 2 * w
	}
	return k.cell(theme.Spark, widget.Spark(k.fold(history, n), w, 0, k.Glyphs))
}

// fold makes a history of one sample a tick at most n samples long, by averages over whole numbers of ticks. They begin
// at fixed times and not at the newest sample: a tick changes the last one, and only every few ticks all of them move.
func (k Kit) fold(history []float64, n int) []float64 {
	each := int64((len(history) + n - 1) / max(n, 1))
	if each <= 1 {
		return history
	}
	var out []float64
	for i := 0; i < len(history); {
		j := i + 1
		for j < len(history) && (k.Tick-int64(len(history)-1-j))%each != 0 {
			j++
		}
		out = append(out, mean(history[i:j]))
		i = j
	}
	return out[max(0, len(out)-n):]
}

// severity is the style of a problem or an event.
func severity(s string) theme.Token {
	switch s {
	case "crit":
		return theme.Crit
	case "warn":
		return theme.Warn
	case "audit":
		return theme.Marked
	}
	return theme.Info
}

// Token is the style of a verdict.
func Token(l cause.Level) theme.Token { return [...]theme.Token{theme.OK, theme.Warn, theme.Crit}[l] }

// address is where a VIP is reached: its first address and port, and how many more there are.
func address(v engine.VIP) string {
	if len(v.Addresses) == 0 {
		return "-"
	}
	s := endpoint(v.Addresses[0], v.Port)
	if n := len(v.Addresses) - 1; n > 0 {
		s += " +" + strconv.Itoa(n)
	}
	return s
}

// endpoint is an address and a port; port 0 is every port.
func endpoint(a netip.Addr, port uint16) string {
	if port != 0 {
		return netip.AddrPortFrom(a, port).String()
	}
	if a.Is6() {
		return "[" + a.String() + "]:*"
	}
	return a.String() + ":*"
}

// mean is the average of a history; 0 of an empty one.
func mean(history []float64) float64 {
	sum, n := 0.0, 0
	for _, v := range history {
		if !math.IsNaN(v) {
			sum, n = sum+v, n+1
		}
	}
	if n == 0 {
		return 0
	}
	return sum / float64(n)
}

// widest is the width of a column that holds these texts, between least and most.
func widest(least, most int, texts []string) int {
	for _, s := range texts {
		least = max(least, widget.Width(widget.Clean(s)))
	}
	return min(least, most)
}
