// Package record keeps how a value looked over time: in files of bounded size, thinned by age, that a kill at any
// instruction leaves readable, and that later versions of the value's type read by the names of its fields.
package record

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"time"
)

// kind is what a node of a schema holds. The words are part of the format.
type kind string

const (
	integer kind = "int"
	float   kind = "float" // kept with the precision of a float32
	rate    kind = "rate"  // a float that most often is what an integer before it grew by, per second
	instant kind = "time"
	text    kind = "text"
	boolean kind = "bool"
	list    kind = "list"
	maybe   kind = "maybe"
	group   kind = "struct"
)

// node is the schema of one part of a value. It stands before the values that were written by it, so that a reader whose
// type has changed meanwhile finds the fields that it knows by their names.
type node struct {
	Name  string  `json:"n,omitempty"`
	Kind  kind    `json:"k"`
	Back  int     `json:"b,omitempty"` // of a rate: how many numbers before it its integer stands
	Parts []*node `json:"p,omitempty"` // fields of a struct, or the one of what a list or a maybe holds

	index []int // of the field that it is read from or into; nil = the reader's type has none
}

// maxDepth and maxParts bound a schema that was read.
const (
	maxDepth = 12
	maxParts = 1 << 10
)

var (
	textType = reflect.TypeFor[encoding.TextMarshaler]()
	timeType = reflect.TypeFor[time.Time]()
)

// schemaOf is the schema of a struct. Fields tagged record:"-" are left out; one tagged rate:"Field" is the rate of it.
// The fields of an embedded struct count as its own.
func schemaOf(t reflect.Type) (*node, error) {
	root := &node{Kind: group}
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.Anonymous {
			if err := root.add(f); err != nil {
				return nil, err
			}
			continue
		}
		for j := range f.Type.NumField() {
			inner := f.Type.Field(j)
			inner.Index = []int{i, j}
			if err := root.add(inner); err != nil {
				return nil, err
			}
		}
	}
	return root, nil
}

// add appends a field to a struct's node.
func (n *node) add(f reflect.StructField) error {
	if !f.IsExported() || f.Tag.Get("record") == "-" {
		return nil
	}
	part, err := nodeOf(f.Type)
	if err != nil {
		return fmt.Errorf("%s: %w", f.Name, err)
	}
	part.Name, part.index = f.Name, f.Index
	if base := f.Tag.Get("rate"); base != "" {
		if part.Back = n.back(base); part.Back == 0 || part.Kind != float {
			return fmt.Errorf("%s: no rate of %s", f.Name, base)
		}
		part.Kind = rate
	}
	n.Parts = append(n.Parts, part)
	return nil
}

// back is how many numbers before the next one the integer called name stands; 0 = there is none.
func (n *node) back(name string) int {
	numbers := 1
	for i := len(n.Parts) - 1; i >= 0; i-- {
		switch p := n.Parts[i]; p.Kind {
		case list, maybe, group:
			return 0
		case text, boolean:
		default:
			if p.Name == name && p.Kind == integer {
				return numbers
			}
			numbers++
		}
	}
	return 0
}

func nodeOf(t reflect.Type) (*node, error) {
	switch {
	case t == timeType:
		return &node{Kind: instant}, nil
	case t.Implements(textType):
		return &node{Kind: text}, nil
	}
	switch t.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return &node{Kind: integer}, nil
	case reflect.Float32, reflect.Float64:
		return &node{Kind: float}, nil
	case reflect.String:
		return &node{Kind: text}, nil
	case reflect.Bool:
		return &node{Kind: boolean}, nil
	case reflect.Slice, reflect.Pointer:
		n := &node{Kind: list}
		if t.Kind() == reflect.Pointer {
			n.Kind = maybe
		}
		part, err := nodeOf(t.Elem())
		n.Parts = []*node{part}
		return n, err
	case reflect.Struct:
		n := &node{Kind: group}
		for i := range t.NumField() {
			if err := n.add(t.Field(i)); err != nil {
				return nil, err
			}
		}
		return n, nil
	}
	return nil, fmt.Errorf("a %s cannot be recorded", t)
}

// bind says where each part of a schema that was read goes in a value of type ours, whose schema is by. What ours does
// not have, or has as something else, is read and forgotten.
func (n *node) bind(by *node) {
	known := map[string]*node{} // what a list or a maybe holds has no name
	for _, p := range by.Parts {
		known[p.Name] = p
	}
	for _, p := range n.Parts {
		ours := known[p.Name]
		switch {
		case ours == nil || !p.fits(ours):
			p.forget()
		default:
			p.index = ours.index
			if len(p.Parts) > 0 {
				p.bind(ours)
			}
		}
	}
}

func (n *node) forget() {
	n.index = nil
	for _, p := range n.Parts {
		p.forget()
	}
}

// fits tells whether what n reads can be put where ours stands.
func (n *node) fits(ours *node) bool {
	number := func(k kind) bool { return k == float || k == rate }
	switch n.Kind {
	case list, maybe:
		return n.Kind == ours.Kind && n.Parts[0].fits(ours.Parts[0])
	}
	return n.Kind == ours.Kind || number(n.Kind) && number(ours.Kind)
}

// check says what is wrong with a schema that was read. Every part takes at least a byte of what it is written as, which
// bounds what a list may claim.
func (n *node) check(depth int) error {
	wanted := 0
	switch n.Kind {
	case list, maybe:
		wanted = 1
	case group:
		wanted = len(n.Parts)
		if wanted == 0 || wanted > maxParts {
			return fmt.Errorf("a struct of %d fields", wanted)
		}
	case integer, float, rate, instant, text, boolean:
	default:
		return fmt.Errorf("no kind %q", n.Kind)
	}
	if len(n.Parts) != wanted || depth > maxDepth {
		return errors.New("the schema makes no sense")
	}
	for _, p := range n.Parts {
		if p == nil || p.Back < 0 {
			return errors.New("the schema makes no sense")
		}
		if err := p.check(depth + 1); err != nil {
			return err
		}
	}
	return nil
}
