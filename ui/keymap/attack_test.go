package keymap

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hairpin/ui/action"
	"hairpin/ui/layer"
)

// TestOddFiles: whatever lies where a keymap is looked for, the keys that could be read work and the others are said.
func TestOddFiles(t *testing.T) {
	for _, row := range []struct {
		about, text string
		want        string // what n means
		says        []string
	}{
		{"byte order mark", "\ufeffschema = 1\n[global]\nn = \"list.down\"\n", "list.down", nil},
		{"lines of another system", "schema = 1\r\n[global]\r\nn = \"list.down\"\r\n", "list.down", nil},
		{"letters of other alphabets", "schema = 1\n[global]\n\"ж\" = \"list.up\"\n\"界\" = \"list.up\"\nn = \"list.down\"\n", "list.down", nil},
		{"a key of two letters", "schema = 1\n[global]\n\"жж\" = \"list.up\"\nn = \"list.down\"\n", "list.down", []string{":3: жж: \"жж\" is no key"}},
		{"control characters", "schema = 1\n[global]\n\"\\u001b\" = \"list.up\"\nn = \"list.down\"\n", "list.down", []string{":3: \ufffd: '\\x1b' is no key"}},
		{"the same key twice", "schema = 1\n[global]\nn = \"list.down\"\nn = \"list.up\"\n", "list.down", []string{":4: "}},
		{"the same key by another name", "schema = 1\n[global]\nspace = \"list.down\"\n\" \" = \"list.up\"\nn = \"list.top\"\n", "list.top",
			[]string{":4: space and space of line 3 cannot both be had"}},
		{"a key and a chord that begins with it", "schema = 1\n[global]\nn = \"list.down\"\n[global.n]\nx = \"list.up\"\n", "list.down", []string{":4: "}},
		{"the same by another table", "schema = 1\n[global]\nn = {x = \"list.up\"}\n\"n\" = \"list.down\"\n", "", []string{":4: "}},
		{"a long chord", "schema = 1\n[global]\na.b.c.d.e = \"list.up\"\nn = \"list.down\"\n", "list.down", []string{":3: a chord of 5 keys: at most 4"}},
		{"a broken header", "schema = 1\n[global]\nn = \"list.down\"\n[backends\nD = \"none\"\n", "list.down", []string{":4: "}},
		{"a broken line", "schema = 1\n[global]\nm = = 1\nn = \"list.down\"\n", "list.down", []string{":3: "}},
		{"an array of tables", "schema = 1\n[[global]]\nn = \"list.down\"\n", "", []string{":2: this is no table of keys"}},
		{"another type of schema", "schema = \"1\"\n[global]\nn = \"list.down\"\n", "", []string{":1: ", ": schema is 0"}},
		{"not text", "schema = 1\n\xff\xfe\n[global]\nn = \"list.down\"\n", "list.down", []string{":2: "}},
		{"nothing", "", "", []string{": schema is 0"}},
		{"a preset that is not there", "schema = 1\ninherits = \"vi\"\n[global]\nn = \"list.down\"\n", "list.down",
			[]string{":2: no preset is called \"vi\" (there are: classic, emacs, vim), did you mean vim?; classic is used"}},
		{"a mistyped name", "schema = 1\n[golbal]\nx = \"list.up\"\n[global]\nm = \"list.donw\"\nn = \"list.down\"\n", "list.down",
			[]string{":2: no scope is called \"golbal\", did you mean global?", ":5: no action is called \"list.donw\", did you mean list.down?"}},
	} {
		t.Run(row.about, func(t *testing.T) {
			path := write(t, "keymap.toml", row.text)
			k := Load("", path)
			if id, _ := k.Lookup(action.Global, []string{"n"}); string(id) != row.want {
				t.Errorf("n is %q, want %q", id, row.want)
			}
			if id, _ := k.Lookup(action.Global, []string{"j"}); id != action.Down {
				t.Errorf("the preset's own key is %q", id)
			}
			if len(k.Problems) != len(row.says) {
				t.Fatalf("problems %v, want %d", k.Problems, len(row.says))
			}
			for i, want := range row.says {
				if got := strings.TrimPrefix(k.Problems[i].String(), path); !strings.HasPrefix(got, want) {
					t.Errorf("problem %q, want %q", got, want)
				}
			}
		})
	}
}

// TestWhatIsNoFile: what cannot be read is said, and neither a pipe nor a flood of bytes delays the start.
func TestWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, err := range []error{
		unix.Mkfifo(at("pipe.toml"), 0o600), os.Mkdir(at("folder.toml"), 0o700), os.Symlink("/dev/zero", at("zero.toml")),
		os.Symlink("loop.toml", at("loop.toml")), os.WriteFile(at("large.toml"), make([]byte, layer.MaxSize+1), 0o600),
		os.WriteFile(at("deep.toml"), []byte("schema = 1\na = "+strings.Repeat("[", 100_000)), 0o600),
		os.WriteFile(at("nested.toml"), []byte("schema = 1\n[global]\n"+strings.Repeat("a={", 60_000)), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{
		"pipe.toml": "it is no plain file", "folder.toml": "it is a folder", "zero.toml": "it is no plain file",
		"loop.toml": "too many levels of symbolic links", "large.toml": "it is larger than 256 KB",
		"deep.toml": "", "nested.toml": "",
	} {
		k := Load("", at(name))
		if len(k.Problems) == 0 || !strings.HasPrefix(k.Problems[0].String(), at(name)) || !strings.Contains(k.Problems[0].What, want) {
			t.Errorf("%s: %v", name, k.Problems)
		}
		if id, _ := k.Lookup(action.Global, []string{"j"}); id != action.Down {
			t.Errorf("%s: j is %q", name, id)
		}
	}
}

// TestPaletteStays: a keymap may take every key away, and everything can still be reached.
func TestPaletteStays(t *testing.T) {
	path := write(t, "keymap.toml", "schema = 1\n[global]\n\"ctrl+p\" = \"none\"\n[chain]\n\":\" = \"chain.shadow\"\n[backends.\":\"]\nx = \"backend.drain\"\n")
	k := Load("", path)
	for _, scope := range action.Scopes {
		if id, m := k.Lookup(scope, []string{":"}); id != action.Palette || m != Hit {
			t.Errorf("%s: \":\" is %q", scope, id)
		}
	}
	if len(k.Problems) != 2 || !strings.Contains(k.Problems[1].String(), `keymap.toml: no key opens the palette in [backends]`) {
		t.Errorf("said: %v", k.Problems)
	}
	all := write(t, "all.toml", "schema = 1\n[global]\n\"ctrl+p\" = \"none\"\n\":\" = \"none\"\n")
	if k := Load("", all); len(k.Problems) != 1 || len(k.Keys(action.Events, action.Palette)) != 1 {
		t.Errorf("%v", k.Problems)
	}
}

// TestNoHome: where a home is no folder, there are no files, and nothing to say.
func TestNoHome(t *testing.T) {
	if k := Load("", "/dev/null/.config/hairpin/keymap.toml"); len(k.Problems) > 0 {
		t.Error(k.Problems)
	}
}

// TestManyBindings: a file of the largest size costs a bounded time, and is said to hold too much.
func TestManyBindings(t *testing.T) {
	var b strings.Builder
	b.WriteString("schema = 1\n[global]\n")
	for r := 'a'; b.Len() < layer.MaxSize-100; r++ {
		fmt.Fprintf(&b, "%q.%q = \"list.down\"\n", string('一'+r%5000), string('一'+r/5000))
	}
	begun := time.Now()
	k := Load("", write(t, "keymap.toml", b.String()))
	t.Logf("%d KB took %v", b.Len()>>10, time.Since(begun))
	if n := len(k.In(action.Global)); n > most+100 {
		t.Errorf("%d bindings", n)
	}
	if n := len(k.Problems); n == 0 || n > 101 || !strings.Contains(k.Problems[n-1].What, "more problems") {
		t.Errorf("%d problems, the last: %v", n, k.Problems[n-1])
	}
}
