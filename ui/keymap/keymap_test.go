package keymap

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hairpin/ui/action"
)

// byName are the actions that no preset needs a key for: the palette or a dialog leads to them.
var byName = map[action.ID]bool{
	action.Discard: true, action.Detach: true, action.Maintenance: true,
	action.Theme: true, action.Keymap: true, action.Glyphs: true, action.Mouse: true, action.GoDoctor: true, action.GoRouting: true, action.GoBGP: true, action.GoFleet: true,
	action.FleetStop: true, action.FleetResume: true, action.FleetBack: true, action.FleetLeave: true, action.FleetRejoin: true,
	action.GoAgent: true, action.GoTenants: true,
}

func TestPresets(t *testing.T) {
	if got := Presets(); !slices.Equal(got, []string{"classic", "emacs", "vim"}) {
		t.Fatalf("presets %v", got)
	}
	for _, name := range Presets() {
		k := Load(name)
		for _, p := range k.Problems {
			t.Errorf("%s: %v", name, p)
		}
		for _, a := range action.All() {
			if keys := k.Keys(a.Scope, a.ID); len(keys) == 0 && !byName[a.ID] {
				t.Errorf("%s: no key leads to %s", name, a.ID)
			}
		}
		for key, want := range map[string]action.ID{"?": action.Help, "esc": action.Cancel, "ctrl+c": action.Quit, "3": action.GoVIPs} {
			for _, scope := range action.Scopes {
				if id, m := k.Lookup(scope, []string{key}); id != want || m != Hit {
					t.Errorf("%s: %s in %s is %q", name, key, scope, id)
				}
			}
		}
	}
}

func TestNeverBound(t *testing.T) {
	for _, name := range Presets() {
		k := Load(name)
		for scope, list := range k.scopes {
			for _, b := range list {
				if slices.Contains(b.Keys, "ctrl+k") || slices.Contains(b.Keys, "ctrl+z") {
					t.Errorf("%s [%s] binds %v", name, scope, b)
				}
				if a, _ := action.Find(b.Action); a.Arms && slices.Contains(b.Keys, "backspace") {
					t.Errorf("%s [%s]: %s on backspace", name, scope, a.ID)
				}
			}
		}
	}
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestBadLinesAreSkippedAndSaid(t *testing.T) {
	path := write(t, "keymap.toml", `schema = 1
inherits = "classic"
stray = 1
[global]
n = "list.down"
"ctrl+i" = "list.up"
"?" = "app.quit"
5 = "list.top"
m = "list.fly"
w = "backend.weight"
b = 7
[moon]
a = "list.up"
[backends]
backspace = "backend.remove"
D = "none"
[backends.z]
z = "backend.drain"
t = {t = "backend.toggle"}
`)
	k := Load("", path)
	var got []string
	for _, p := range k.Problems {
		got = append(got, strings.TrimPrefix(p.String(), path))
	}
	want := []string{
		`:3: "stray" stands outside a table; the line is skipped`,
		`:6: ctrl+i: terminals send tab for it; the key stays as it was`,
		`:7: ? cannot be bound: it is the same everywhere; the key stays as it was`,
		`:8: 5 cannot be bound: digits are the screens, also those that are absent; the key stays as it was`,
		`:9: no action is called "list.fly"; the key stays as it was`,
		`:10: backend.weight belongs into [backends]; the key stays as it was`,
		`:11: b is not the name of an action; the line is skipped`,
		`:12: no scope is called "moon"; its table is skipped`,
		`:15: backend.remove cannot sit on backspace: too easily hit; the key stays as it was`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("problems:\n%s", strings.Join(got, "\n"))
	}
	for _, row := range []struct {
		keys string
		id   action.ID
		m    Match
	}{
		{"n", action.Down, Hit},
		{"j", action.Down, Hit},
		{"D", "", Miss},
		{"z", "", Partial},
		{"z z", action.Drain, Hit},
		{"z t", "", Partial},
		{"z t t", action.Toggle, Hit},
		{"z q", "", Miss},
		{"q", action.Back, Hit},
	} {
		if id, m := k.Lookup(action.Backends, strings.Fields(row.keys)); id != row.id || m != row.m {
			t.Errorf("%s: %q %v", row.keys, id, m)
		}
	}
	if keys := k.Keys(action.Backends, action.Drain); !slices.Equal(keys, []string{"z z"}) {
		t.Errorf("drain is on %v", keys)
	}
	if keys := k.Keys(action.Backends, action.Down); !slices.Equal(keys, []string{"n", "j", "down"}) {
		t.Errorf("the person's own key comes first: %v", keys)
	}
}

func TestBadFilesAreSkippedWhole(t *testing.T) {
	for _, row := range []struct{ text, want string }{
		{"schema = 2\n[global]\nn = \"list.down\"\n", ": schema is 2, this version reads 1"},
		{"[global]\nn = \"list.down\"\n", ": schema is 0"},
	} {
		path := write(t, "keymap.toml", row.text)
		k := Load("", path)
		if len(k.Problems) != 1 || !strings.HasPrefix(k.Problems[0].String(), path+row.want) ||
			!strings.HasSuffix(k.Problems[0].String(), "the whole file is skipped") {
			t.Errorf("%q: %v", row.text, k.Problems)
		}
		if _, m := k.Lookup(action.Global, []string{"n"}); m != Miss {
			t.Errorf("%q: n is bound", row.text)
		}
		if id, _ := k.Lookup(action.Global, []string{"j"}); id != action.Down {
			t.Errorf("%q: the default is gone", row.text)
		}
	}
}

func TestLayers(t *testing.T) {
	node := write(t, "node.toml", "schema = 1\ninherits = \"vim\"\n[global]\nn = \"list.down\"\nw = \"list.top\"\n")
	own := write(t, "own.toml", "schema = 1\n[global]\nw = \"list.bottom\"\n")
	flag := write(t, "flag.toml", "schema = 1\n[global]\nn = \"none\"\n")
	for _, row := range []struct {
		choice string
		name   string
		says   string // what h, n and w mean
	}{
		{"", "vim", "nav.back list.down list.bottom"},
		{flag, "vim", "nav.back  list.bottom"},
		{"classic", "classic", "  "},
		{"emacs", "emacs", "  "},
		{"qwertz", "classic", "  "},
		{"./absent.toml", "vim", "nav.back list.down list.bottom"},
	} {
		k := Load(row.choice, node, "/nonexistent/keymap.toml", own)
		h, _ := k.Lookup(action.Global, []string{"h"})
		n, _ := k.Lookup(action.Global, []string{"n"})
		w, _ := k.Lookup(action.Global, []string{"w"})
		if got := fmt.Sprintf("%s %s %s", h, n, w); k.Name != row.name || got != row.says {
			t.Errorf("%q: %s, %q", row.choice, k.Name, got)
		}
		wrong := row.choice == "qwertz" || row.choice == "./absent.toml"
		if wrong != (len(k.Problems) == 1) {
			t.Errorf("%q: problems %v", row.choice, k.Problems)
		}
	}
}

func TestChords(t *testing.T) {
	k := Load("vim")
	var got []string
	for _, b := range k.Chords(action.Backends, []string{"d"}) {
		got = append(got, b.String()+" "+string(b.Action))
	}
	if want := []string{"d d backend.remove", "d r backend.drain"}; !slices.Equal(got, want) {
		t.Errorf("after d: %v", got)
	}
	if id, m := k.Lookup(action.Events, []string{"d"}); id != action.Open || m != Hit {
		t.Errorf("d elsewhere is %q", id)
	}
	if id, m := k.Lookup(action.Global, []string{"g"}); m != Partial {
		t.Errorf("g alone is %q", id)
	}
}
