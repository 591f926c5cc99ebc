package term

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
)

// script is a model that notes what it gets and does what a message says.
type script struct {
	got   []string
	views int
}

func (s *script) Init() tea.Cmd { return nil }

func (s *script) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.KeyMsg:
		s.got = append(s.got, msg.String())
		switch msg.String() {
		case "Q":
			return s, tea.Quit
		case "P":
			panic("in the model")
		case "C":
			return s, tea.Batch(nil, func() tea.Msg { panic("in a command") })
		case "M", "N":
			return s, Mouse(msg.String() == "M")
		case "Y":
			cmd, _ := Copy("hi")
			return s, cmd
		}
	case tea.MouseMsg:
		s.got = append(s.got, fmt.Sprintf("%s@%d,%d", tea.MouseEvent(msg), msg.X, msg.Y))
	case tea.WindowSizeMsg:
		s.got = append(s.got, fmt.Sprintf("%dx%d", msg.Width, msg.Height))
	case ProbedMsg:
		s.got = append(s.got, fmt.Sprintf("utf8=%v", msg.UTF8))
	}
	return s, nil
}

func (s *script) View() string {
	s.views++
	return "▁ " + strings.Join(s.got, " ")
}

func runes(text string, paste bool) tea.KeyMsg {
	return tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(text), Paste: paste}
}

// newTestShell is a shell whose clock stands still until it is moved.
func newTestShell(t *testing.T) (*shell, *script, *time.Time) {
	t.Helper()
	g := &gate{pass: make(chan struct{})}
	close(g.pass)
	p := NewPainter(g)
	t.Cleanup(func() { p.Close(time.Second) })
	now := time.Unix(1, 0)
	model := &script{}
	size := func() (int, int) { return 20, 2 }
	return &shell{model: model, painter: p, size: size, now: func() time.Time { return now }}, model, &now
}

func TestShellSplitsKeys(t *testing.T) {
	s, model, _ := newTestShell(t)
	s.Update(runes("jjk", false))
	s.Update(runes("a paste", true))
	s.Update(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("xy"), Alt: true})
	if got := strings.Join(model.got, "|"); got != "j|j|k|[a paste]|alt+x|alt+y" {
		t.Errorf("keys %s", got)
	}
}

// TestShellPaintsAtAPace: the first change is seen at once, and however many follow, no more than one more per pace.
func TestShellPaintsAtAPace(t *testing.T) {
	s, model, now := newTestShell(t)
	if s.Init(); model.views != 1 || strings.Join(model.got, "") != "20x2" {
		t.Errorf("%d views at first, of %q", model.views, model.got)
	}
	for range 2000 {
		s.Update(runes("j", false))
	}
	if model.views != 1 || !s.put {
		t.Errorf("%d views within no time, put off: %v", model.views, s.put)
	}
	*now = now.Add(pace)
	if s.Update(frameMsg{}); model.views != 2 || s.put {
		t.Errorf("%d views after the pace, put off: %v", model.views, s.put)
	}
	*now = now.Add(pace)
	if s.Update(runes("k", false)); model.views != 3 {
		t.Errorf("%d views: a key after a quiet time is not seen at once", model.views)
	}
}

func TestShellEndsOnAPanic(t *testing.T) {
	quits := func(cmd tea.Cmd) bool {
		if cmd == nil {
			return false
		}
		_, ok := cmd().(tea.QuitMsg)
		return ok
	}
	t.Run("of the model", func(t *testing.T) {
		s, _, _ := newTestShell(t)
		next, cmd := s.Update(runes("P", false))
		if next != s {
			t.Errorf("the next model is %v", next)
		}
		checkCrash(t, s, quits(cmd), "in the model")
	})
	t.Run("of a command", func(t *testing.T) {
		s, _, _ := newTestShell(t)
		_, cmd := s.Update(runes("C", false))
		for { // through the batches
			msg := cmd()
			batch, ok := msg.(tea.BatchMsg)
			if !ok {
				_, cmd = s.Update(msg)
				break
			}
			cmd = batch[0]
		}
		checkCrash(t, s, quits(cmd), "in a command")
	})
}

func checkCrash(t *testing.T, s *shell, quits bool, value string) {
	t.Helper()
	var crash *Crash
	if err := s.outcome(nil, nil); !quits || !errors.As(err, &crash) {
		t.Fatalf("quits %v, outcome %v", quits, err)
	}
	if crash.Value != value || !strings.Contains(crash.Error(), "shell_test.go") {
		t.Errorf("crash without its place: %v", crash)
	}
}
