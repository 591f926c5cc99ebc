package command

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"hairpin/engine/spec"
	"hairpin/ui/keymap"
	"hairpin/ui/layer"
	"hairpin/ui/theme"
)

// checkedFile is a file that somebody wrote, and all that is wrong with it.
type checkedFile struct {
	File     string          `json:"file"`
	Kind     string          `json:"kind"` // spec, keymap or theme
	Problems []layer.Problem `json:"problems"`
}

func newConfig(t *tree) *cobra.Command {
	c := &cobra.Command{
		Use:   "config",
		Short: "Check the files of a node and of the console",
		Args:  usage(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			return &failure{exitUsage, errors.New("config needs a verb"), `"hairpin config check [FILE...]"`}
		},
	}
	check := &cobra.Command{
		Use:   "check [FILE...]",
		Short: "Say everything that is wrong in specs, keymaps and themes",
		Long: `Reads each FILE: a spec (.yaml), a keymap or a theme (.toml). Without one, all
that this node and its console would read: spec.yaml, keymap.toml and themes in
the node's folder (--config), keymap.toml and themes in the person's own
($XDG_CONFIG_HOME/hairpin), and what HAIRPIN_KEYMAP, HAIRPIN_THEME and
HAIRPIN_GLYPHS choose. Nothing is changed.

Each problem is a line: file, line, what is wrong, and what the console uses
instead. The exit code is 2 if there is one.`,
	}
	o := outputFlag(check)
	check.RunE = func(_ *cobra.Command, args []string) error {
		var files []checkedFile
		if len(args) > 0 {
			for _, file := range args {
				files = append(files, checkFile(file)...)
			}
		} else {
			files = t.checkNode()
		}
		return t.report(o, files)
	}
	c.AddCommand(check)
	return c
}

func (t *tree) report(o *output, files []checkedFile) error {
	n := 0
	for _, f := range files {
		n += len(f.Problems)
	}
	err := o.print(t.Stdout, files, func() error {
		for _, f := range files {
			for _, p := range f.Problems {
				fmt.Fprintln(t.Stdout, p)
			}
			if len(f.Problems) == 0 {
				fmt.Fprintf(t.Stdout, "%s: %s, ok\n", f.File, f.Kind)
			}
		}
		if len(files) == 0 {
			fmt.Fprintln(t.Stdout, "there is no file to check: everything is as built in")
		}
		return nil
	})
	if err == nil && n > 0 {
		err = &failure{exitUsage, fmt.Errorf("%s in %s", count(n, "problem"), count(len(files), "file")), ""}
	}
	return err
}

// checkNode checks what a console on this node would read, weakest layer first.
func (t *tree) checkNode() []checkedFile {
	s := t.settings()
	files := []checkedFile{}
	if file := filepath.Join(t.paths.Config, "spec.yaml"); there(file) {
		files = append(files, checkSpecFile(file))
	}
	all := append(s.Closed(), s.Keymap(os.Getenv("HAIRPIN_KEYMAP")).Problems...)
	keymaps := s.Keymaps()
	if choice := os.Getenv("HAIRPIN_KEYMAP"); keymap.IsFile(choice) {
		keymaps = append(keymaps, choice)
	} else if choice != "" { // the files are not used now, and are checked all the same
		all = append(all, s.Keymap("").Problems...)
	}
	for _, file := range keymaps {
		if there(file) {
			files = append(files, checkedFile{File: file, Kind: "keymap"})
		}
	}
	for _, dir := range s.Themes() {
		names, _ := fs.Glob(dir, "*.toml")
		for _, name := range names {
			files = append(files, checkedFile{File: dir.Path(name), Kind: "theme"})
		}
	}
	for _, name := range append(theme.Names(s.Themes()...), os.Getenv("HAIRPIN_THEME")) {
		if name != "" {
			_, problems := s.Theme(name)
			all = append(append(all, problems...), s.Contrast(name)...)
		}
	}
	if set := os.Getenv("HAIRPIN_GLYPHS"); set != "" {
		if _, ok := theme.GlyphSet(set); !ok {
			at := layer.Place{File: "HAIRPIN_GLYPHS"}
			all = append(all, layer.Problem{Place: at, What: fmt.Sprintf("no set is called %q: it is block, braille or ascii", set), Used: "block is used"})
		}
	}
	return assign(files, all)
}

// assign gives each problem, once, to the file it is about; those of no file come last, by what they are about.
func assign(files []checkedFile, problems []layer.Problem) []checkedFile {
	for _, p := range problems {
		i := slices.IndexFunc(files, func(f checkedFile) bool { return f.File == p.File })
		if i < 0 {
			i = len(files)
			files = append(files, checkedFile{File: p.File, Kind: "choice"})
		}
		if !slices.Contains(files[i].Problems, p) {
			files[i].Problems = append(files[i].Problems, p)
		}
	}
	for i := range files {
		files[i].Problems = layer.Few(append([]layer.Problem{}, files[i].Problems...))
	}
	return files
}

func there(file string) bool {
	_, err := os.Lstat(file)
	return err == nil
}

// themeTables begin what only themes have.
var themeTables = regexp.MustCompile(`(?m)^\s*\[\s*(palette|tokens)\b`)

// checkFile checks one file by what it seems to be.
func checkFile(file string) []checkedFile {
	if ext := filepath.Ext(file); ext != ".toml" {
		return []checkedFile{checkSpecFile(file)}
	}
	text, err := layer.Read(file)
	if err == nil && (themeTables.Match(text) || filepath.Base(filepath.Dir(file)) == "themes") {
		name, dir := strings.TrimSuffix(filepath.Base(file), ".toml"), layer.Dir(filepath.Dir(file))
		_, problems := theme.Load(name, dir)
		problems = append(problems, theme.Contrast(name, dir)...)
		return assign([]checkedFile{{File: file, Kind: "theme"}}, named(problems, file))
	}
	problems := keymap.Load(file).Problems
	return assign([]checkedFile{{File: file, Kind: "keymap"}}, named(problems, file))
}

// named gives the problems of a file the name by which it was called.
func named(problems []layer.Problem, file string) []layer.Problem {
	for i, p := range problems {
		if filepath.Clean(p.File) == filepath.Clean(file) {
			problems[i].File = file
		}
	}
	return problems
}

func checkSpecFile(file string) checkedFile {
	c := checkedFile{File: file, Kind: "spec", Problems: []layer.Problem{}}
	say := func(line int, what string) {
		c.Problems = append(c.Problems, layer.Problem{Place: layer.Place{File: file, Line: line}, What: what})
	}
	text, err := os.ReadFile(file)
	if err == nil {
		_, err = spec.Parse(file, text)
	}
	wrong, is := errors.AsType[*spec.Error](err)
	switch {
	case is:
		for _, f := range wrong.Faults {
			line := f.Line
			f.Line = 0
			say(line, f.String())
		}
		if wrong.More > 0 {
			say(0, fmt.Sprintf("and %d more", wrong.More))
		}
	case err != nil:
		if p, ok := errors.AsType[*fs.PathError](err); ok {
			err = p.Err
		}
		say(0, err.Error())
	}
	return c
}
