package widget

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/charmbracelet/lipgloss"

	"hairpin/ui/theme"
)

// pieces are what random text is made of.
var pieces = []string{
	"a", "backend-", "12.4k", " ", "    ", "世界", "ｗｉｄｅ", "é", "e\u0301", "👩‍👩‍👧", "🇩🇪", "☕", "♥\ufe0f", "\u200b", "▁▂▃", "\t", "\n", "\x1b[31m",
	"\x1b[m", "\x1b[2J", "\xff", "\x00", "\u202e",
}

func text(r *rand.Rand) string {
	s := ""
	for range r.IntN(12) {
		s += pieces[r.IntN(len(pieces))]
	}
	return s
}

// styled is text as pages hand it over: clean, in lipgloss's styles.
func styled(r *rand.Rand, rend *lipgloss.Renderer) string {
	s := ""
	for range r.IntN(4) {
		st := rend.NewStyle().Bold(r.IntN(2) == 0).Reverse(r.IntN(2) == 0).Underline(r.IntN(4) == 0)
		if r.IntN(2) == 0 {
			st = st.Foreground(lipgloss.Color(fmt.Sprint(r.IntN(16))))
		}
		s += st.Render(Clean(text(r)))
	}
	return s
}

func number(r *rand.Rand) float64 {
	return []float64{0, -1, math.NaN(), math.Inf(1), math.Inf(-1), r.Float64(), r.Float64() * 1e6, math.Pow(10, r.Float64()*40-10)}[r.IntN(8)]
}

// TestNothingOverflows draws every widget with random data at sizes from 20x5 to 200x60, and at degenerate ones: each line is
// exactly as wide as asked for, and each block exactly as high.
func TestNothingOverflows(t *testing.T) {
	rend := renderer()
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 9))
		w, h := 20+r.IntN(181), 5+r.IntN(56)
		if seed%10 == 0 {
			w, h = r.IntN(20), r.IntN(5)
		}
		g := []theme.Glyphs{theme.Block(), theme.Braille(), theme.ASCII()}[r.IntN(3)]
		for name, block := range draw(r, rend, w, h, g) {
			if len(block.lines) != block.h {
				t.Fatalf("seed %d: %s in %dx%d is %d lines high, want %d", seed, name, w, h, len(block.lines), block.h)
			}
			for y, line := range block.lines {
				if Width(line) != block.w {
					t.Fatalf("seed %d: line %d of %s in %dx%d is %d wide, want %d: %q", seed, y, name, w, h, Width(line), block.w, line)
				}
			}
		}
		for _, line := range Wrap(styled(r, rend)+" "+styled(r, rend), w) {
			if Width(line) > w {
				t.Fatalf("seed %d: a wrapped line is %d of %d wide: %q", seed, Width(line), w, line)
			}
		}
	}
}

type drawn struct {
	lines []string
	w, h  int
}

func draw(r *rand.Rand, rend *lipgloss.Renderer, w, h int, g theme.Glyphs) map[string]drawn {
	var values []float64
	var body []string
	for range r.IntN(100) {
		values = append(values, number(r))
		body = append(body, styled(r, rend))
	}
	screen := Fill(body, w, h, g)
	box := Box(styled(r, rend), body, r.IntN(w+10), r.IntN(h+5), rend.NewStyle(), g)
	return map[string]drawn{
		"a line":     {[]string{Line(w, styled(r, rend), styled(r, rend), g)}, w, 1},
		"a right":    {[]string{FitRight(styled(r, rend), w, g)}, w, 1},
		"a spark":    {[]string{Spark(values, w, number(r), g)}, w, 1},
		"a bar":      {[]string{Bar(number(r), w, g)}, w, 1},
		"a screen":   {screen, w, h},
		"a box":      {Box(styled(r, rend), body, w, h, rend.NewStyle(), g), w, h},
		"an overlay": {Place(screen, box, r.IntN(w+10)-5, r.IntN(h+10)-5), w, h},
		"a dialog":   {Center(screen, box, w), w, h},
		"a pair":     {Fill(Beside(body, w/2, 1, screen, w-w/2-1, g), w, h, g), w, h},
		"a table":    {randomTable(r, rend, g).Render(w, h), w, h},
	}
}

func randomTable(r *rand.Rand, rend *lipgloss.Renderer, g theme.Glyphs) Table {
	t := Table{Selected: r.IntN(12) - 1, Offset: r.IntN(8) - 2, Selection: rend.NewStyle().Reverse(true), Glyphs: g}
	for range 1 + r.IntN(8) {
		t.Columns = append(t.Columns, Column{
			Title: Clean(text(r)), Width: 1 + r.IntN(20), Right: r.IntN(2) == 0, Grow: r.IntN(4) == 0, Drop: r.IntN(4),
		})
	}
	for range r.IntN(80) {
		row := Row{Marked: r.IntN(5) == 0}
		for range r.IntN(9) {
			row.Cells = append(row.Cells, Cell{Text: text(r), Style: rend.NewStyle().Bold(r.IntN(2) == 0)})
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// TestNumbersKeepTheirWidth: every way to write a number fits the columns made for it.
func TestNumbersKeepTheirWidth(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	var u Units
	for range 100_000 {
		v := number(r)
		for name, s := range map[string]string{"number": Number(v), "unit": u.Number("x", v), "percent": Percent(v), "factor": Factor(v, 3)} {
			if Width(s) > 6 || s == "" {
				t.Fatalf("%s of %v is %q", name, v, s)
			}
		}
	}
}
