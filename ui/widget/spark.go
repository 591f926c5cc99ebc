package widget

import (
	"math"
	"strings"

	"hairpin/ui/theme"
)

// Spark draws the newest values (oldest first) as exactly w cells, the newest at the right end. The scale goes from 0 to
// top; a top of 0 takes the next round number above the largest value drawn. A value that is not a number is blank; one
// above 0 is never drawn as 0.
func Spark(values []float64, w int, top float64, g theme.Glyphs) string {
	if w <= 0 {
		return ""
	}
	perCell := 1
	if g.Braille {
		perCell = 2
	}
	if n := w * perCell; len(values) > n {
		values = values[len(values)-n:]
	}
	if !(top > 0) || math.IsInf(top, 0) {
		top = roundUp(values)
	}
	if g.Braille {
		return braille(values, w, top)
	}
	var b strings.Builder
	b.WriteString(spaces(w - len(values)))
	for _, v := range values {
		if math.IsNaN(v) {
			b.WriteByte(' ')
			continue
		}
		b.WriteString(g.Spark[level(v, top, len(g.Spark)-1)])
	}
	return b.String()
}

// roundUp is the smallest 1, 2 or 5 times a power of ten that holds all values: it changes rarely, so that the whole line
// is not drawn anew with each value.
func roundUp(values []float64) float64 {
	largest := 0.0
	for _, v := range values {
		if v > largest && !math.IsInf(v, 0) {
			largest = v
		}
	}
	if largest == 0 {
		return 1
	}
	ten := math.Pow(10, math.Floor(math.Log10(largest)))
	for _, step := range []float64{1, 2, 5} {
		if step*ten >= largest {
			return step * ten
		}
	}
	return 10 * ten
}

// level is where a value stands between 0 and highest.
func level(v, top float64, highest int) int {
	if v <= 0 {
		return 0
	}
	return min(int(math.Ceil(min(v/top, 1)*float64(highest))), highest)
}

// Dots of a braille cell from the bottom up, left and right column.
var brailleDots = [2][4]rune{{0x40, 0x04, 0x02, 0x01}, {0x80, 0x20, 0x10, 0x08}}

func braille(values []float64, w int, top float64) string {
	cells := make([]rune, w)
	for i := range cells {
		cells[i] = 0x2800
	}
	first := 2*w - len(values)
	for i, v := range values {
		if math.IsNaN(v) {
			continue
		}
		column := first + i
		for dot := range 1 + level(v, top, 3) { // one dot is 0
			cells[column/2] |= brailleDots[column%2][dot]
		}
	}
	return string(cells)
}

// Bar is exactly w cells of which a share is filled. It is empty only for 0, and full only from 1 on unless w is 1.
func Bar(share float64, w int, g theme.Glyphs) string {
	if w <= 0 {
		return ""
	}
	n := 0
	switch {
	case share >= 1:
		n = w
	case share > 0:
		n = min(max(int(math.Round(share*float64(w))), 1), max(w-1, 1))
	}
	return strings.Repeat(g.BarFull, n) + strings.Repeat(g.BarRest, w-n)
}
