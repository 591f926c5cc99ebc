package keymap

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"

	"hairpin/engine/near"
	"hairpin/ui/action"
	"hairpin/ui/layer"
)

// Schema is the version of the file format that this package reads.
const Schema = 1

// file is one keymap file as written.
type file struct {
	name     string
	inherits base
	lines    []line
	problems []layer.Problem

	text    []byte
	at, row int // a place in text, and its line
}

// base is a preset, and where it was asked for.
type base struct {
	name string
	at   layer.Place
}

// line is one binding, or an unbinding, with its place.
type line struct {
	number int
	scope  action.Scope
	Binding
}

// most bounds the bindings of one file.
const most = 1000

// longest is how many keys a chord may have.
const longest = 4

// parse reads a file. A file that is no TOML, or of another schema, gives no lines; a line that means nothing is
// left out. Each leaves a problem.
func parse(name string, data []byte) file {
	f := file{name: name}
	var head struct {
		Schema   int
		Inherits string
	}
	data, err := layer.Decode(data, &head, false, func(line int, what string) { f.skip(line, what, "the line is skipped") })
	switch {
	case err != nil:
		f.skip(0, err.Error(), "the whole file is skipped")
		return f
	case head.Schema != Schema:
		f.skip(0, fmt.Sprintf("schema is %d, this version reads %d", head.Schema, Schema), "the whole file is skipped")
		return f
	}
	f.inherits.name = head.Inherits
	f.text, f.row = data, 1
	f.tables()
	f.problems = layer.Few(f.problems)
	return f
}

func (f *file) skip(line int, what, used string) {
	f.problems = append(f.problems, layer.Problem{Place: layer.Place{File: f.name, Line: line}, What: what, Used: used})
}

// tables walks the document once more, by expression, since only that gives line numbers.
func (f *file) tables() {
	var p unstable.Parser
	p.Reset(f.text)
	var table []string
	for p.NextExpression() {
		e := p.Expression()
		keys, number := f.path(e.Key())
		switch e.Kind {
		case unstable.Table:
			table = keys
			if !slices.Contains(action.Scopes[:], action.Scope(keys[0])) {
				f.skip(number, fmt.Sprintf("no scope is called %q%s", keys[0], near.Hint(keys[0], scopeNames())), "its table is skipped")
			}
		case unstable.KeyValue:
			switch {
			case len(table) > 0:
				f.value(append(slices.Clone(table), keys...), number, e.Value())
			case len(keys) == 1 && keys[0] == "inherits":
				f.inherits.at = layer.Place{File: f.name, Line: number}
			case len(keys) > 1 || keys[0] != "schema":
				f.skip(number, fmt.Sprintf("%q stands outside a table", strings.Join(keys, ".")), "the line is skipped")
			}
		default:
			f.skip(number, "this is no table of keys", "it is skipped")
			table = []string{""}
		}
	}
}

// value takes one line: a name, or an inline table that continues a chord.
func (f *file) value(keys []string, number int, v *unstable.Node) {
	scope := action.Scope(keys[0])
	if !slices.Contains(action.Scopes[:], scope) {
		return // said once, at its table
	}
	switch v.Kind {
	case unstable.String:
		f.binding(scope, keys[1:], number, action.ID(v.Data))
	case unstable.InlineTable:
		for it := v.Children(); it.Next(); {
			more, _ := f.path(it.Node().Key())
			f.value(append(slices.Clone(keys), more...), number, it.Node().Value())
		}
	default:
		f.skip(number, fmt.Sprintf("%s is not the name of an action", strings.Join(keys[1:], " ")), "the line is skipped")
	}
}

// binding checks keys and action and keeps the line, or says why not.
func (f *file) binding(scope action.Scope, keys []string, number int, id action.ID) {
	const used = "the key stays as it was"
	chord := make([]string, len(keys))
	for i, name := range keys {
		key, err := ParseKey(name)
		if err != nil {
			f.skip(number, fmt.Sprintf("%s: %v", name, err), used)
			return
		}
		if why := protected(key); why != "" {
			f.skip(number, fmt.Sprintf("%s cannot be bound: %s", key, why), used)
			return
		}
		chord[i] = key
	}
	why := misplaced(scope, chord, id)
	if why == "" {
		why = f.twice(scope, chord)
	}
	if why != "" {
		f.skip(number, why, used)
		return
	}
	from := layer.Place{File: f.name, Line: number}
	f.lines = append(f.lines, line{number: number, scope: scope, Binding: Binding{Keys: chord, Action: id, From: from}})
}

// twice says why a chord cannot be had beside an earlier one of the file, or nothing.
func (f *file) twice(scope action.Scope, chord []string) string {
	switch {
	case len(chord) > longest:
		return fmt.Sprintf("a chord of %d keys: at most %d", len(chord), longest)
	case len(f.lines) == most:
		return fmt.Sprintf("more than %d bindings in one file", most)
	}
	for _, l := range f.lines {
		if n := min(len(l.Keys), len(chord)); l.scope == scope && slices.Equal(l.Keys[:n], chord[:n]) {
			return fmt.Sprintf("%s and %s of line %d cannot both be had", strings.Join(chord, " "), l.Binding, l.number)
		}
	}
	return ""
}

// misplaced says why an action cannot be bound in this place, or nothing.
func misplaced(scope action.Scope, chord []string, id action.ID) string {
	if id == action.None {
		return ""
	}
	a, known := action.Find(id)
	switch {
	case !known:
		return fmt.Sprintf("no action is called %q%s", id, near.Hint(string(id), actionNames()))
	case a.Scope != action.Global && a.Scope != scope:
		return fmt.Sprintf("%s belongs into [%s]", id, a.Scope)
	case a.Arms && (chord[0] == "backspace" || chord[0] == "delete"):
		return fmt.Sprintf("%s cannot sit on %s: too easily hit", id, chord[0])
	}
	return ""
}

func scopeNames() (names []string) {
	for _, s := range action.Scopes {
		names = append(names, string(s))
	}
	return names
}

func actionNames() (names []string) {
	for _, a := range action.All() {
		names = append(names, string(a.ID))
	}
	return append(names, string(action.None))
}

// path is a dotted key and the line it stands on.
func (f *file) path(it unstable.Iterator) (keys []string, number int) {
	for it.Next() {
		n := it.Node()
		if number == 0 {
			number = f.lineOf(int(n.Raw.Offset))
		}
		keys = append(keys, string(n.Data))
	}
	return keys, number
}

// lineOf counts on from the place before, since counting anew for each key would take long in a large file.
func (f *file) lineOf(offset int) int {
	if offset < f.at {
		f.at, f.row = 0, 1
	}
	f.row += bytes.Count(f.text[f.at:offset], []byte("\n"))
	f.at = offset
	return f.row
}
