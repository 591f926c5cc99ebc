package theme

import (
	"bytes"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"hairpin/engine/near"
	"hairpin/ui/layer"
)

// schema is the version of the file format that this program reads.
const schema = 1

// file is a theme as it is written down. Each entry that is not fit for use is already taken out.
type file struct {
	path     string
	lines    [][]byte
	inherits string
	palette  map[string]colour
	looks    map[Token]look
	problems []layer.Problem
	own      bool // somebody's, not built in
}

type document struct {
	Schema   int               `toml:"schema"`
	Inherits string            `toml:"inherits"`
	Palette  map[string]entry  `toml:"palette"`
	Tokens   map[string]string `toml:"tokens"`
}

// parse reads a theme file. It is nil, with the problem, when the whole file must be skipped.
func parse(path string, src []byte) (*file, []layer.Problem) {
	f := &file{path: path, lines: bytes.Split(src, []byte("\n")), palette: map[string]colour{}, looks: map[Token]look{}}
	var doc document
	if _, err := layer.Decode(src, &doc, true, f.skip); err != nil {
		return nil, []layer.Problem{f.whole(0, err.Error())}
	}
	if doc.Schema != schema {
		what := fmt.Sprintf("schema is %d, this version reads %d", doc.Schema, schema)
		return nil, []layer.Problem{f.whole(f.line("", "schema"), what)}
	}
	f.inherits = doc.Inherits
	for name, e := range doc.Palette {
		c, err := e.colour()
		if err != nil {
			f.skip(f.line("palette", name), fmt.Sprintf("palette.%s: %v", name, err))
			continue
		}
		f.palette[name] = c
	}
	for name, text := range doc.Tokens {
		l, err := parseLook(text)
		if !slices.Contains(Tokens(), Token(name)) {
			err = fmt.Errorf("no such token%s", near.Hint(name, tokenNames()))
		}
		if err != nil {
			f.skip(f.line("tokens", name), fmt.Sprintf("tokens.%s: %v", name, err))
			continue
		}
		f.looks[Token(name)] = l
	}
	return f, layer.Few(f.problems)
}

func (f *file) skip(line int, what string) {
	f.problems = append(f.problems, layer.Problem{Place: layer.Place{File: f.path, Line: line}, What: what, Used: "the inherited value is used"})
}

// whole is the problem of a file of which nothing is used.
func (f *file) whole(line int, what string) layer.Problem {
	return layer.Problem{Place: layer.Place{File: f.path, Line: line}, What: what, Used: "the theme below it is used"}
}

var (
	tableHeader = regexp.MustCompile(`^\s*\[\s*([^\]\s]+)\s*\]`)
	keyOf       = regexp.MustCompile(`^\s*"?([A-Za-z0-9_-]+)"?\s*[=.]`)
)

// line finds where a key of a table is set: the decoder does not say it for values that it accepts.
func (f *file) line(table, key string) int {
	in := ""
	for i, l := range f.lines {
		if m := tableHeader.FindSubmatch(l); m != nil {
			in = string(m[1])
			if in == table+"."+key {
				return i + 1
			}
		} else if m := keyOf.FindSubmatch(l); m != nil && in == table && string(m[1]) == key {
			return i + 1
		}
	}
	return 0
}

// over lays the file over what it inherits.
func (f *file) over(palette map[string]colour, looks map[Token]look) {
	maps.Copy(palette, f.palette)
	maps.Copy(looks, f.looks)
}
