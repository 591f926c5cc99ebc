package keymap

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"

	"hairpin/ui/action"
)

// Schema is the version of the file format that this package reads.
const Schema = 1

// file is one keymap file as written.
type file struct {
	name     string
	inherits string
	lines    []line
	problems []Problem
}

// line is one binding, or an unbinding, with its place.
type line struct {
	number int
	scope  action.Scope
	Binding
}

// parse reads a file. A file that is no TOML, or of another schema, gives no lines; a line that means nothing is
// left out. Each leaves a problem.
func parse(name string, data []byte) file {
	f := file{name: name}
	var head struct {
		Schema   int
		Inherits string
	}
	if err := toml.Unmarshal(data, &head); err != nil {
		var at *toml.DecodeError
		row := 0
		if errors.As(err, &at) {
			row, _ = at.Position()
		}
		f.skip(row, err.Error(), "the whole file is skipped")
		return f
	}
	if head.Schema != Schema {
		f.skip(0, fmt.Sprintf("schema is %d, this version reads %d", head.Schema, Schema), "the whole file is skipped")
		return f
	}
	f.inherits = head.Inherits
	f.tables(data)
	return f
}

func (f *file) skip(line int, what, used string) {
	f.problems = append(f.problems, Problem{File: f.name, Line: line, What: what, Used: used})
}

// tables walks the document once more, by expression, since only that gives line numbers.
func (f *file) tables(data []byte) {
	var p unstable.Parser
	p.Reset(data)
	var table []string
	for p.NextExpression() {
		e := p.Expression()
		keys, number := path(&p, e.Key())
		switch e.Kind {
		case unstable.Table:
			table = keys
			if !slices.Contains(action.Scopes[:], action.Scope(keys[0])) {
				f.skip(number, fmt.Sprintf("no scope is called %q", keys[0]), "its table is skipped")
			}
		case unstable.KeyValue:
			if len(table) > 0 {
				f.value(&p, append(slices.Clone(table), keys...), number, e.Value())
			} else if len(keys) > 1 || !slices.Contains([]string{"schema", "inherits", "name"}, keys[0]) {
				f.skip(number, fmt.Sprintf("%q stands outside a table", strings.Join(keys, ".")), "the line is skipped")
			}
		default:
			f.skip(number, "this is no table of keys", "it is skipped")
			table = []string{""}
		}
	}
}

// value takes one line: a name, or an inline table that continues a chord.
func (f *file) value(p *unstable.Parser, keys []string, number int, v *unstable.Node) {
	scope := action.Scope(keys[0])
	if !slices.Contains(action.Scopes[:], scope) {
		return // said once, at its table
	}
	switch v.Kind {
	case unstable.String:
		f.binding(scope, keys[1:], number, action.ID(v.Data))
	case unstable.InlineTable:
		for it := v.Children(); it.Next(); {
			more, _ := path(p, it.Node().Key())
			f.value(p, append(slices.Clone(keys), more...), number, it.Node().Value())
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
	if why := misplaced(scope, chord, id); why != "" {
		f.skip(number, why, used)
		return
	}
	f.lines = append(f.lines, line{number: number, scope: scope, Binding: Binding{Keys: chord, Action: id}})
}

// misplaced says why an action cannot be bound in this place, or nothing.
func misplaced(scope action.Scope, chord []string, id action.ID) string {
	if id == action.None {
		return ""
	}
	a, known := action.Find(id)
	switch {
	case !known:
		return fmt.Sprintf("no action is called %q", id)
	case a.Scope != action.Global && a.Scope != scope:
		return fmt.Sprintf("%s belongs into [%s]", id, a.Scope)
	case a.Arms && (chord[0] == "backspace" || chord[0] == "delete"):
		return fmt.Sprintf("%s cannot sit on %s: too easily hit", id, chord[0])
	}
	return ""
}

// path is a dotted key and the line it stands on.
func path(p *unstable.Parser, it unstable.Iterator) (keys []string, number int) {
	for it.Next() {
		n := it.Node()
		if number == 0 {
			number = p.Shape(n.Raw).Start.Line
		}
		keys = append(keys, string(n.Data))
	}
	return keys, number
}
