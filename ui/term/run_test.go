package term

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/term"
	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"hairpin/ui/uitest"
)

// session is a program on a pseudo terminal.
type session struct {
	t      *testing.T
	master *os.File
	slave  *os.File
	screen *uitest.Terminal
	before *term.State
	hold   func() // the terminal reads no more
	cancel context.CancelFunc
	done   chan struct{}
	stats  Stats
	err    error
}

// start runs a model on a terminal of 40 columns and 5 rows; with read, the terminal shows what is written to it.
func start(t *testing.T, model tea.Model, read bool, o Options) *session {
	t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	s := &session{t: t, master: master, slave: slave, screen: uitest.NewTerminal(40, 5), done: make(chan struct{})}
	if err := pty.Setsize(master, &pty.Winsize{Cols: 40, Rows: 5}); err != nil {
		t.Fatal(err)
	}
	if s.before, err = term.GetState(slave.Fd()); err != nil {
		t.Fatal(err)
	}
	s.hold = func() {}
	if read {
		s.hold = s.display()
	}
	ctx, cancel := context.WithCancel(t.Context())
	s.cancel = cancel
	o.In, o.Out, o.Getenv = slave, slave, uitest.Env("TERM=xterm-256color")
	go func() {
		defer close(s.done)
		_, s.stats, s.err = Run(ctx, model, o)
	}()
	t.Cleanup(func() {
		cancel()
		<-s.done
		s.hold()
		slave.Close()
		master.Close()
	})
	return s
}

// display shows what is written to the terminal, until it is told to stop.
func (s *session) display() (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	fds := []unix.PollFd{{Fd: int32(s.master.Fd()), Events: unix.POLLIN}}
	go func() {
		defer close(done)
		buf := make([]byte, 4096)
		for {
			select {
			case <-quit:
				return
			default:
			}
			if n, _ := unix.Poll(fds, 10); n > 0 {
				n, err := s.master.Read(buf)
				if err != nil {
					return
				}
				s.screen.Write(buf[:n])
			}
		}
	}()
	return sync.OnceFunc(func() { close(quit); <-done })
}

func (s *session) typeKeys(keys string) {
	s.t.Helper()
	if _, err := s.master.WriteString(keys); err != nil {
		s.t.Fatal(err)
	}
}

func (s *session) shows(words ...string) {
	s.t.Helper()
	end := time.Now().Add(time.Minute)
	for s.screen.Screen().Find(words...) < 0 {
		if time.Now().After(end) {
			s.screen.Screen().Has(s.t, words...)
			s.t.FailNow()
		}
		time.Sleep(time.Millisecond)
	}
}

func (s *session) ends() error {
	s.t.Helper()
	select {
	case <-s.done:
		return s.err
	case <-time.After(time.Minute):
		s.t.Fatal("the program does not end")
		return nil
	}
}

func TestRun(t *testing.T) {
	s := start(t, &script{}, true, Options{})
	s.shows("?", "40x5") // ASCII until the terminal has answered
	if !s.screen.Mode(1049) || s.screen.Mode(25) || s.screen.Mode(7) {
		t.Error("not on the other screen, with a cursor, or wrapping")
	}
	if raw := s.screen.Raw(); strings.Count(raw, "é\x1b[6n") != 1 || strings.Count(raw, "é") != 1 {
		t.Errorf("the question about UTF-8 is not asked, or more than ASCII came before the answer: %q", raw)
	}
	s.typeKeys("jj\x1b[1;2R\x1b[?2026;2$yk")
	s.shows("▁", "40x5", "utf8=true")
	s.shows("j j", "k")
	if err := pty.Setsize(s.master, &pty.Winsize{Cols: 30, Rows: 4}); err != nil {
		t.Fatal(err)
	}
	syscall.Kill(os.Getpid(), syscall.SIGWINCH) // this terminal does not control the test's process
	s.shows("k", "30x4")
	s.typeKeys("Y")
	eventually(t, "the copy", func() bool { return strings.Contains(s.screen.Raw(), "\x1b]52;c;aGk=\x07") })
	s.typeKeys("Q")
	if err := s.ends(); err != nil {
		t.Errorf("ended with %v", err)
	}
	eventually(t, "the end", func() bool { return !s.screen.Mode(1049) })
	if !s.screen.Mode(25) || !s.screen.Mode(7) || s.screen.Mode(2004) || s.screen.Mode(2026) {
		t.Error("the terminal's modes are not as before")
	}
	s.checkRestored()
	if !strings.Contains(s.screen.Raw(), "\x1b[?2026h") {
		t.Error("output is not held back although the terminal can")
	}
	if s.stats.Frames == 0 || s.stats.Bytes == 0 {
		t.Errorf("stats %+v", s.stats)
	}
}

func (s *session) checkRestored() {
	s.t.Helper()
	after, err := term.GetState(s.slave.Fd())
	if err != nil {
		s.t.Fatal(err)
	}
	if *after != *s.before {
		s.t.Error("the terminal is still raw")
	}
}

// TestRunMouse: it is asked for only when wanted, and left to the terminal again at the end, however that comes.
func TestRunMouse(t *testing.T) {
	for _, end := range []string{"Q", "P", "NQ"} {
		s := start(t, &script{}, true, Options{UTF8: true})
		s.shows("40x5")
		if s.screen.Mode(1000) {
			t.Error("the mouse is taken unasked")
		}
		s.typeKeys("M")
		eventually(t, "the mouse", func() bool { return s.screen.Mode(1000) && s.screen.Mode(1006) })
		s.typeKeys("\x1b[<0;12;3M\x1b[<65;1;2M")
		s.shows("left press@11,2", "wheel down@0,1")
		s.typeKeys(end)
		if err := s.ends(); (err != nil) != (end == "P") {
			t.Errorf("%s: ended with %v", end, err)
		}
		eventually(t, "the end of the mouse", func() bool { return !s.screen.Mode(1000) && !s.screen.Mode(1006) })
	}
}

// TestFocusIsNoKey: terminals that report it, since a program before this one asked, type nothing by it.
func TestFocusIsNoKey(t *testing.T) {
	s := start(t, &script{}, true, Options{UTF8: true})
	s.shows("40x5")
	s.typeKeys("\x1b[I\x1b[Oj\x1b[Ok")
	s.shows("40x5 j k")
}

// TestPasteIsOneText, whatever is in it.
func TestPasteIsOneText(t *testing.T) {
	s := start(t, &script{}, true, Options{UTF8: true})
	s.shows("40x5")
	s.typeKeys("\x1b[200~Q j\r\x1b[201~k")
	s.shows("40x5 [Q j", "k")
}

// TestRunSurvivesAStall: a terminal that nobody reads delays no message, and no end.
func TestRunSurvivesAStall(t *testing.T) {
	for name, end := range map[string]func(*session){
		"quit":    func(s *session) { s.typeKeys("Q") },
		"context": func(s *session) { s.cancel() },
	} {
		t.Run(name, func(t *testing.T) {
			handled := make(chan int, 1000)
			s := start(t, &flood{handled: handled}, false, Options{UTF8: true})
			for n := range 60 {
				s.typeKeys("j")
				select {
				case <-handled:
				case <-time.After(time.Minute):
					t.Fatalf("key %d of 60 is not handled: output blocks the program", n)
				}
			}
			end(s)
			if err := s.ends(); err != nil && !errors.Is(err, errStalled) {
				t.Errorf("ended with %v", err)
			}
			s.checkRestored()
		})
	}
}

// flood is a model whose every frame is new and larger than what the kernel holds for a terminal.
type flood struct {
	n       int
	handled chan int
}

func (f *flood) Init() tea.Cmd { return nil }

func (f *flood) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.KeyMsg:
		if msg.String() == "Q" {
			return f, tea.Quit
		}
		f.n++
		f.handled <- f.n
	case tea.WindowSizeMsg:
		return f, func() tea.Msg { return tea.WindowSizeMsg{Width: 200, Height: 60} }
	}
	return f, nil
}

func (f *flood) View() string {
	return strings.TrimSuffix(strings.Repeat(strings.Repeat(string(rune('a'+f.n%26)), 200)+"\n", 60), "\n")
}

func TestRunTellsHowItEnded(t *testing.T) {
	t.Run("a panic", func(t *testing.T) {
		s := start(t, &script{}, true, Options{})
		s.shows("40x5")
		s.typeKeys("P")
		var crash *Crash
		if err := s.ends(); !errors.As(err, &crash) {
			t.Errorf("ended with %v", err)
		}
		s.checkRestored()
	})
	t.Run("the terminal is gone", func(t *testing.T) {
		s := start(t, &script{}, true, Options{})
		s.shows("40x5")
		s.hold()
		s.master.Close()
		if err := s.ends(); !errors.Is(err, ErrHungUp) {
			t.Errorf("ended with %v", err)
		}
	})
	t.Run("the context ends", func(t *testing.T) {
		s := start(t, &script{}, true, Options{})
		s.shows("40x5")
		s.cancel()
		if err := s.ends(); err != nil {
			t.Errorf("ended with %v", err)
		}
		s.checkRestored()
	})
	t.Run("no terminal", func(t *testing.T) {
		null, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		defer null.Close()
		_, _, err = Run(t.Context(), &script{}, Options{In: null, Out: null, Getenv: uitest.Env("TERM=xterm")})
		if !errors.Is(err, ErrNoTerminal) {
			t.Errorf("ended with %v", err)
		}
	})
	t.Run("a dumb terminal", func(t *testing.T) {
		_, _, err := Run(t.Context(), &script{}, Options{Getenv: uitest.Env("TERM=dumb")})
		if !errors.Is(err, ErrNoTerminal) {
			t.Errorf("ended with %v", err)
		}
	})
}

// TestRunComesBackAfterAStop: a shell changes the terminal while the program is stopped.
func TestRunComesBackAfterAStop(t *testing.T) {
	s := start(t, &script{}, true, Options{UTF8: true})
	s.shows("40x5")
	if err := term.Restore(s.slave.Fd(), s.before); err != nil {
		t.Fatal(err)
	}
	s.screen.Write([]byte("\x1b[?1049l\x1b[1;1Hsome shell's output   \x1b[?25h"))
	syscall.Kill(os.Getpid(), syscall.SIGCONT)
	s.shows("▁", "40x5")
	s.screen.Screen().HasNot(t, "shell")
	s.typeKeys("j") // arrives at once only if the terminal is raw again
	s.shows("j")
	if s.screen.Mode(25) || !s.screen.Mode(1049) {
		t.Error("the terminal is not taken over again")
	}
}
