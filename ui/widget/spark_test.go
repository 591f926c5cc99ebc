package widget

import (
	"math"
	"math/rand/v2"
	"testing"

	"hairpin/ui/theme"
)

func TestSpark(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		about  string
		values []float64
		w      int
		top    float64
		set    theme.Glyphs
		want   string
	}{
		{"levels", []float64{0, 1, 2, 3, 4, 5, 6, 7}, 8, 7, theme.Block(), "▁▂▃▄▅▆▇█"},
		{"the newest at the right end", []float64{7, 0, 7}, 2, 7, theme.Block(), "▁█"},
		{"few values", []float64{7}, 3, 7, theme.Block(), "  █"},
		{"little is more than nothing", []float64{0, 0.001}, 2, 7, theme.Block(), "▁▂"},
		{"beyond the top", []float64{1e9, math.Inf(1), -5}, 3, 7, theme.Block(), "██▁"},
		{"what is not known", []float64{nan, 7}, 2, 7, theme.Block(), " █"},
		{"a scale of its own", []float64{0, 40}, 2, 0, theme.Block(), "▁▇"}, // up to 50
		{"nothing but zeros", []float64{0, 0}, 2, 0, theme.Block(), "▁▁"},
		{"no values", nil, 3, 0, theme.Block(), "   "},
		{"no room", []float64{1}, 0, 0, theme.Block(), ""},
		{"ASCII", []float64{0, 4, 7}, 3, 7, theme.ASCII(), "_=#"},
		{"two samples a cell", []float64{0, 3, 0, 3}, 2, 3, theme.Braille(), "⣸⣸"},
		{"an odd number of them", []float64{0, nan, 3}, 2, 3, theme.Braille(), "⢀⢸"},
	} {
		t.Run(c.about, func(t *testing.T) {
			if got := Spark(c.values, c.w, c.top, c.set); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// TestSparkScaleIsSteady: the scale that it finds is a round number that holds all values and is not far above.
func TestSparkScaleIsSteady(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for range 10_000 {
		v := math.Pow(10, r.Float64()*18-6)
		top := roundUp([]float64{v / 2, v, math.NaN()})
		if top < v || top > 2.51*v {
			t.Fatalf("%v has the scale %v", v, top)
		}
		if again := roundUp([]float64{top}); math.Abs(again-top) > top*1e-9 {
			t.Fatalf("%v is not on its own scale, %v is", top, again)
		}
	}
}

func TestBar(t *testing.T) {
	for _, c := range []struct {
		share float64
		w     int
		want  string
	}{
		{0, 4, "----"}, {0.5, 4, "##--"}, {1, 4, "####"}, {0.001, 4, "#---"}, {0.999, 4, "###-"}, {7, 4, "####"}, {-1, 4, "----"},
		{math.NaN(), 4, "----"}, {0.5, 1, "#"}, {0.5, 0, ""}, {0.5, -3, ""},
	} {
		if got := Bar(c.share, c.w, theme.ASCII()); got != c.want {
			t.Errorf("%v in %d: %q, want %q", c.share, c.w, got, c.want)
		}
	}
}
