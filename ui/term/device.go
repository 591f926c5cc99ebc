package term

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/term"
	"golang.org/x/sys/unix"
)

// ErrNoTerminal is returned when there is nothing to draw on.
var ErrNoTerminal = errors.New("not a terminal")

var errStalled = errors.New("terminal takes no output")

const (
	// enter: other screen, cursor hidden, nothing wraps, pasted text comes as such.
	enter = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[?2004h"
	// leave undoes enter, and what a frame that was cut off may have left behind.
	leave = ansi.ResetModeSynchronizedOutput + ansi.ResetStyle + mouseOff + "\x1b[?2004l\x1b[?7h\x1b[?25h\x1b[?1049l"

	// goodbye is how long a stalled terminal may delay the end of the program.
	goodbye = 250 * time.Millisecond
)

// device is the terminal, taken over.
type device struct {
	in, out *os.File
	own     bool // out is ours to close, and its writes can be called off
	before  *term.State
	painter *Painter
	moused  atomic.Bool // the mouse is reported
}

// open takes the terminal over: raw input, our screen.
func open(in, out *os.File) (*device, error) {
	for _, f := range []*os.File{in, out} {
		if !term.IsTerminal(f.Fd()) {
			return nil, fmt.Errorf("open console: %s: %w", f.Name(), ErrNoTerminal)
		}
	}
	d := &device{in: in, out: out}
	var err error
	if d.before, err = term.GetState(in.Fd()); err != nil {
		return nil, fmt.Errorf("open console: read terminal modes: %w", err)
	}
	if err := d.raw(); err != nil {
		return nil, fmt.Errorf("open console: %w", err)
	}
	if own, ok := reopen(out); ok {
		d.out, d.own = own, true
	}
	d.painter = NewPainter(d.out)
	d.painter.Send(enter)
	return d, nil
}

// mouse has the terminal report the mouse, or not. One that never did is left alone.
func (d *device) mouse(on bool) {
	if on {
		d.painter.Send(mouseOn)
	} else if d.moused.Load() {
		d.painter.Send(mouseOff)
	}
	d.moused.Store(on)
}

func (d *device) raw() error {
	if _, err := term.MakeRaw(d.in.Fd()); err != nil {
		return fmt.Errorf("set raw mode: %w", err)
	}
	return nil
}

// reopen opens the same terminal once more, so that its writes can have deadlines: they need O_NONBLOCK, which on the
// file that we were given would also reach the shell.
func reopen(f *os.File) (*os.File, bool) {
	own, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), os.O_WRONLY|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, false
	}
	if own.SetWriteDeadline(time.Time{}) != nil {
		own.Close()
		return nil, false
	}
	return own, true
}

// size is columns and rows. A serial line does not say, and most are 80x24.
func (d *device) size() (w, h int) {
	w, h, err := term.GetSize(d.in.Fd())
	if err != nil || w <= 0 || h <= 0 {
		return 80, 24
	}
	return w, h
}

// close gives the terminal back as it was, and waits for a stalled one only a moment.
func (d *device) close() error {
	err := d.painter.Close(goodbye)
	if err == nil || d.own {
		if d.own {
			d.out.SetWriteDeadline(time.Now().Add(goodbye))
		}
		_, werr := io.WriteString(d.out, leave)
		err = errors.Join(err, werr)
	}
	if d.own {
		err = errors.Join(err, d.out.Close())
	}
	if rerr := term.Restore(d.in.Fd(), d.before); rerr != nil {
		err = errors.Join(err, fmt.Errorf("restore terminal modes: %w", rerr))
	}
	return err
}
