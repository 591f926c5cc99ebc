package theme

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"hairpin/engine/near"
	"hairpin/themes"
	"hairpin/ui/layer"
)

// Load resolves a theme from the built-in themes and the layers over them, lowest first; each holds files NAME.toml, and
// need not exist. A file inherits what it does not set: from the theme that
// `inherits` names, else from the file of the same name in a lower layer, else from the fallback. A palette entry
// that is set anew also changes the inherited tokens that use it.
//
// There is always a theme: what cannot be used is left out and told. The profile is ANSI256; see WithProfile.
func Load(name string, layers ...layer.Dir) (*Theme, []layer.Problem) {
	l := newLoader(layers)
	chain := l.chain(name)
	if len(chain) == 0 {
		what := fmt.Sprintf("no theme is called %q (there are: %s)%s", name, strings.Join(l.names(), ", "), near.Hint(name, l.names()))
		l.problems = append(l.problems, layer.Problem{Place: layer.Place{File: "theme"}, What: what, Used: Fallback + " is used"})
		name, chain = Fallback, l.chain(Fallback)
	}
	palette, looks := map[string]colour{}, map[Token]look{}
	for _, f := range slices.Backward(chain) {
		f.over(palette, looks)
	}
	l.resolve(chain, palette, looks)
	return build(name, ANSI256, palette, looks), l.problems
}

// Names are the themes that can be asked for: the built-in ones and those of the layers.
func Names(layers ...layer.Dir) []string { return newLoader(layers).names() }

type loader struct {
	layers   []fs.FS
	problems []layer.Problem
}

func newLoader(dirs []layer.Dir) *loader {
	l := &loader{layers: []fs.FS{themes.FS}}
	for _, d := range dirs {
		l.layers = append(l.layers, d)
	}
	return l
}

func (l *loader) names() []string {
	var names []string
	for _, fsys := range l.layers {
		files, _ := fs.Glob(fsys, "*.toml") // a folder that cannot be read has no themes
		for _, f := range files {
			names = append(names, strings.TrimSuffix(f, ".toml"))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
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
			at := layer.Place{File: f.path, Line: f.line("", "inherits")}
			l.problems = append(l.problems, layer.Problem{Place: at, What: what, Used: Fallback + " is used"})
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
			l.problems = append(l.problems, (&file{path: path}).whole(0, err.Error()))
			continue
		}
		f, problems := parse(path, src)
		l.problems = append(l.problems, problems...)
		if f != nil {
			f.own = level > 0
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

// path is what a person can open, or the bare name of a built-in file.
func (l *loader) path(level int, name string) string {
	if d, ok := l.layers[level].(layer.Dir); ok {
		return d.Path(name + ".toml")
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
			at := layer.Place{File: f.path, Line: f.line("tokens", string(k))}
			l.problems = append(l.problems, layer.Problem{Place: at, What: what, Used: "the inherited value is used"})
			looks[k] = look{}
		}
	}
}
