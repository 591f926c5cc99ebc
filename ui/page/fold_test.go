package page

import (
	"slices"
	"testing"
)

func TestFoldIsSteadyBetweenTicks(t *testing.T) {
	at := func(tick int64) []float64 { // the history of a counter that counts its ticks
		h := make([]float64, 60)
		for i := range h {
			h[i] = float64(tick - 59 + int64(i))
		}
		return Kit{Tick: tick}.fold(h, 12)
	}
	for tick := int64(100); tick < 130; tick++ {
		got := at(tick)
		if len(got) != 12 {
			t.Fatalf("tick %d: %d samples", tick, len(got))
		}
		// Every full average begins at a multiple of five: 100..104 is 102, and so on.
		for _, v := range got[1 : len(got)-1] {
			if int(v*2)%10 != 4 {
				t.Errorf("tick %d: %v is no average of five from a multiple of five: %v", tick, v, got)
			}
		}
		if next := at(tick + 1); (tick+1)%5 != 0 && !slices.Equal(got[1:11], next[1:11]) {
			t.Errorf("tick %d: all of it moved:\n%v\n%v", tick, got, next)
		}
	}
	if got := (Kit{}).fold([]float64{1, 2, 3}, 12); !slices.Equal(got, []float64{1, 2, 3}) {
		t.Errorf("short: %v", got)
	}
}
