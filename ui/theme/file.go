package theme

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
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
	problems []Problem
}

type document struct {
	Schema   int               `toml:"schema"`
	Inherits string            `toml:"inherits"`
	Palette  map[string]colour `toml:"palette"`
	Tokens   map[string]string `toml:"tokens"`
}

// maxBadLines bounds how many lines are skipped one by one; a file with more is skipped as a whole.
const maxBadLines = 20

// parse reads a theme file. It is nil, with the problem, when the whole file must be skipped.
func parse(path string, src []byte) (*file, []Problem) {
	f := &file{path: path, lines: bytes.Split(src, []byte("\n")), palette: map[string]colour{}, looks: map[Token]look{}}
	doc, err := f.decode()
	if err != nil {
		return nil, []Problem{{File: path, What: err.Error(), Used: "the theme below it"}}
	}
	if doc.Schema != schema {
		what := fmt.Sprintf("schema is %d, this program reads %d", doc.Schema, schema)
		return nil, []Problem{{File: path, Line: f.line("", "schema"), What: what, Used: "the theme below it"}}
	}
	f.inherits = doc.Inherits
	for name, c := range doc.Palette {
		if err := c.check(); err != nil {
			f.skip(f.line("palette", name), fmt.Sprintf("palette.%s.%v", name, err))
			continue
		}
		f.palette[name] = c
	}
	for name, text := range doc.Tokens {
		l, err := parseLook(text)
		if !slices.Contains(Tokens(), Token(name)) {
			err = errors.New("no such token")
		}
		if err != nil {
			f.skip(f.line("tokens", name), fmt.Sprintf("tokens.%s: %v", name, err))
			continue
		}
		f.looks[Token(name)] = l
	}
	slices.SortFunc(f.problems, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
	return f, f.problems
}

// decode reads the TOML and, when a line is not TOML or is not a key of ours, blanks it and reads again.
func (f *file) decode() (document, error) {
	lines := slices.Clone(f.lines)
	for range maxBadLines {
		var doc document
		dec := toml.NewDecoder(bytes.NewReader(bytes.Join(lines, []byte("\n"))))
		err := dec.DisallowUnknownFields().Decode(&doc)
		if err == nil {
			return doc, nil
		}
		bad := locate(err)
		if len(bad) == 0 {
			return doc, err
		}
		for line, what := range bad {
			if line < 1 || line > len(lines) || len(lines[line-1]) == 0 {
				return doc, err
			}
			lines[line-1] = nil
			f.skip(line, what)
		}
	}
	return document{}, fmt.Errorf("more than %d lines cannot be read", maxBadLines)
}

// locate says which lines an error of the decoder is about.
func locate(err error) map[int]string {
	var strict *toml.StrictMissingError
	if errors.As(err, &strict) {
		bad := map[int]string{}
		for _, e := range strict.Errors {
			row, _ := e.Position()
			bad[row] = fmt.Sprintf("unknown key %s", strings.Join(e.Key(), "."))
		}
		return bad
	}
	var decode *toml.DecodeError
	if errors.As(err, &decode) {
		row, _ := decode.Position()
		return map[int]string{row: strings.TrimPrefix(decode.Error(), "toml: ")}
	}
	return nil
}

func (f *file) skip(line int, what string) {
	f.problems = append(f.problems, Problem{File: f.path, Line: line, What: what, Used: "the inherited value"})
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
