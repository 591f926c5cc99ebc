package spec

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Object is a program of somebody else's: one function of an ELF file, what its maps hold at first, and what of them is
// shown.
type Object struct {
	File    string // absolute path of the ELF file, read when a spec that names it is applied
	Program string // name of the function; empty = the only one of its type
	Maps    []MapFill
	Watch   []Watch
}

// MapFill is what one map holds at first.
type MapFill struct {
	Map     string
	Entries []MapEntry
}

// MapEntry is one element. Key and values are written as a number, an IP address, or bytes as 0a:00:00:01; their sizes are
// the map's.
type MapEntry struct {
	Key    string
	Values []MapField
}

// MapField is one member of an element that is a struct; without a name it is the whole element.
type MapField struct{ Name, Value string }

// Watch is one number of a map, shown as a metric.
type Watch struct {
	Map   string
	Key   string
	Field string // member of the element's struct; empty = the element is the number
	As    WatchAs
	Name  string // on screen
}

// WatchAs is what is shown of a number that is read every second.
type WatchAs uint8

// WatchScalar is the number as it is, WatchMaxRate the most that it grew by in one second of the last minute,
// WatchAverage its mean over the last minute.
const (
	WatchScalar WatchAs = iota
	WatchMaxRate
	WatchAverage
)

func (x *Object) fields(r *reader) []field {
	return []field{
		{"object", "the absolute path of an ELF file", scalar(r, &x.File, name)},
		{"program", "", scalar(r, &x.Program, name)},
		{"maps", "", func(n *yaml.Node, a *at) { x.Maps = r.mapFills(n, a) }},
		{"watch", "", list(r, &x.Watch, MaxWatched, r.watch)},
	}
}

// MaxWatched is how many numbers one object shows.
const MaxWatched = 64

func (r *reader) mapFills(n *yaml.Node, a *at) []MapFill {
	var all []MapFill
	r.pairs(n, a, func(key, value *yaml.Node) {
		fill, here := MapFill{Map: key.Value}, a.field(key.Value)
		r.pairs(value, here, func(key, value *yaml.Node) {
			e := MapEntry{Key: key.Value}
			r.either(value, here.field(key.Value), func(n *yaml.Node, a *at) {
				if text, ok := r.text(n, a); ok {
					e.Values = []MapField{{"", text}}
				}
			}, func(n *yaml.Node, a *at) {
				r.pairs(n, a, func(key, value *yaml.Node) {
					text, _ := r.text(value, a.field(key.Value))
					e.Values = append(e.Values, MapField{key.Value, text})
				})
			})
			fill.Entries = append(fill.Entries, e)
		})
		all = append(all, fill)
	})
	return all
}

func (r *reader) watch(n *yaml.Node, a *at) Watch {
	w := Watch{Key: "0"}
	r.fields(n, a,
		field{"map", "the name of a map of the object", scalar(r, &w.Map, name)},
		field{"key", "", scalar(r, &w.Key, name)},
		field{"field", "", scalar(r, &w.Field, name)},
		field{"as", "", choice(r, &w.As, watches)},
		field{"name", "", scalar(r, &w.Name, name)},
	)
	if w.Name == "" {
		w.Name = w.Map
	}
	return w
}

func (x *Object) check(here *at, f *faults) {
	if !filepath.IsAbs(x.File) {
		f.wrong(here.field("object"), "%s is not an absolute path: the engine that reads it runs in a folder of its own", quote(x.File))
	}
	for _, m := range x.Maps {
		for _, e := range m.Entries {
			at := here.field("maps").field(m.Map).field(e.Key)
			f.datum(at, e.Key)
			for _, v := range e.Values {
				f.datum(at, v.Value)
			}
			if len(e.Values) == 0 {
				f.wrong(at, "no value: write one, as %s: 1", datum(e.Key))
			}
		}
	}
	for i, w := range x.Watch {
		at := here.field("watch").item(i)
		f.datum(at.field("key"), w.Key)
		if w.Map == "" || w.Name == "" {
			f.wrong(at.field("map"), "names no map: write one, as map: hits")
		}
		if !has(watches, w.As) {
			f.wrong(at.field("as"), "%s is not known", w.As)
		}
		if slices.ContainsFunc(x.Watch[:i], func(o Watch) bool { return o.Name == w.Name }) {
			f.wrong(at, "%s is shown already: give this one another name, as name: %s_2", w.Name, w.Name)
		}
	}
}

func (f *faults) datum(a *at, text string) {
	if _, why := ParseDatum(text); why != "" {
		f.wrong(a, "%s", why)
	}
}

func (x *Object) write(b *bytes.Buffer) {
	fmt.Fprintf(b, "object: %s\n", plain(x.File))
	if x.Program != "" {
		fmt.Fprintf(b, "program: %s\n", plain(x.Program))
	}
	if len(x.Maps) > 0 {
		b.WriteString("maps:\n")
	}
	for _, m := range x.Maps {
		all := make([]string, len(m.Entries))
		for i, e := range m.Entries {
			all[i] = datum(e.Key) + ": " + e.value()
		}
		fmt.Fprintf(b, "  %s: {%s}\n", plain(m.Map), strings.Join(all, ", "))
	}
	if len(x.Watch) > 0 {
		b.WriteString("watch:\n")
	}
	for _, w := range x.Watch {
		fmt.Fprintf(b, "  - {map: %s, key: %s", plain(w.Map), datum(w.Key))
		if w.Field != "" {
			fmt.Fprintf(b, ", field: %s", plain(w.Field))
		}
		fmt.Fprintf(b, ", as: %s, name: %s}\n", w.As, plain(w.Name))
	}
}

func (e MapEntry) value() string {
	if len(e.Values) == 1 && e.Values[0].Name == "" {
		return datum(e.Values[0].Value)
	}
	all := make([]string, len(e.Values))
	for i, v := range e.Values {
		all[i] = plain(v.Name) + ": " + datum(v.Value)
	}
	return "{" + strings.Join(all, ", ") + "}"
}

func (x *Object) clone() Object {
	c := *x
	c.Watch, c.Maps = slices.Clone(x.Watch), slices.Clone(x.Maps)
	for i := range c.Maps {
		c.Maps[i].Entries = slices.Clone(c.Maps[i].Entries)
		for j := range c.Maps[i].Entries {
			c.Maps[i].Entries[j].Values = slices.Clone(c.Maps[i].Entries[j].Values)
		}
	}
	return c
}

func (x *Object) equal(y *Object) bool {
	return x.File == y.File && x.Program == y.Program && slices.Equal(x.Watch, y.Watch) &&
		slices.EqualFunc(x.Maps, y.Maps, func(m, o MapFill) bool {
			return m.Map == o.Map && slices.EqualFunc(m.Entries, o.Entries, func(e, o MapEntry) bool {
				return e.Key == o.Key && slices.Equal(e.Values, o.Values)
			})
		})
}
