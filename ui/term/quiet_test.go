package term

import (
	"bytes"
	"context"
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/creack/pty"
)

// role makes the test binary a program with everything that the console imports.
const role = "HAIRPIN_TEST_ROLE"

func TestMain(m *testing.M) {
	models := map[string]tea.Model{"console": &script{}, "overview": &pages{o: newOverview(1)}}
	switch as := os.Getenv(role); as {
	case "console", "overview":
		if _, _, err := Run(context.Background(), models[as], Options{}); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	case "command":
		fmt.Printf("no screen, CI=%q\n", os.Getenv("CI"))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// mute starts the test binary in a role, on a terminal that answers nothing, and returns what it wrote and how long it
// took from the start until it had written a text.
func mute(t *testing.T, as, until string, vars ...string) (string, time.Duration) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append([]string{role + "=" + as, "TERM=xterm-256color", "PATH=" + os.Getenv("PATH")}, vars...)
	began := time.Now()
	f, err := pty.StartWithSize(cmd, &pty.Winsize{Cols: 40, Rows: 5})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	defer cmd.Wait()
	defer cmd.Process.Kill()
	timeout := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	defer timeout.Stop()
	var out bytes.Buffer
	buf := make([]byte, 4096)
	for !strings.Contains(out.String(), until) {
		n, err := f.Read(buf)
		out.Write(buf[:n])
		if err != nil {
			t.Fatalf("ended before it wrote %q: %q", until, out.String())
		}
	}
	return out.String(), time.Since(began)
}

// TestStartAsksNobody: on a terminal that answers no question, the console's first frame and a command's output are there
// within 300 ms. One start of many must do it: others may keep the machine busy, but a question costs 5 s each time.
func TestStartAsksNobody(t *testing.T) {
	const limit = 300 * time.Millisecond
	for as, until := range map[string]string{"console": "40x5", "command": "no screen"} {
		t.Run(as, func(t *testing.T) {
			best := time.Hour
			for end := time.Now().Add(time.Minute); best > limit && !t.Failed() && time.Now().Before(end); {
				out, took := mute(t, as, until)
				best = min(best, took)
				if before, _, _ := strings.Cut(out, enter); as == "console" && before != "" || strings.Count(out, "\x1b]") > 1 {
					t.Errorf("somebody else asks the terminal for its colours: %q", out)
				}
				if as == "command" && strings.Contains(out, "\x1b") {
					t.Errorf("the terminal got more than text: %q", out)
				}
			}
			t.Logf("first output after %v", best)
			if best > limit {
				t.Errorf("first output after %v, at most %v", best, limit)
			}
		})
	}
}

func TestQuietLeavesNoTrace(t *testing.T) {
	for vars, want := range map[string]string{"A=b": `CI=""`, "CI=yes": `CI="yes"`} {
		if out, _ := mute(t, "command", "\n", vars); !strings.Contains(out, want) {
			t.Errorf("with %s the program sees %q, want %s", vars, out, want)
		}
	}
}

// TestQuietComesFirst: the order of initialisation is the one that package quiet counts on.
func TestQuietComesFirst(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = []string{role + "=command", "GODEBUG=inittrace=1"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	last := -1
	for _, pkg := range []string{"os", "hairpin/ui/term/quiet", "github.com/charmbracelet/bubbletea", "hairpin/ui/term"} {
		at := bytes.Index(out, []byte("init "+pkg+" @"))
		if at <= last {
			t.Errorf("%s is not initialised, or too early:\n%s", pkg, out)
		}
		last = at
	}
}

// TestQuietNeedsOnlyOS: with any other import, packages that it must come before may be ready sooner.
func TestQuietNeedsOnlyOS(t *testing.T) {
	pkgs, err := parser.ParseFile(token.NewFileSet(), "quiet/quiet.go", nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir("quiet")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 1 || len(pkgs.Imports) != 1 || pkgs.Imports[0].Path.Value != `"os"` {
		t.Errorf("package quiet has %d files and %d imports, wants one file that imports os", len(files), len(pkgs.Imports))
	}
}
