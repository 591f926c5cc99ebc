package term

import (
	"io"
	"sync"
	"time"

	"github.com/charmbracelet/x/ansi"
)

// Stats counts what went to the terminal.
type Stats struct {
	Bytes  uint64
	Frames uint64 // writes that carried a frame
	Writes uint64 // all writes
}

// Painter writes frames to a terminal from a goroutine of its own, each as the difference to the one before and in one
// write. None of its methods waits for the terminal: while it stalls, newer frames replace older ones.
type Painter struct {
	out  io.Writer
	done chan struct{}

	mu     sync.Mutex
	wake   *sync.Cond
	next   frame
	dirty  bool
	extra  []byte // sequences to write beside the frames, in order
	forget bool
	utf8   bool
	sync   bool
	closed bool
	stats  Stats
	err    error
}

type frame struct {
	text string
	w, h int
}

// NewPainter begins to paint. The terminal must have automatic wrapping off. Until SetUTF8 it gets ASCII only.
func NewPainter(out io.Writer) *Painter {
	p := &Painter{out: out, done: make(chan struct{})}
	p.wake = sync.NewCond(&p.mu)
	go p.loop()
	return p
}

// Paint makes the terminal show a frame, lines of styled text, in w columns and h rows. Of several frames that wait,
// the newest wins.
func (p *Painter) Paint(text string, w, h int) {
	p.change(func() { p.next, p.dirty = frame{text, w, h}, true })
}

// maxExtra bounds what waits beside the frames while a terminal stalls.
const maxExtra = 1 << 20

// Send writes a sequence that moves no cursor and draws nothing, after what was sent before. It is false, and nothing is
// written, when too much waits already.
func (p *Painter) Send(seq string) bool {
	ok := false
	p.change(func() {
		if ok = len(p.extra)+len(seq) <= maxExtra; ok {
			p.extra = append(p.extra, seq...)
		}
	})
	return ok
}

// Repaint writes the newest frame again as a whole: the terminal may show something else.
func (p *Painter) Repaint() { p.change(func() { p.forget, p.dirty = true, p.next.w > 0 }) }

// SetUTF8 says whether the terminal may get more than ASCII. The frame on the screen is written again if that changed.
func (p *Painter) SetUTF8(yes bool) {
	p.change(func() {
		if p.utf8 != yes {
			p.utf8, p.dirty = yes, p.next.w > 0
		}
	})
}

// SetSync makes frames appear at once (mode 2026), for terminals that know how.
func (p *Painter) SetSync(yes bool) { p.change(func() { p.sync = yes }) }

// Stats is what was written so far.
func (p *Painter) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stats
}

// Close writes what waits and ends the painter. When the terminal takes nothing for as long as grace, it returns all
// the same, with an error; closing or timing out the writer then ends the goroutine.
func (p *Painter) Close(grace time.Duration) error {
	p.change(func() { p.closed = true })
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.done:
		return p.err
	case <-timer.C:
		return errStalled
	}
}

func (p *Painter) change(f func()) {
	p.mu.Lock()
	f()
	p.mu.Unlock()
	p.wake.Signal()
}

// loop owns the canvas and the writer.
func (p *Painter) loop() {
	defer close(p.done)
	var c canvas
	for {
		f, extra, sync, ok := p.take(&c)
		if !ok {
			return
		}
		var b []byte
		if f != nil {
			b = c.draw(f.text, f.w, f.h)
		}
		isFrame := len(b) > 0
		if isFrame && sync {
			b = append(append([]byte(ansi.SetModeSynchronizedOutput), b...), ansi.ResetModeSynchronizedOutput...)
		}
		b = append(extra, b...)
		if len(b) == 0 {
			continue
		}
		n, err := p.out.Write(b)
		p.wrote(n, isFrame, err)
		if err != nil {
			return
		}
	}
}

// take waits for something to write. It is false when there is nothing and the painter was closed.
func (p *Painter) take(c *canvas) (f *frame, extra []byte, sync, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for !p.dirty && len(p.extra) == 0 && !p.closed {
		p.wake.Wait()
	}
	if !p.dirty && len(p.extra) == 0 {
		return nil, nil, false, false
	}
	if p.forget {
		c.forget()
	}
	c.ascii = !p.utf8
	if p.dirty {
		next := p.next
		f = &next
	}
	extra, p.extra, p.dirty, p.forget = p.extra, nil, false, false
	return f, extra, p.sync, true
}

func (p *Painter) wrote(n int, isFrame bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.Bytes += uint64(n)
	p.stats.Writes++
	if isFrame {
		p.stats.Frames++
	}
	p.err = err
}
