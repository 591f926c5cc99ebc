package term

import (
	"fmt"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"hairpin/ui/uitest"
)

// TestBytesPerFrame: a screen on which every number moves stays within what a slow link carries.
func TestBytesPerFrame(t *testing.T) {
	for _, c := range []struct{ w, h, first, steady int }{
		{80, 24, 12_000, 600},
		{140, 40, 12_000, 1400},
	} {
		o := newOverview(1)
		var k canvas
		first := len(k.draw(o.frame(c.w, c.h), c.w, c.h))
		const frames = 60
		const sync = len(ansi.SetModeSynchronizedOutput + ansi.ResetModeSynchronizedOutput)
		sum, worst := 0, 0
		for range frames {
			n := len(k.draw(o.frame(c.w, c.h), c.w, c.h)) + sync
			sum, worst = sum+n, max(worst, n)
		}
		t.Logf("%dx%d: first frame %d bytes, then %d on average, %d at most", c.w, c.h, first, sum/frames, worst)
		if first > c.first || sum/frames > c.steady {
			t.Errorf("%dx%d: first frame %d of %d bytes, then %d of %d on average", c.w, c.h, first, c.first, sum/frames, c.steady)
		}
	}
}

// TestOverviewMoves keeps the budget honest: the numbers do move, and nothing is cut.
func TestOverviewMoves(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {140, 40}} {
		w, h := size[0], size[1]
		o := newOverview(1)
		before := uitest.NewScreen(o.frame(w, h), w, h)
		frame := o.frame(w, h)
		after := uitest.NewScreen(frame, w, h)
		if over := uitest.Overflow(frame, w, h); over != "" {
			t.Error(over)
		}
		moved := 0
		for y := range h {
			if before.Row(y) != after.Row(y) {
				moved++
			}
		}
		if moved < 11 {
			t.Errorf("only %d rows of %dx%d moved:\n%s", moved, w, h, after.Text())
		}
		y := after.Has(t, "CRIT", "lb-fra-07", "LIVE 1s")
		after.RowHas(t, y+1, "web-443", "enter=why")
	}
}

// BenchmarkFrame is the cost of one tick: View, difference, and bytes.
func BenchmarkFrame(b *testing.B) {
	for _, size := range [][2]int{{80, 24}, {140, 40}} {
		w, h := size[0], size[1]
		b.Run(fmt.Sprintf("%dx%d", w, h), func(b *testing.B) {
			o := newOverview(1)
			var k canvas
			k.draw(o.frame(w, h), w, h)
			bytes := 0
			for b.Loop() {
				bytes += len(k.draw(o.frame(w, h), w, h))
			}
			b.ReportMetric(float64(bytes)/float64(b.N), "bytes/frame")
		})
	}
}
