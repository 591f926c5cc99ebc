package filter

import "slices"

// node is an expression in terms of the scratch: comparisons of numbers in it, and, or and not. None is true or false of
// every packet by its form, so that no instruction behind it is out of reach.
type node struct {
	op   op
	kids []node
	load load
	is   relation
	to   uint32
}

// load is how a number is fetched for a comparison.
type load struct {
	field
	swapped bool   // from network order to the machine's
	mask    uint32 // 0 = all bits
}

func compare(f field, is relation, to uint32) node { return node{load: load{field: f}, is: is, to: to} }

func allOf(kids ...node) node { return group(opAnd, kids) }
func anyOf(kids ...node) node { return group(opOr, kids) }

func group(op op, kids []node) node {
	if len(kids) == 1 {
		return kids[0]
	}
	n := node{op: op}
	for _, k := range kids {
		if k.op == op {
			n.kids = append(n.kids, k.kids...)
		} else {
			n.kids = append(n.kids, k)
		}
	}
	return n
}

// merge pulls together neighbours that begin with the same questions, as the values of a list do: (a and b) or (a and c)
// is a and (b or c).
func merge(kids []node) []node {
	var merged []node
	for _, k := range kids {
		last := len(merged) - 1
		if last < 0 || k.op != opAnd || merged[last].op != opAnd {
			merged = append(merged, k)
			continue
		}
		one, other := merged[last].kids, k.kids
		n := 0
		for n < min(len(one), len(other))-1 && one[n].equal(other[n]) {
			n++
		}
		if n == 0 {
			merged = append(merged, k)
			continue
		}
		rest := anyOf(allOf(one[n:]...), allOf(other[n:]...)).sorted()
		merged[last] = allOf(append(slices.Clone(one[:n]), rest)...)
	}
	return merged
}

// mergeNots makes one not of several: what none of them may be is often a list.
func mergeNots(kids []node) []node {
	var rest, refused []node
	for _, k := range kids {
		if k.op == opNot {
			refused = append(refused, k.kids[0])
		} else {
			rest = append(rest, k)
		}
	}
	if len(refused) < 2 {
		return kids
	}
	return append(rest, node{op: opNot, kids: []node{anyOf(merge(refused)...).sorted()}})
}

func (n node) equal(other node) bool {
	return n.op == other.op && n.load == other.load && n.is == other.is && n.to == other.to &&
		slices.EqualFunc(n.kids, other.kids, node.equal)
}

// sorted puts alternatives that compare the same number next to each other, where it is loaded once.
func (n node) sorted() node {
	if n.op != opOr {
		return n
	}
	slices.SortStableFunc(n.kids, func(a, b node) int {
		if a.op != opTerm || b.op != opTerm {
			return int(a.op) - int(b.op)
		}
		return a.load.order() - b.load.order()
	})
	return n
}

func (l load) order() int {
	order := (int(l.base)<<16 | int(l.offset)) << 1
	if l.swapped {
		order++
	}
	return order
}
