// Package term runs a bubbletea program on a terminal that may be slow, stalled, or know little: input that does not cut
// keys, output as cell differences from a goroutine of its own, and no question that anybody waits for.
package term

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"hairpin/ui/term/quiet"
)

// quiet's init came before bubbletea's, and this one comes after it.
func init() { quiet.Over() }

// Options say what to run on.
type Options struct {
	In, Out *os.File            // the terminal; nil = standard input and output
	Getenv  func(string) string // nil = os.Getenv
	UTF8    bool                // the terminal knows UTF-8 for sure: do not wait for its answer
}

// ErrHungUp is returned when the terminal went away, as when an SSH session is lost.
var ErrHungUp = errors.New("terminal hung up")

// Run shows a model on the terminal until it quits, ctx ends, or the terminal goes away, and gives the terminal back as it
// was. The model gets, beside bubbletea's messages: a tea.WindowSizeMsg first of all, one KeyMsg per key even when keys
// come together, and what the probe's answers mean. Its View is called at most 20 times a second, and must be lines of styled text.
//
// A panic in the model or its commands is returned as an error with its stack, after the terminal is given back. Signals
// but SIGWINCH and SIGCONT are the caller's to turn into the end of ctx; that end is no error.
func Run(ctx context.Context, model tea.Model, o Options) (tea.Model, Stats, error) {
	o = o.withDefaults()
	if o.Getenv("TERM") == "dumb" {
		return model, Stats{}, fmt.Errorf("open console: TERM=dumb cannot place the cursor: %w", ErrNoTerminal)
	}
	d, err := open(o.In, o.Out)
	if err != nil {
		return model, Stats{}, err
	}
	s := &shell{model: model, painter: d.painter, copier: clipboardFor(o.Getenv), size: d.size, mouse: d.mouse, now: time.Now}
	in := &input{File: o.In, wait: escapeWait, probe: &probe{now: time.Now}}
	p := tea.NewProgram(s, tea.WithInput(in), tea.WithoutRenderer(), tea.WithoutSignalHandler())
	ask(in.probe, d.painter, p, o.UTF8)
	unwatch := watch(d, p, in.probe)
	// A quit, and not WithContext: a killed program leaves its reader behind.
	dismiss := context.AfterFunc(ctx, p.Quit)
	_, err = p.Run()
	dismiss()
	unwatch()
	closeErr := d.close()
	return s.model, d.painter.Stats(), s.outcome(err, closeErr)
}

func (o Options) withDefaults() Options {
	if o.In == nil {
		o.In = os.Stdin
	}
	if o.Out == nil {
		o.Out = os.Stdout
	}
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	return o
}

// ask sends the questions; the answers reach the painter and the model whenever they come.
func ask(pr *probe, painter *Painter, p *tea.Program, utf8 bool) {
	painter.SetUTF8(utf8)
	pr.synced = painter.SetSync
	pr.utf8 = func(yes bool) {
		if yes = yes || utf8; yes {
			painter.SetUTF8(true)
		}
		p.Send(ProbedMsg{UTF8: yes})
	}
	pr.light = func(yes bool) { p.Send(BackgroundMsg{yes}) }
	pr.took = func(d time.Duration) { p.Send(LinkMsg{d}) }
	pr.ask(painter.Send)
}

// pulse is how often the terminal is asked for an answer.
const pulse = 10 * time.Second

// watch follows the terminal's size and the time it takes to answer, and takes it over again when the program is continued
// after a stop.
func watch(d *device, p *tea.Program, pr *probe) (stop func()) {
	// A channel each: of one kind the latest is enough, and none displaces the other.
	resized, continued := make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(resized, syscall.SIGWINCH)
	signal.Notify(continued, syscall.SIGCONT)
	quit, done := make(chan struct{}), make(chan struct{})
	beat := time.NewTicker(pulse)
	go func() {
		defer close(done)
		defer beat.Stop()
		for {
			select {
			case <-quit:
				return
			case <-beat.C:
				pr.ping(d.painter.Send)
				continue
			case <-continued:
				if d.raw() == nil {
					d.painter.Send(enter)
					d.mouse(d.moused.Load())
					d.painter.Repaint()
				}
			case <-resized:
			}
			w, h := d.size()
			p.Send(tea.WindowSizeMsg{Width: w, Height: h})
		}
	}()
	return func() {
		signal.Stop(resized)
		signal.Stop(continued)
		close(quit)
		<-done
	}
}
