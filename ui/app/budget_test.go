package app

import (
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"hairpin/ui/action"
	"hairpin/ui/term"
	"hairpin/ui/uitest/fake"
)

// TestBytesPerFrame: with every number moving, a second of any screen is small enough for a slow link, and the first
// frame is there at once.
func TestBytesPerFrame(t *testing.T) {
	for _, size := range []struct{ w, h, budget int }{{80, 24, 600}, {140, 40, 1400}} {
		for _, screen := range []action.ID{action.GoOverview, action.GoChain, action.GoVIPs, action.Open, action.GoLimits, action.GoEvents} {
			before := fake.Incident()
			d := open80(t, before)
			d.size(size.w, size.h)
			if screen == action.Open {
				d.do(action.GoVIPs)
			}
			d.do(screen)
			p := term.NewPainter(io.Discard)
			p.SetUTF8(true)
			p.SetSync(true)
			paint := func() uint64 {
				was := p.Stats()
				p.Paint(d.m.View(), size.w, size.h)
				for end := time.Now().Add(time.Minute); p.Stats().Frames == was.Frames && time.Now().Before(end); {
					time.Sleep(100 * time.Microsecond)
				}
				return p.Stats().Bytes - was.Bytes
			}
			if first := paint(); first > 12_000 {
				t.Errorf("%s %dx%d: the first frame has %d bytes", screen, size.w, size.h, first)
			}
			const frames = 60
			r, sum := rand.New(rand.NewPCG(1, 2)), uint64(0)
			for s := before; d.now.Before(fake.Epoch().Add(frames * time.Second)); {
				s = fake.Stir(before, s, r)
				d.now = s.Time
				d.show(s)
				sum += paint()
			}
			t.Logf("%s %dx%d: %d bytes a frame", screen, size.w, size.h, sum/frames)
			if sum/frames > uint64(size.budget) {
				t.Errorf("%s %dx%d: %d bytes a frame, the budget is %d", screen, size.w, size.h, sum/frames, size.budget)
			}
			if err := p.Close(time.Minute); err != nil {
				t.Error(err)
			}
		}
	}
}

func BenchmarkView(b *testing.B) {
	d := open80(b, fake.Incident())
	d.size(140, 40)
	for b.Loop() {
		d.m.View()
	}
}
