package filter

import "slices"

// Bounds of an expression: what is longer is a list that belongs in a file of prefixes.
const (
	MaxText  = 16 << 10 // bytes
	MaxTerms = 256
	maxDepth = 64 // of parentheses and nots
)

type op uint8

const (
	opTerm op = iota
	opNot
	opAnd
	opOr
)

// Expr is a filter expression. It never changes.
type Expr struct {
	op   op
	kids []*Expr // of not one; of and, or at least two, none of which is of the same op
	term term
}

// Equal tells whether two expressions are the same terms in the same order and grouping.
func (e *Expr) Equal(other *Expr) bool {
	return e.op == other.op && e.term == other.term &&
		slices.EqualFunc(e.kids, other.kids, func(a, b *Expr) bool { return a.Equal(b) })
}

// Names are the names that terms of one word ask for, VIP or Reason for example, each once and sorted.
func (e *Expr) Names(of Words) []string {
	var names []string
	e.each(func(t *term) {
		if word := keywords[t.kind.String()]; word == of && t.name != "" {
			names = append(names, t.name)
		}
	})
	slices.Sort(names)
	return slices.Compact(names)
}

// each calls do with every term.
func (e *Expr) each(do func(*term)) {
	if e.op == opTerm {
		do(&e.term)
	}
	for _, k := range e.kids {
		k.each(do)
	}
}

// join is l op r; what is grouped by the same op needs no group.
func join(op op, l, r *Expr) *Expr {
	e := &Expr{op: op}
	for _, side := range []*Expr{l, r} {
		if side.op == op {
			e.kids = append(e.kids, side.kids...)
		} else {
			e.kids = append(e.kids, side)
		}
	}
	return e
}

// negate is not e.
func negate(e *Expr) *Expr {
	if e.op == opNot {
		return e.kids[0]
	}
	return &Expr{op: opNot, kids: []*Expr{e}}
}
