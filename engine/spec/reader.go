package spec

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// mostVisits bounds the work that a document may cause, aliases counted each time they are used: twice what
// MaxBackends need.
const mostVisits = 1 << 19

// reader turns nodes of a document into values. What it cannot read it notes, and goes on with the rest.
type reader struct {
	*faults
	visits int
	shape  shape // not nil: nothing is read, this says what may be; see Schema
}

// read fills in what is written at a place of the document.
type read func(n *yaml.Node, a *at)

// field is one that a mapping may have.
type field struct {
	name string
	must string // what to write when it is missing; empty = it may be
	read read
}

// fields reads the mapping n, which has no other fields than these.
func (r *reader) fields(n *yaml.Node, a *at, known ...field) {
	if r.shape != nil {
		r.shapeFields(known)
		return
	}
	have := make([]bool, len(known))
	names := make([]string, len(known))
	for i, f := range known {
		names[i] = f.name
	}
	ended := r.pairs(n, a, func(key, value *yaml.Node) {
		if i := slices.Index(names, key.Value); i >= 0 {
			have[i] = true
			known[i].read(value, a.field(key.Value))
			return
		}
		instead := "there are " + strings.Join(names, ", ")
		if i := slices.Index(names, nearest(key.Value, names)); i >= 0 {
			instead = "did you mean " + names[i] + "?"
			have[i] = true
			r.skip(a.field(names[i]))
		}
		r.misread(a.field(key.Value), key.Line, "unknown field: %s", instead)
	})
	for i, f := range known {
		if ended && !have[i] && f.must != "" {
			r.misread(a.field(f.name), 0, "missing: write %s", f.must)
		}
	}
}

// pairs calls each for the pairs of the mapping n, in the document's order and without those whose key is unfit. It
// is false when n could not be read to its end. A mapping left empty has no pairs.
func (r *reader) pairs(n *yaml.Node, a *at, each func(key, value *yaml.Node)) bool {
	if r.shape != nil {
		r.shapePairs(each)
		return false
	}
	if n = r.use(n, a); n == nil || !r.is(n, a, yaml.MappingNode) {
		return false
	}
	lines := make(map[string]int, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := r.use(n.Content[i], a)
		switch {
		case r.visits > mostVisits:
			return false
		case key == nil:
			continue
		case key.Kind != yaml.ScalarNode:
			r.misread(a, n.Content[i].Line, "%s where the name of a field is expected", kind(key))
			continue
		case key.Tag == "!!merge":
			r.misread(a, n.Content[i].Line, "a spec has no merge key <<: write the fields out")
			continue
		case lines[key.Value] > 0:
			r.misread(a.field(key.Value), n.Content[i].Line, "given twice, first on line %d", lines[key.Value])
			continue
		}
		lines[key.Value] = n.Content[i].Line
		each(key, n.Content[i+1])
	}
	return r.visits <= mostVisits
}

// list is a reader of at most most items, each read by item. A list left empty has none.
func list[T any](r *reader, dst *[]T, most int, item func(n *yaml.Node, a *at) T) read {
	return func(n *yaml.Node, a *at) {
		if r.shape != nil {
			r.shapeList(most, func(n *yaml.Node, a *at) { item(n, a) })
			return
		}
		if n = r.use(n, a); n == nil || !r.is(n, a, yaml.SequenceNode) {
			return
		}
		if len(n.Content) > most {
			r.misread(a, 0, "%d are too many: at most %d", len(n.Content), most)
			return
		}
		for i, c := range n.Content {
			*dst = append(*dst, item(c, a.item(i)))
		}
	}
}

// use is n, or what n is an alias of; nil when it is not to be read.
func (r *reader) use(n *yaml.Node, a *at) *yaml.Node {
	if r.visits++; r.visits > mostVisits {
		if r.visits == mostVisits+1 {
			r.misread(nil, n.Line, "more than %d values, each use of an alias counted: no spec has as many", mostVisits)
		}
		return nil
	}
	line := n.Line
	if n = follow(n); n.Style&yaml.TaggedStyle != 0 {
		r.misread(a, line, "tag %s: a spec has none, remove it", quote(n.Tag))
		return nil
	}
	return n
}

// is tells whether n has the wanted kind, or is empty where a mapping or list is wanted; if not, it notes that.
func (r *reader) is(n *yaml.Node, a *at, want yaml.Kind) bool {
	empty := n.Kind == yaml.ScalarNode && n.Tag == "!!null"
	switch {
	case empty && want == yaml.ScalarNode:
		r.misread(a, 0, "empty: give it a value or remove it")
		return false
	case n.Kind == want || empty:
		return true
	}
	wanted := map[yaml.Kind]string{yaml.MappingNode: mapping, yaml.SequenceNode: sequence, yaml.ScalarNode: "a single value"}
	r.misread(a, 0, "%s where %s is expected", kind(n), wanted[want])
	return false
}

const (
	mapping  = "a mapping of fields"
	sequence = "a list"
)

// kind is what n is to the eye.

func kind(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return mapping
	case yaml.SequenceNode:
		return sequence
	}
	if n.Value != "" || n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0 {
		return quote(n.Value)
	}
	return "nothing"
}
