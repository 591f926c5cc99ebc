package spec

import (
	"fmt"
	"maps"
	"net/netip"
	"time"

	"go.yaml.in/yaml/v3"
)

// shape is a JSON Schema that is being made: what may be written at one place of a document.
type shape map[string]any

// Schema is the JSON Schema (draft 7) of a spec's document, for editors. The readers that Parse uses make it, so it has the
// fields, words and ranges that they know. What only checks across fields can tell is not in it.
func Schema() map[string]any {
	r := &reader{faults: &faults{}}
	s := r.shapeOf(func(n *yaml.Node, _ *at) { r.spec(n) })
	s["$schema"] = "http://json-schema.org/draft-07/schema#"
	s["title"] = "hairpin spec"
	s["properties"].(map[string]any)["version"] = shape{"const": Version}
	s["required"] = []string{"version"}
	return s
}

// shapeOf is what read takes. A reader that makes shapes is given sample in place of what it would read.
func (r *reader) shapeOf(read read) shape {
	outer := r.shape
	defer func() { r.shape = outer }()
	r.shape = shape{}
	read(sample(), nil)
	return r.shape
}

// sample stands for whatever may be written.
func sample() *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Value: "NAME"} }

func (r *reader) shapeFields(known []field) {
	properties, required := map[string]any{}, []string{}
	for _, f := range known {
		p := r.shapeOf(f.read)
		if f.must != "" {
			required = append(required, f.name)
			p["description"] = f.must
			delete(p, "default")
		}
		properties[f.name] = p
	}
	maps.Copy(r.shape, shape{"type": []string{"object", "null"}, "properties": properties, "additionalProperties": false})
	if len(required) > 0 {
		r.shape["required"] = required
	}
}

func (r *reader) shapePairs(each func(key, value *yaml.Node)) {
	value := r.shapeOf(func(n *yaml.Node, _ *at) { each(n, n) })
	maps.Copy(r.shape, shape{"type": []string{"object", "null"}, "additionalProperties": value})
}

func (r *reader) shapeList(most int, item read) {
	maps.Copy(r.shape, shape{"type": []string{"array", "null"}, "maxItems": most, "items": r.shapeOf(item)})
}

// shapeScalar is the shape of a single value whose default is in dst. What looks like a number is a text as well.
func (r *reader) shapeScalar(dst any) {
	r.shape["type"] = []string{"string", "number", "boolean"}
	switch v := dst.(type) {
	case *uint8, *uint16, *uint32:
		r.shape["type"] = "integer"
	case *netip.Addr, *netip.Prefix:
		r.shape["type"] = "string"
	case *time.Duration:
		maps.Copy(r.shape, shape{"type": "string", "pattern": `^[-+0-9.]+(ns|us|µs|ms|s|m|h)`})
		if *v != 0 {
			r.shape["default"] = v.String()
		}
	case *string:
		if *v != "" {
			r.shape["default"] = *v
		}
	}
}

func shapeNumber[T ~uint16 | ~uint32](r *reader, usual, lo, hi T) {
	maps.Copy(r.shape, shape{"type": "integer", "minimum": lo, "maximum": hi})
	if usual != 0 {
		r.shape["default"] = usual
	}
}

func shapeChoice[T comparable](r *reader, usual T, words []word[T]) {
	var names []any
	for _, w := range words {
		if truth, is := any(w.value).(bool); is {
			names = append(names, truth)
		} else {
			names = append(names, w.name)
		}
		if w.value == usual {
			r.shape["default"] = names[len(names)-1]
		}
	}
	r.shape["enum"] = names
}

// shapeStages has the settings of a stage by its kind, which is its name's where it is not written.
func (r *reader) shapeStages() {
	named, others := map[string]any{}, []any{}
	for _, k := range kinds {
		if k.settings == nil {
			continue
		}
		kind := func(must string) shape {
			fields := []field{{"kind", must, func(*yaml.Node, *at) { r.shape["const"] = string(k.name) }}}
			return r.shapeOf(func(*yaml.Node, *at) { r.shapeFields(append(fields, k.settings().fields(r)...)) })
		}
		others = append(others, kind(fmt.Sprintf("the kernel function %s", k.name)))
		named[string(k.name)] = kind("")
	}
	for name, own := range named { // it may have the name of one kind and be of another
		named[name] = shape{"anyOf": []any{own, shape{"$ref": "#/properties/stages/additionalProperties"}}}
	}
	maps.Copy(r.shape, shape{"type": []string{"object", "null"}, "properties": named, "additionalProperties": shape{"anyOf": others}})
}

// either reads n as a mapping or as a single value, whichever it is.
func (r *reader) either(n *yaml.Node, a *at, single, mapping read) {
	switch {
	case r.shape != nil:
		r.shape["anyOf"] = []any{r.shapeOf(single), r.shapeOf(mapping)}
	case follow(n).Kind == yaml.MappingNode:
		mapping(n, a)
	default:
		single(n, a)
	}
}
