package staged

import (
	"slices"

	"hairpin/engine/spec"
)

// List is the edits in the order in which they were made, and those that were undone. It is a value: every method
// leaves the list it is called on as it was.
type List struct {
	edits  []Edit
	undone []Edit
}

// With is the list and one more edit. Steps of the same value are one edit, so that one undo takes them all back.
func (l List) With(e Edit) List {
	edits := slices.Clone(l.edits)
	if n := len(edits); n > 0 && e.follows(edits[n-1]) {
		edits[n-1] = e
	} else {
		edits = append(edits, e)
	}
	return List{edits: edits}
}

// Undo takes the last edit back; false when there is none.
func (l List) Undo() (List, Edit, bool) {
	n := len(l.edits)
	if n == 0 {
		return l, Edit{}, false
	}
	e := l.edits[n-1]
	return List{edits: slices.Clone(l.edits[:n-1]), undone: append(slices.Clone(l.undone), e)}, e, true
}

// Redo makes the edit again that was undone last; false when there is none.
func (l List) Redo() (List, Edit, bool) {
	n := len(l.undone)
	if n == 0 {
		return l, Edit{}, false
	}
	e := l.undone[n-1]
	return List{edits: append(slices.Clone(l.edits), e), undone: slices.Clone(l.undone[:n-1])}, e, true
}

// Edits are the edits in order.
func (l List) Edits() []Edit { return slices.Clone(l.edits) }

// Len is how many edits wait.
func (l List) Len() int { return len(l.edits) }

// VIPs are the names of those that are touched, in order of their first edit.
func (l List) VIPs() []string {
	var out []string
	for _, e := range l.edits {
		if e.VIP != "" && !slices.Contains(out, e.VIP) {
			out = append(out, e.VIP)
		}
	}
	return out
}

// Over lays the list over the running spec. An edit that cannot be made any more, since the world moved, is left out
// and returned with its reason.
func (l List) Over(running *spec.Spec) (*spec.Spec, []Conflict) {
	next := running
	var conflicts []Conflict
	for _, e := range l.edits {
		if running == nil {
			return nil, nil
		}
		s, err := e.Over(next)
		if err != nil {
			conflicts = append(conflicts, Conflict{e, err})
			continue
		}
		next = s
	}
	return next, conflicts
}

// Without is the list less the edits that could not be made; what was undone stays.
func (l List) Without(conflicts []Conflict) List {
	edits := slices.DeleteFunc(slices.Clone(l.edits), func(e Edit) bool {
		return slices.ContainsFunc(conflicts, func(c Conflict) bool { return c.Edit == e })
	})
	return List{edits: edits, undone: l.undone}
}

// Conflict is an edit that the running spec does not take.
type Conflict struct {
	Edit Edit
	Err  error
}
