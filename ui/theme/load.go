package theme

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"reflect"
	"slices"

	"hairpin/themes"
)

// Load resolves a theme from the built-in themes and the layers over them, lowest first; each holds files NAME.toml at
// its root, and may be a folder that does not exist. A file inherits what it does not set: from the theme that
// `inherits` names, else from the file of the same name in a lower layer, else from the fallback. A palette entry
// that is set anew also changes the inherited tokens that use it.
//
// There is always a theme: what cannot be used is left out and told. The profile is ANSI256; see WithProfile.
func Load(name string, layers ...fs.FS) (*Theme, []Problem) {
	l := loader{layers: append([]fs.FS{themes.FS}, layers...)}
	chain := l.chain(name)
	if len(chain) == 0 {
		l.problems = append(l.problems, Problem{File: name, What: "there is no such theme", Used: Fallback})
		name, chain = Fallback, l.chain(Fallback)
	}
	palette, looks := map[string]colour{}, map[Token]look{}
	for _, f := range slices.Backward(chain) {
		f.over(palette, looks)
	}
	l.resolve(chain, palette, looks)
	return build(name, ANSI256, palette, looks), l.problems
}

type loader struct {
	layers   []fs.FS
	problems []Problem
}

// place is one file among the layers.
type place struct {
	level int
	name  string
}

// chain is the file of a theme and those that it inherits from, nearest first. The last is the built-in fallback, so
// that no token is ever without a look. It is empty when there is no such theme.
func (l *loader) chain(name string) []*file {
	var files []*file
	used := map[place]bool{}
	top := len(l.layers) - 1
	for at := top; ; {
		f, level := l.find(name, at)
		if f == nil {
			break
		}
		used[place{level, name}] = true
		files = append(files, f)
		parent, from := f.inherits, top
		if parent == "" || parent == name {
			parent, from = name, level-1
		}
		next := l.highest(parent, from)
		if f.inherits == "" && next < 0 {
			break
		}
		if next < 0 || used[place{next, parent}] {
			what := fmt.Sprintf("inherits %q, which does not exist or inherits this file", f.inherits)
			l.problems = append(l.problems, Problem{File: f.path, Line: f.line("", "inherits"), What: what, Used: Fallback})
			break
		}
		name, at = parent, from
	}
	if len(files) > 0 && !used[place{0, Fallback}] {
		f, _ := l.find(Fallback, 0)
		files = append(files, f)
	}
	return files
}

// find reads the highest usable file of a theme at or below a layer; nil when there is none.
func (l *loader) find(name string, from int) (*file, int) {
	for level := from; level >= 0; level-- {
		src, err := fs.ReadFile(l.layers[level], name+".toml")
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) {
			continue
		}
		path := l.path(level, name)
		if err != nil {
			l.problems = append(l.problems, Problem{File: path, What: err.Error(), Used: "the theme below it"})
			continue
		}
		f, problems := parse(path, src)
		l.problems = append(l.problems, problems...)
		if f != nil {
			return f, level
		}
	}
	return nil, -1
}

// highest is the layer of a theme's file at or below a layer; -1 when there is none.
func (l *loader) highest(name string, from int) int {
	for level := from; level >= 0; level-- {
		if _, err := fs.Stat(l.layers[level], name+".toml"); err == nil {
			return level
		}
	}
	return -1
}

// path is what an operator can open. os.DirFS is a string, and the only kind of layer that has a place.
func (l *loader) path(level int, name string) string {
	if v := reflect.ValueOf(l.layers[level]); v.Kind() == reflect.String {
		return filepath.Join(v.String(), name+".toml")
	}
	return name + ".toml"
}

// resolve takes back looks whose colours nobody defines, to the next lower file that has one that can be drawn.
func (l *loader) resolve(chain []*file, palette map[string]colour, looks map[Token]look) {
	for _, k := range Tokens() {
		for _, f := range chain {
			own, ok := f.looks[k]
			if !ok {
				continue
			}
			name, bad := own.missing(palette)
			if !bad {
				looks[k] = own
				break
			}
			what := fmt.Sprintf("tokens.%s: no colour %q in the palette", k, name)
			l.problems = append(l.problems, Problem{
				File: f.path, Line: f.line("tokens", string(k)), What: what, Used: "the inherited value",
			})
			looks[k] = look{}
		}
	}
}
