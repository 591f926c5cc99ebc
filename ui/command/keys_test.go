package command

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"hairpin/ui/action"
	"hairpin/ui/keymap"
	"hairpin/ui/theme"
)

// prints runs a command line without a node and gives what it prints.
func prints(t *testing.T, terminal bool, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	tree := &tree{engines: &fake{}, Env: Env{Stdout: &stdout, Stderr: &stderr, Terminal: terminal}}
	if code := execute(t.Context(), tree, args); code != 0 {
		t.Fatalf("hairpin %v: exit code %d: %s", args, code, &stderr)
	}
	return stdout.String() + stderr.String()
}

// TestKeys: every action is printed once for each of its keys, with the line that binds it.
func TestKeys(t *testing.T) {
	t.Setenv("HOME", "")
	for _, preset := range keymap.Presets() {
		var v keysView
		if err := json.Unmarshal([]byte(prints(t, false, "keys", preset, "-o", "json")), &v); err != nil {
			t.Fatal(err)
		}
		listed := map[string]int{}
		for _, b := range v.Bindings {
			listed[b.Action]++
			if (len(b.Keys) == 0) != (b.From == "") {
				t.Errorf("%s: %+v", preset, b)
			}
		}
		for _, a := range action.All() {
			if listed[string(a.ID)] == 0 {
				t.Errorf("%s: %s is not printed", preset, a.ID)
			}
		}
		if v.Keymap != preset || v.Layers[len(v.Layers)-1] != preset+".toml" || len(v.Problems) > 0 {
			t.Errorf("%s: %s of %v, %v", preset, v.Keymap, v.Layers, v.Problems)
		}
	}
}

// TestKeysSayTheirFile: the layers that a binding may come from are told apart.
func TestKeysSayTheirFile(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("HOME", "")
	t.Setenv("HAIRPIN_KEYMAP", "")
	text := "schema = 1\ninherits = \"vim\"\n[global]\nn = \"list.down\"\nj = \"none\"\n\"ctrl+m\" = \"list.up\"\n[backends.z]\nz = \"backend.drain\"\n"
	if err := os.WriteFile("keymap.toml", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out := prints(t, false, "--config", ".", "keys")
	for _, want := range []string{
		`keymap vim: classic.toml < vim.toml < keymap.toml`, `(?m)^n +list.down +next row +keymap.toml:4$`,
		`(?m)^j +none +nothing: the key is unbound here +keymap.toml:5$`, `(?m)^z z +backend.drain .* keymap.toml:8$`,
		`(?m)^l +list.open .* vim.toml:\d+$`, `(?m)^\? +help.show .* fixed$`, `(?m)^:node.detach +node.detach .* palette$`,
		`warning: keymap.toml:6: ctrl\+m: terminals send enter for it; the key stays as it was`,
	} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("not printed: %s\n%s", want, out)
		}
	}
}

// TestThemes: each token is drawn in its own style, in as many colours as there are, and in none where nobody sees them.
func TestThemes(t *testing.T) {
	t.Setenv("HOME", "")
	t.Setenv("NO_COLOR", "")
	t.Setenv("COLORTERM", "")
	t.Setenv("TERM", "xterm-256color")
	drawn := func(crit string) string { return "\n" + crit + "crit\x1b[0m" }
	for _, row := range []struct {
		terminal bool
		args     []string
		has      string
	}{
		{true, nil, drawn("\x1b[1;7;38;5;203m")},
		{false, nil, "\ncrit         red bold reverse       203      broken"},
		{false, []string{"--colors", "256"}, drawn("\x1b[1;7;38;5;203m")},
		{false, []string{"--colors", "true"}, drawn("\x1b[1;7;38;2;255;95;95m")},
		{false, []string{"--colors", "16"}, drawn("\x1b[1;7;91m")},
		{false, []string{"--colors", "none"}, drawn("\x1b[1;7m")},
	} {
		out := prints(t, row.terminal, append([]string{"themes", "default-dark"}, row.args...)...)
		if !strings.Contains(out, row.has) {
			t.Errorf("%v, terminal %v: no %q in\n%s", row.args, row.terminal, row.has, out)
		}
		for _, k := range theme.Tokens() {
			if !strings.Contains(ansi.Strip(out), string(k)) || !strings.Contains(out, k.What()) || k.What() == "" {
				t.Errorf("%v: %s is not shown", row.args, k)
			}
		}
	}
	all := prints(t, false, "themes")
	for _, name := range theme.Names() {
		if !strings.Contains(all, name) {
			t.Errorf("%s is not listed", name)
		}
	}
	t.Setenv("NO_COLOR", "1")
	if out := prints(t, true, "themes", "cb-dark"); !strings.Contains(out, drawn("\x1b[1;7m")) || !strings.Contains(out, "as mono") {
		t.Errorf("NO_COLOR:\n%s", out)
	}
}
