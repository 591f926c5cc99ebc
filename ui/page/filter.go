package page

import (
	"slices"
	"strings"
)

// Filter is what a person typed behind "/": words that a row must have, all of them. "key=value" looks into one
// column, "key!=value" and "!word" ask for the opposite.
type Filter struct {
	Text  string
	terms []term
}

type term struct {
	key, value string
	not        bool
}

// NewFilter reads the text; case does not matter.
func NewFilter(text string) Filter {
	f := Filter{Text: strings.TrimSpace(text)}
	for _, word := range strings.Fields(strings.ToLower(text)) {
		t := term{}
		if rest, not := strings.CutPrefix(word, "!"); not {
			t.not, word = true, rest
		}
		if key, value, ok := strings.Cut(word, "!="); ok {
			t.key, t.value, t.not = key, value, !t.not
		} else if key, value, ok := strings.Cut(word, "="); ok {
			t.key, t.value = key, value
		} else {
			t.value = word
		}
		if t.key != "" || t.value != "" {
			f.terms = append(f.terms, t)
		}
	}
	return f
}

// Active tells whether the filter leaves anything out.
func (f Filter) Active() bool { return len(f.terms) > 0 }

// Field is one column of a row: its key and what it shows.
type Field struct{ Key, Value string }

// Match tells whether a row passes. A key that the list does not have matches nothing.
func (f Filter) Match(row []Field) bool {
	for _, t := range f.terms {
		hit := slices.ContainsFunc(row, func(c Field) bool {
			return (t.key == "" || t.key == c.Key) && strings.Contains(strings.ToLower(c.Value), t.value)
		})
		if hit == t.not {
			return false
		}
	}
	return true
}
