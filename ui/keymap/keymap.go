// Package keymap turns key names into action ids by files that people write: presets, layers, scopes, chords.
package keymap

import (
	"slices"
	"strings"

	"hairpin/ui/action"
	"hairpin/ui/layer"
)

// Keymap is a finished set of bindings. It never changes once loaded.
type Keymap struct {
	Name     string   // the preset below everything
	Layers   []string // what it was made of, weakest first
	Problems []layer.Problem
	scopes   map[action.Scope][]Binding
}

// Binding is a key, or a chord of keys, and what it does. An Action of None stops the search: the key is unbound.
type Binding struct {
	Keys   []string
	Action action.ID
	From   layer.Place // where it is written; the zero value = it is fixed
}

// String is how a chord is written in help and footers.
func (b Binding) String() string { return strings.Join(b.Keys, " ") }

// Match is how far a row of keys leads.
type Match int

// Miss leads nowhere, Partial begins a chord, Hit is an action.
const (
	Miss Match = iota
	Partial
	Hit
)

// Lookup finds what the keys pressed so far mean in a scope, then globally. The first scope that knows them decides.
func (k *Keymap) Lookup(scope action.Scope, keys []string) (action.ID, Match) {
	for _, s := range [...]action.Scope{scope, action.Global} {
		for _, b := range k.scopes[s] {
			if len(b.Keys) < len(keys) || !slices.Equal(b.Keys[:len(keys)], keys) {
				continue
			}
			switch {
			case len(b.Keys) > len(keys):
				return "", Partial
			case b.Action == action.None:
				return "", Miss
			}
			return b.Action, Hit
		}
	}
	return "", Miss
}

// Keys are the ways to call an action in a scope, the first one written first. Those that the scope hides or unbinds
// are left out.
func (k *Keymap) Keys(scope action.Scope, id action.ID) []string {
	var out []string
	for _, s := range [...]action.Scope{scope, action.Global} {
		for _, b := range k.scopes[s] {
			if got, m := k.Lookup(scope, b.Keys); b.Action == id && m == Hit && got == id && !slices.Contains(out, b.String()) {
				out = append(out, b.String())
			}
		}
	}
	return out
}

// In are the bindings written for a scope, the strongest first, those of None among them.
func (k *Keymap) In(scope action.Scope) []Binding { return slices.Clone(k.scopes[scope]) }

// Chords are the bindings that begin with these keys, for the popup that shows how to go on.
func (k *Keymap) Chords(scope action.Scope, keys []string) []Binding {
	var out []Binding
	for _, s := range [...]action.Scope{scope, action.Global} {
		for _, b := range k.scopes[s] {
			if len(b.Keys) > len(keys) && slices.Equal(b.Keys[:len(keys)], keys) && b.Action != action.None {
				out = append(out, b)
			}
		}
	}
	return out
}

// bind puts b in place of what its keys meant before in that scope. A chord and its first key cannot both be bound:
// the later one stays.
func (k *Keymap) bind(scope action.Scope, b Binding) {
	list := slices.DeleteFunc(k.scopes[scope], func(old Binding) bool {
		n := min(len(old.Keys), len(b.Keys))
		return slices.Equal(old.Keys[:n], b.Keys[:n])
	})
	k.scopes[scope] = append(list, b)
}

func newKeymap() *Keymap {
	k := &Keymap{scopes: map[action.Scope][]Binding{}}
	k.scopes[action.Global] = append(k.scopes[action.Global], always[:]...)
	return k
}
