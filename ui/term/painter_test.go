package term

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"hairpin/ui/uitest"
)

// gate is a terminal that takes a write only when it is let through, and keeps each write.
type gate struct {
	pass   chan struct{}
	mu     sync.Mutex
	writes []string
}

func (g *gate) Write(p []byte) (int, error) {
	<-g.pass
	g.mu.Lock()
	defer g.mu.Unlock()
	g.writes = append(g.writes, string(p))
	return len(p), nil
}

func (g *gate) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.writes)
}

// eventually waits for a condition that another goroutine brings about.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

func TestPainterWritesAFrameAtOnce(t *testing.T) {
	g := &gate{pass: make(chan struct{})}
	p := NewPainter(g)
	p.SetUTF8(true)
	o := newOverview(2)
	var frame string
	for n := 1; n <= 10; n++ {
		frame = o.frame(80, 24)
		p.Paint(frame, 80, 24)
		g.pass <- struct{}{}
		eventually(t, "the write of a frame", func() bool { return p.Stats().Frames == uint64(n) })
	}
	if got := p.Stats(); got.Writes != 10 || g.count() != 10 {
		t.Errorf("10 frames took %d writes, counted as %+v", g.count(), got)
	}
	if got, want := p.Stats().Bytes, uint64(len(strings.Join(g.writes, ""))); got != want {
		t.Errorf("counted %d bytes of %d", got, want)
	}
	p.Paint(frame, 80, 24) // the same again: nothing to write
	if err := p.Close(time.Minute); err != nil || g.count() != 10 {
		t.Errorf("close: %v, %d writes", err, g.count())
	}
}

// TestPainterNewestWins: frames that came while the terminal stalled are never seen, the newest is.
func TestPainterNewestWins(t *testing.T) {
	g := &gate{pass: make(chan struct{})}
	p := NewPainter(g)
	for n := range 1000 {
		p.Paint(fmt.Sprintf("frame %d", n), 20, 2)
	}
	close(g.pass)
	if err := p.Close(time.Minute); err != nil {
		t.Fatal(err)
	}
	if n := g.count(); n > 2 {
		t.Errorf("%d writes for one stall", n)
	}
	term := uitest.NewTerminal(20, 2)
	io.WriteString(term, "\x1b[?7l"+strings.Join(g.writes, ""))
	term.Screen().Has(t, "frame 999")
}

// TestPainterNeverWaits: with a terminal that takes nothing, for ever, every method returns, and Close after its grace.
func TestPainterNeverWaits(t *testing.T) {
	g := &gate{pass: make(chan struct{})}
	p := NewPainter(g)
	o := newOverview(3)
	frame := o.frame(140, 40)
	for range 5000 {
		p.Paint(frame, 140, 40)
		p.Repaint()
		p.SetSync(true)
		p.SetUTF8(true)
		p.Stats()
	}
	chunk := strings.Repeat("x", 10_000)
	for sent := 0; p.Send(chunk); sent += len(chunk) { // one chunk may be with the terminal already
		if sent > 2*maxExtra {
			t.Fatal("more waits than is allowed")
		}
	}
	if err := p.Close(10 * time.Millisecond); !errors.Is(err, errStalled) {
		t.Errorf("close: %v", err)
	}
	close(g.pass)
	<-p.done
}

func TestPainterKeepsSequencesInOrder(t *testing.T) {
	g := &gate{pass: make(chan struct{})}
	close(g.pass)
	p := NewPainter(g)
	for n := range 100 {
		if !p.Send(fmt.Sprintf("<%d>", n)) {
			t.Fatal("refused")
		}
	}
	if err := p.Close(time.Minute); err != nil {
		t.Fatal(err)
	}
	all := strings.Join(g.writes, "")
	for n := range 100 {
		head := fmt.Sprintf("<%d>", n)
		if !strings.HasPrefix(all, head) {
			t.Fatalf("%d is missing or late: %q", n, all)
		}
		all = all[len(head):]
	}
}

func TestPainterHoldsOutputBack(t *testing.T) {
	g := &gate{pass: make(chan struct{})}
	close(g.pass)
	p := NewPainter(g)
	p.Send("seq")
	p.Paint("one", 9, 1)
	eventually(t, "the first frame", func() bool { return p.Stats().Frames == 1 })
	p.SetSync(true)
	p.Paint("two", 9, 1)
	if err := p.Close(time.Minute); err != nil {
		t.Fatal(err)
	}
	before, last := strings.Join(g.writes[:len(g.writes)-1], ""), g.writes[len(g.writes)-1]
	if strings.Contains(before, "2026") || !strings.HasPrefix(last, "\x1b[?2026h") || !strings.HasSuffix(last, "\x1b[?2026l") {
		t.Errorf("writes: %q", g.writes)
	}
}

// failing is a terminal that is gone.
type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestPainterEndsWithTheTerminal(t *testing.T) {
	p := NewPainter(failing{})
	p.Paint("x", 1, 1)
	<-p.done
	p.Paint("y", 1, 1) // still nobody waits
	if err := p.Close(time.Minute); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("close: %v", err)
	}
}
