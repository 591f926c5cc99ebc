package theme

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/charmbracelet/lipgloss"

	"hairpin/themes"
	"hairpin/ui/layer"
)

// files is a folder of themes.
func files(t *testing.T, texts map[string]string) layer.Dir {
	t.Helper()
	dir := layer.Dir(t.TempDir())
	for name, text := range texts {
		if err := os.WriteFile(dir.Path(name+".toml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// builtin lists the embedded themes.
func builtin(t *testing.T) []string {
	t.Helper()
	paths, err := fs.Glob(themes.FS, "*.toml")
	if err != nil || len(paths) < 7 {
		t.Fatalf("embedded themes: %v, %v", paths, err)
	}
	var names []string
	for _, p := range paths {
		names = append(names, strings.TrimSuffix(p, ".toml"))
	}
	return names
}

func fg(t *Theme, k Token) lipgloss.TerminalColor { return t.Style(k).GetForeground() }

func TestEveryTokenInEveryTheme(t *testing.T) {
	for _, name := range builtin(t) {
		th, problems := Load(name)
		for _, p := range problems {
			t.Errorf("%s: %s", name, p)
		}
		if th.Name != name {
			t.Errorf("asked for %s, got %s", name, th.Name)
		}
		for _, p := range []Profile{ANSI16, ANSI256, TrueColor} {
			for _, k := range Tokens() {
				if _, ok := th.WithProfile(p).styles[k]; !ok {
					t.Errorf("%s (%s) has no %s", name, p, k)
				}
			}
		}
	}
}

func TestLayers(t *testing.T) {
	etc := files(t, map[string]string{
		"default-dark": "schema = 1\n[palette]\nblue = {true = \"#010203\", ansi256 = 17, ansi16 = 4}\n",
		"night":        "schema = 1\ninherits = \"mono\"\n[tokens]\nok = \"underline\"\n",
	})
	home := files(t, map[string]string{
		"default-dark": "schema = 1\n[tokens]\nwarn = \"blue bold\"\n",
	})
	th, problems := Load("default-dark", etc, home)
	if len(problems) != 0 {
		t.Fatal(problems)
	}
	if got := fg(th, OK); got != lipgloss.Color("17") {
		t.Errorf("a palette entry of the middle layer does not reach an inherited token: %v", got)
	}
	if got := fg(th, Warn); got != lipgloss.Color("17") || !th.Style(Warn).GetBold() {
		t.Errorf("the highest layer's token is not used: %v", got)
	}
	if got := fg(th, Crit); got != lipgloss.Color("203") {
		t.Errorf("what no layer sets is not the built-in one: %v", got)
	}
	night, problems := Load("night", etc, home)
	if len(problems) != 0 || !night.Style(OK).GetUnderline() || !night.Style(Crit).GetReverse() {
		t.Errorf("inherits: %v", problems)
	}
	if _, coloured := fg(night, Crit).(lipgloss.Color); coloured {
		t.Error("a child of mono took a colour from the fallback")
	}
}

func TestBadFiles(t *testing.T) {
	for _, c := range []struct {
		about, text string
		want        []string // one problem each, in order
		ok          string   // what OK's foreground is afterwards
	}{
		{"not TOML in one line", "schema = 1\n[tokens]\nok = \"red\"\nwarn = = \"x\"\n", []string{"x.toml:4: "}, "203"},
		{"unknown token", "schema = 1\n[tokens]\nok = \"red\"\noops = \"red\"\n", []string{"x.toml:4: tokens.oops: no such token"}, "203"},
		{"unknown colour", "schema = 1\n[tokens]\n\nok = \"bleu\"\n", []string{"x.toml:4: tokens.ok: no colour \"bleu\""}, "75"},
		{"bad look", "schema = 1\n[tokens]\nok = \"red shiny\"\n", []string{"x.toml:3: tokens.ok: \"shiny\""}, "75"},
		{"empty look", "schema = 1\n[tokens]\nok = \"\"\n", []string{"x.toml:3: tokens.ok: a look is empty"}, "75"},
		{"wrong type", "schema = 1\n[tokens]\nok = 3\nwarn = \"red\"\n", []string{"x.toml:3: "}, "75"},
		{"unknown key", "schema = 1\nfont = \"big\"\n[tokens]\nok = \"red\"\n", []string{"x.toml:2: unknown key font"}, "203"},
		{
			"colours out of range",
			"schema = 1\n[palette]\nblue = {true = \"#zzz\", ansi256 = 1, ansi16 = 1}\nred = {true = \"#000000\", ansi256 = 256, ansi16 = 1}\n",
			[]string{"x.toml:3: palette.blue: true", "x.toml:4: palette.red: ansi256"},
			"75",
		},
		{"half a colour", "schema = 1\n[palette]\nblue = {true = \"#ffffff\"}\n", []string{"x.toml:3: palette.blue: a colour has true, ansi256 and ansi16"}, "75"},
		{"newer schema", "schema = 2\n[tokens]\nok = \"red\"\n", []string{"x.toml:1: schema is 2"}, "75"},
		{"no schema", "[tokens]\nok = \"red\"\n", []string{"x.toml: schema is 0"}, "75"},
		{"parent that is not there", "schema = 1\ninherits = \"nope\"\n[tokens]\nok = \"red\"\n", []string{"x.toml:2: inherits \"nope\""}, "203"},
		{"binary", strings.Repeat("\x00\xff\n", 100), []string{"x.toml: "}, "75"},
	} {
		t.Run(c.about, func(t *testing.T) {
			th, problems := Load("x", files(t, map[string]string{"x": c.text}))
			var got []string
			for _, p := range problems {
				if p.Used == "" {
					t.Errorf("%s does not say what is used", p)
				}
				if p.File != "theme" {
					p.File = filepath.Base(p.File)
					got = append(got, p.String())
				}
			}
			if len(got) < len(c.want) {
				t.Fatalf("problems %q, want %q", got, c.want)
			}
			for i, want := range c.want {
				if !strings.HasPrefix(got[i], want) {
					t.Errorf("problem %q, want %q", got[i], want)
				}
			}
			if th.Style(OK).GetForeground() != lipgloss.Color(c.ok) {
				t.Errorf("ok is %v, want %s", fg(th, OK), c.ok)
			}
		})
	}
}

func TestInheritanceInACircleEnds(t *testing.T) {
	th, problems := Load("a", files(t, map[string]string{
		"a": "schema = 1\ninherits = \"b\"\n[tokens]\nok = \"red\"\n",
		"b": "schema = 1\ninherits = \"a\"\n[tokens]\nwarn = \"red\"\n",
	}))
	if len(problems) != 1 || !strings.Contains(problems[0].String(), "b.toml:2: inherits \"a\"") {
		t.Errorf("problems: %v", problems)
	}
	if fg(th, OK) != lipgloss.Color("203") || fg(th, Warn) != lipgloss.Color("203") || fg(th, Up) != lipgloss.Color("75") {
		t.Error("the circle's own tokens, or the fallback's, are missing")
	}
}

func TestNoSuchThemeIsTold(t *testing.T) {
	for _, name := range []string{"nope", "", "../../etc/passwd"} {
		th, problems := Load(name)
		if th.Name != Fallback || len(problems) != 1 || problems[0].Used != Fallback+" is used" {
			t.Errorf("%q: theme %s, problems %v", name, th.Name, problems)
		}
	}
}
