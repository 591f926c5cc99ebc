package page

import (
	"math"

	"hairpin/engine"
	"hairpin/ui/theme"
	"hairpin/ui/widget"
)

// chart draws a history over h lines, with the scale at the left and the newest value at the right end.
func chart(k Kit, history []float64, w, h int) []string {
	const label = 7
	if k.Glyphs.Braille { // two samples take one cell there
		history = doubled(history)
	}
	top := ceiling(history)
	step := top / float64(h)
	var out []string
	for line := range h {
		floor := step * float64(h-1-line)
		part := make([]float64, len(history))
		for i, v := range history {
			if part[i] = math.Min(v-floor, step); floor > 0 && v <= floor {
				part[i] = math.NaN()
			}
		}
		scale := ""
		switch line {
		case 0:
			scale = widget.Number(top)
		case h - 1:
			scale = "0"
		}
		out = append(out, k.Say(theme.Dim, widget.FitRight(scale, label-1, k.Glyphs))+" "+
			k.Say(theme.Spark, widget.Spark(part, w-label, step, k.Glyphs)))
	}
	return out
}

func doubled(history []float64) []float64 {
	out := make([]float64, 0, 2*len(history))
	for _, v := range history {
		out = append(out, v, v)
	}
	return out
}

// ceiling is a round number not below any sample.
func ceiling(history []float64) float64 {
	top := 1.0
	for _, v := range history {
		top = math.Max(top, v)
	}
	ten := math.Pow(10, math.Floor(math.Log10(top)))
	for _, f := range [...]float64{1, 1.5, 2, 3, 4, 5, 6, 8} {
		if f*ten >= top {
			return f * ten
		}
	}
	return 10 * ten
}

// sum adds the histories of all NICs' ingress, newest samples in line.
func sum(nics []engine.NIC) []float64 {
	var out []float64
	for _, n := range engine.Fronts(nics) {
		for len(out) < len(n.History) {
			out = append([]float64{0}, out...)
		}
		for i, v := range n.History {
			out[len(out)-len(n.History)+i] += v
		}
	}
	return out
}
