package settings

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"hairpin/ui/action"
	"hairpin/ui/theme"
	"hairpin/ui/uitest"
)

func TestFolders(t *testing.T) {
	for vars, want := range map[string]Settings{
		"":                                      {Node: "/etc/hairpin"},
		"HOME=home":                             {Node: "/etc/hairpin"},
		"HOME=. XDG_CONFIG_HOME=config":         {Node: "/etc/hairpin"},
		"HOME=/h":                               {"/etc/hairpin", "/h/.config/hairpin", "/h/.local/state/hairpin"},
		"HOME=/h XDG_CONFIG_HOME=./c":           {"/etc/hairpin", "/h/.config/hairpin", "/h/.local/state/hairpin"},
		"XDG_CONFIG_HOME=/c XDG_STATE_HOME=/s":  {"/etc/hairpin", "/c/hairpin", "/s/hairpin"},
		"HOME=/h XDG_STATE_HOME=/s PWD=/danger": {"/etc/hairpin", "/h/.config/hairpin", "/s/hairpin"},
	} {
		if got := Of("/etc/hairpin", uitest.Env(vars)); got != want {
			t.Errorf("%q: %+v, want %+v", vars, got, want)
		}
	}
}

// write makes the files of a map below a folder.
func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLayers: the person's files are over the node's, the flag's over both, and the working directory's are nobody's.
func TestLayers(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	const bad = "schema = 1\n[global]\nn = \"app.quit\"\n[tokens]\nok = \"reverse\"\n"
	write(t, dir, map[string]string{
		"keymap.toml": bad, "themes/mine.toml": bad, "hairpin/keymap.toml": bad, ".config/hairpin/keymap.toml": bad,
		"etc/keymap.toml":             "schema = 1\n[global]\nn = \"list.down\"\nm = \"list.down\"\n",
		"etc/themes/mine.toml":        "schema = 1\n[tokens]\nok = \"bold\"\nwarn = \"bold\"\n",
		"c/hairpin/keymap.toml":       "schema = 1\ninherits = \"vim\"\n[global]\nn = \"list.up\"\n",
		"c/hairpin/themes/mine.toml":  "schema = 1\n[tokens]\nok = \"underline\"\n",
		"given/keys.toml":             "schema = 1\n[global]\nm = \"none\"\n",
		"given/mine.toml":             "schema = 1\n[tokens]\nwarn = \"italic\"\n",
		"c/hairpin/themes/loop1.toml": "schema = 1\ninherits = \"loop2\"\n",
		"c/hairpin/themes/loop2.toml": "schema = 1\ninherits = \"loop1\"\n",
	})
	s := Of(filepath.Join(dir, "etc"), uitest.Env("XDG_CONFIG_HOME="+filepath.Join(dir, "c")))
	for _, row := range []struct{ choice, preset, n, m string }{
		{"", "vim", "list.up", "list.down"},
		{"given/keys.toml", "vim", "list.up", ""},
		{"emacs", "emacs", "", ""},
		{"absent.toml", "vim", "list.up", "list.down"},
	} {
		k := s.Keymap(row.choice)
		n, _ := k.Lookup(action.Global, []string{"n"})
		m, _ := k.Lookup(action.Global, []string{"m"})
		if k.Name != row.preset || string(n) != row.n || string(m) != row.m || (len(k.Problems) > 0) != (row.choice == "absent.toml") {
			t.Errorf("%q: preset %s, n %q, m %q, %v", row.choice, k.Name, n, m, k.Problems)
		}
	}
	for _, row := range []struct {
		choice, name, problem     string
		underlined, bold, italics bool
	}{
		{"mine", "mine", "", true, true, false},
		{"given/mine.toml", "mine", "", true, false, true},
		{"mine.toml", "mine", "there is no such file", true, true, false},
		{"no.toml", theme.Fallback, "there is no such file", false, false, false},
		{"no", theme.Fallback, "no theme is called", false, false, false},
		{"loop1", "loop1", "which does not exist or inherits this file", false, false, false},
		{"../etc/themes/mine", theme.Fallback, "no theme is called", false, false, false},
	} {
		th, problems := s.Theme(row.choice)
		ok, warn := th.Style(theme.OK), th.Style(theme.Warn)
		if th.Name != row.name || ok.GetUnderline() != row.underlined || warn.GetBold() != row.bold || warn.GetItalic() != row.italics {
			t.Errorf("%q: %s, underline %v, bold %v, italic %v", row.choice, th.Name, ok.GetUnderline(), warn.GetBold(), warn.GetItalic())
		}
		if (len(problems) > 0) != (row.problem != "") || row.problem != "" && !strings.Contains(problems[0].What, row.problem) {
			t.Errorf("%q: %v", row.choice, problems)
		}
	}
	if names := theme.Names(s.Themes()...); !slices.Contains(names, "mine") || !slices.Contains(names, "mono") || !slices.IsSorted(names) {
		t.Errorf("themes %v", names)
	}
}

// TestClosedFolder is said once, and not for each file that it may or may not have. The test gives up root for it.
func TestClosedFolder(t *testing.T) {
	own := t.TempDir()
	if err := os.Chmod(own, 0); err != nil {
		t.Fatal(err)
	}
	s := Settings{Own: own}
	asNobody(t, func() {
		if p := s.Closed(); len(p) != 1 || p[0].File != own {
			t.Errorf("said: %v", p)
		}
		if k := s.Keymap(""); len(k.Problems) > 0 {
			t.Errorf("keymap: %v", k.Problems)
		}
		if _, p := s.Theme(theme.Fallback); len(p) > 0 {
			t.Errorf("theme: %v", p)
		}
	})
}

// asNobody runs f in a thread that may do no more than others.
func asNobody(t *testing.T, f func()) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		if os.Getuid() == 0 {
			if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, 65534, 65534, 65534); e != 0 {
				done <- e
				return
			}
		}
		f()
		done <- nil
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
