package command

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
)

// shell is the path of one, and a folder with its completion script, a hairpin to call, and files; env is what it needs to
// find them. Where tests must be whole, a shell that is missing fails.
func shell(t *testing.T, name, script string) (path, dir string, env []string) {
	t.Helper()
	path, err := exec.LookPath(name)
	switch {
	case err != nil && os.Getenv("CI") != "":
		t.Fatal(err)
	case err != nil:
		t.Skipf("%s is not installed", name)
	}
	dir = t.TempDir()
	for file, text := range map[string]string{"lb.yaml": "", "lb.txt": "", script: prints(t, false, "completion", name)} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(os.Args[0], filepath.Join(dir, "hairpin")); err != nil {
		t.Fatal(err)
	}
	return path, dir, append(os.Environ(), "HAIRPIN_TEST_AS=hairpin", "PATH="+dir+":"+os.Getenv("PATH"), "HOME="+dir, "LC_ALL=C", "TERM=dumb")
}

// TestFishCompletes: fish completes commands, values and names of this node by the script.
func TestFishCompletes(t *testing.T) {
	fish, dir, env := shell(t, "fish", "hairpin.fish")
	for line, want := range map[string]string{
		"hairpin keys v": "vim", "hairpin drops --vip ": "web", "hairpin chain sh": "shadow", "hairpin status --output=j": "--output=json",
		"hairpin rollback 4": "4", "hairpin nothing ": "",
	} {
		cmd := exec.Command(fish, "--no-config", "-c", "source hairpin.fish; complete -C $argv[1]", "--", line)
		cmd.Dir, cmd.Env = dir, env
		out, err := cmd.CombinedOutput()
		if got := strings.Join(words(string(out)), " "); got != want || err != nil {
			t.Errorf("%q is completed to %q, want %q (%v)", line, got, want, err)
		}
	}
}

// words are the first words of lines: behind a tab stands what they mean.
func words(lines string) (list []string) {
	for line := range strings.Lines(lines) {
		word, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
		list = append(list, word)
	}
	return list
}

// TestZshCompletes: zsh completes them when somebody presses tab.
func TestZshCompletes(t *testing.T) {
	zsh, dir, env := shell(t, "zsh", "_hairpin")
	cmd := exec.Command(zsh, "-f", "-i")
	cmd.Dir, cmd.Env = dir, env
	terminal, err := pty.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = terminal.Close()
	})
	ask := func(typed, want string) {
		t.Helper()
		var said bytes.Buffer
		if _, err := io.WriteString(terminal, typed); err != nil {
			t.Fatal(err)
		}
		if err := terminal.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		for some := make([]byte, 4096); !strings.Contains(said.String(), want); {
			n, err := terminal.Read(some)
			if said.Write(some[:n]); err != nil {
				t.Fatalf("%q: %v, want %q: %q", typed, err, want, said.String())
			}
		}
	}
	ask("PS1='> '; fpath=($PWD $fpath); autoload -U compinit; compinit -u -d $PWD/dump; echo there''fore\n", "therefore")
	for _, row := range [][2]string{
		{"hairpin keys v", "hairpin keys vim "}, {"hairpin drops --vip w", "hairpin drops --vip web "}, {"hairpin chain sh", "hairpin chain shadow "},
		{"hairpin status --output=j", "hairpin status --output=json "},
	} {
		ask(row[0]+"\t", row[1])
		ask("\x15", "") // empties the line
	}
}
