package term

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"hairpin/ui/theme"
	"hairpin/ui/uitest"
)

// pages shows the next frame of an overview with each j, and the end of the first with each k.
type pages struct {
	o      *overview
	w, h   int
	shown  string
	glyphs string
}

func (p *pages) Init() tea.Cmd { return nil }

func (p *pages) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		p.w, p.h = msg.Width, msg.Height
		p.shown = "size"
	case ProbedMsg:
		p.glyphs = fmt.Sprintf("UTF-8 %v 世界", msg.UTF8)
		p.shown = p.glyphs
	case tea.KeyMsg:
		switch msg.String() {
		case "j":
			p.shown = p.o.frame(p.w, p.h)
		case "up":
			p.shown = "up " + p.glyphs
		case "y":
			cmd, _ := Copy("copied 世界")
			return p, cmd
		case "q":
			return p, tea.Quit
		}
	}
	return p, nil
}

func (p *pages) View() string { return p.shown }

// tmux is a real terminal: a server of its own with one window.
type tmux struct {
	t      *testing.T
	socket string
}

func startTmux(t *testing.T, w, h int, command string) *tmux {
	t.Helper()
	m := &tmux{t, filepath.Join(t.TempDir(), "tmux")}
	t.Cleanup(func() { m.try("kill-server") })
	m.run("-f", "/dev/null", "new-session", "-d", "-x", fmt.Sprint(w), "-y", fmt.Sprint(h), command)
	return m
}

func (m *tmux) try(args ...string) (string, error) {
	cmd := exec.Command("tmux", append([]string{"-u", "-S", m.socket}, args...)...)
	cmd.Env = append(os.Environ(), "TMUX=", "TERM=xterm-256color")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (m *tmux) run(args ...string) string {
	m.t.Helper()
	out, err := m.try(args...)
	if err != nil {
		m.t.Fatalf("tmux %s: %v: %s", args, err, out)
	}
	return out
}

// shows waits until the pane shows a text, row for row.
func (m *tmux) shows(want string) {
	m.t.Helper()
	got := ""
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if got = m.run("capture-pane", "-p"); strings.TrimRight(got, "\n") == strings.TrimRight(want, "\n") {
			return
		}
	}
	m.t.Fatalf("the terminal shows\n%s\nwant\n%s", got, want)
}

// TestRealTerminal: what a terminal that is not ours shows, after many differences, is the last frame.
func TestRealTerminal(t *testing.T) {
	const w, h = 100, 30
	m := startTmux(t, w, h, fmt.Sprintf("%s=overview %s; echo $?; cat", role, os.Args[0]))
	m.shows("UTF-8 true 世界")
	want := ""
	o := newOverview(1)
	for range 10 {
		m.run("send-keys", "jjj") // three keys in one read
		for range 3 {
			want = o.frame(w, h)
		}
	}
	if o.glyphs.Name != theme.Block().Name {
		t.Fatal("the frames hold ASCII only")
	}
	m.shows(uitest.NewScreen(want, w, h).Text())
	m.run("send-keys", "-H", "1b", "5b", "41")
	m.shows("up UTF-8 true 世界")
	m.run("set-option", "-s", "set-clipboard", "on")
	m.run("send-keys", "y")
	eventually(t, "the copy", func() bool { text, err := m.try("show-buffer"); return err == nil && text == "copied 世界" })
	m.run("send-keys", "q")
	m.shows("0") // the shell's screen is back, and the exit code was 0
}
