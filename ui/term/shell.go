package term

import (
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	tea "github.com/charmbracelet/bubbletea"
)

// pace is the shortest time between two frames.
const pace = 50 * time.Millisecond

type (
	frameMsg   struct{}               // it is time for a frame that was put off
	repaintMsg struct{}               // the screen may show something else
	copyMsg    struct{ text string }  // for the clipboard
	panicMsg   struct{ crash *Crash } // of a command
)

// Crash is a panic of the program on the screen.
type Crash struct {
	Value any
	Stack []byte
}

func (c *Crash) Error() string { return fmt.Sprintf("panic: %v\n\n%s", c.Value, c.Stack) }

// Repaint is a command that draws the whole screen anew.
func Repaint() tea.Msg { return repaintMsg{} }

// shell stands between bubbletea and the model: it paints what the model shows, no more often than needed.
type shell struct {
	model   tea.Model
	painter *Painter
	copier  clipboard
	size    func() (w, h int) // of the terminal
	mouse   func(on bool)
	now     func() time.Time

	w, h  int
	last  time.Time // of the last frame
	put   bool      // a frame was put off
	crash *Crash
}

// Init paints the first frame. The model gets the size before any other message.
func (s *shell) Init() (cmd tea.Cmd) {
	defer s.rescue(&cmd)
	first := s.guard(s.model.Init())
	w, h := s.size()
	_, then := s.Update(tea.WindowSizeMsg{Width: w, Height: h})
	return tea.Batch(first, then)
}

// View is empty: frames go to the painter.
func (s *shell) View() string { return "" }

// Update hands a message to the model and sees that the screen follows.
func (s *shell) Update(msg tea.Msg) (next tea.Model, cmd tea.Cmd) {
	next = s // also after a panic
	defer s.rescue(&cmd)
	switch msg := msg.(type) {
	case frameMsg:
		s.put = false
		s.paint()
		return s, nil
	case repaintMsg:
		s.painter.Repaint()
		return s, nil
	case mouseMsg:
		s.mouse(msg.on)
		return s, nil
	case copyMsg:
		s.painter.Send(s.copier.sequence(msg.text))
		return s, nil
	case panicMsg:
		s.crash = msg.crash
		return s, tea.Quit
	case tea.WindowSizeMsg:
		s.w, s.h = msg.Width, msg.Height
	}
	var cmds []tea.Cmd
	for _, m := range split(msg) {
		var c tea.Cmd
		s.model, c = s.model.Update(m)
		cmds = append(cmds, s.guard(c))
	}
	return s, tea.Batch(append(cmds, s.show())...)
}

// rescue turns a panic of the model into the end of the program.
func (s *shell) rescue(cmd *tea.Cmd) {
	if v := recover(); v != nil {
		s.crash, *cmd = &Crash{v, debug.Stack()}, tea.Quit
	}
}

// show paints now, or when the pace allows it.
func (s *shell) show() tea.Cmd {
	wait := pace - s.now().Sub(s.last)
	switch {
	case s.put:
		return nil
	case wait <= 0:
		s.paint()
		return nil
	}
	s.put = true
	return tea.Tick(wait, func(time.Time) tea.Msg { return frameMsg{} })
}

func (s *shell) paint() {
	s.last = s.now()
	s.painter.Paint(s.model.View(), s.w, s.h)
}

// split gives keys that were read together one by one. A paste stays whole.
func split(msg tea.Msg) []tea.Msg {
	k, ok := msg.(tea.KeyMsg)
	if !ok || k.Type != tea.KeyRunes || k.Paste || len(k.Runes) < 2 {
		return []tea.Msg{msg}
	}
	var keys []tea.Msg
	for _, r := range k.Runes {
		keys = append(keys, tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune{r}, Alt: k.Alt})
	}
	return keys
}

// guard turns a panic of a command into the end of the program, with the terminal given back first.
func (s *shell) guard(cmd tea.Cmd) tea.Cmd {
	if cmd == nil {
		return nil
	}
	return func() (msg tea.Msg) {
		defer func() {
			if v := recover(); v != nil {
				msg = panicMsg{&Crash{v, debug.Stack()}}
			}
		}()
		msg = cmd()
		if batch, ok := msg.(tea.BatchMsg); ok {
			for i := range batch {
				batch[i] = s.guard(batch[i])
			}
		}
		return msg
	}
}

// outcome says how the program ended.
func (s *shell) outcome(err, closeErr error) error {
	switch {
	case s.crash != nil:
		return s.crash
	case errors.Is(err, ErrHungUp):
		return ErrHungUp
	case err != nil:
		return fmt.Errorf("run console: %w", err)
	case closeErr != nil:
		return fmt.Errorf("close console: %w", closeErr)
	}
	return nil
}
