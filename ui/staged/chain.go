package staged

import (
	"fmt"
	"strings"

	"hairpin/engine/spec"
)

// overChain is Over for edits of chains and limits.
func (e Edit) overChain(s *spec.Spec) (*spec.Spec, error) {
	switch e.Kind {
	case InsertStage:
		return spec.Insert(s, e.NIC, e.Hook, e.Index, spec.Position{Name: e.Stage, Disabled: e.Disabled, Shadow: e.Shadow})
	case RemoveStage:
		return spec.Remove(s, e.NIC, e.Hook, e.Stage)
	case MoveStage:
		return spec.Move(s, e.NIC, e.Hook, e.Stage, e.Index)
	case DisableStage:
		return spec.Disable(s, e.NIC, e.Hook, e.Stage)
	case EnableStage:
		return spec.Enable(s, e.NIC, e.Hook, e.Stage)
	case ShadowStage, UnshadowStage:
		return spec.SetShadow(s, e.NIC, e.Hook, e.Stage, e.Kind == ShadowStage)
	case SetLimit:
		return spec.SetMaximum(s, e.Stage, e.Index, e.Max)
	}
	return e.unknown()
}

func (e Edit) chainString() string {
	at := e.NIC + " " + string(e.Hook) + " " + e.Stage
	switch e.Kind {
	case InsertStage:
		return fmt.Sprintf("%s insert at %d", at, e.Index+1)
	case RemoveStage:
		return at + " remove"
	case MoveStage:
		return fmt.Sprintf("%s move to %d", at, e.Index+1)
	case DisableStage:
		return at + " disable"
	case EnableStage:
		return at + " enable"
	case ShadowStage:
		return at + " shadow"
	case UnshadowStage:
		return at + " end shadow"
	case SetLimit:
		return fmt.Sprintf("%s limit per %s to %d", e.Stage, strings.TrimSpace(e.Per.String()+" "+e.VIP), e.Max)
	}
	return at
}

// ChainAt is the chain of a NIC at a hook; empty when the spec has none.
func ChainAt(s *spec.Spec, nic string, hook spec.Hook) []spec.Position {
	if s == nil {
		return nil
	}
	n := s.NIC(nic)
	if n == nil || n.At(hook) == nil {
		return nil
	}
	return *n.At(hook)
}

// PlaceOf is where a stage stands in a chain, from 0; -1 when it does not.
func PlaceOf(list []spec.Position, stage string) int {
	for i, p := range list {
		if p.Name == stage {
			return i
		}
	}
	return -1
}

// Link is one stage of a chain as it will be, and what becomes of it.
type Link struct {
	spec.Position
	Text string // what is staged; empty = nothing
	Gone bool   // staged to be removed: it stands where it stood
	New  bool   // staged to be inserted: it does not run yet
}

// Links are the stages of a chain in the order in which they are staged, those that are to be removed where they stood.
func Links(running, next *spec.Spec, nic string, hook spec.Hook) []Link {
	before, after := ChainAt(running, nic, hook), ChainAt(next, nic, hook)
	var list []Link
	for i, p := range after {
		l := Link{Position: p}
		if old := PlaceOf(before, p.Name); old < 0 {
			l.New, l.Text = true, "+ insert"
		} else {
			l.Text = becomes(before, after, old, i)
		}
		list = append(list, l)
	}
	for i, p := range before {
		if PlaceOf(after, p.Name) < 0 {
			at := min(i, len(list))
			list = append(list[:at], append([]Link{{Position: p, Gone: true, Text: "- remove"}}, list[at:]...)...)
		}
	}
	return list
}

// becomes is what is staged for a stage that stands in both chains. One has moved when it stands behind another, of both
// chains too, that it stood in front of.
func becomes(before, after []spec.Position, old, i int) string {
	was, is := before[old], after[i]
	switch {
	case was.Disabled != is.Disabled && is.Disabled:
		return "-> off"
	case was.Disabled != is.Disabled:
		return "-> on"
	case was.Shadow != is.Shadow && is.Shadow:
		return "-> shadow"
	case was.Shadow != is.Shadow:
		return "-> drops"
	}
	if common(before, after, old) != common(after, before, i) {
		return fmt.Sprintf("-> place %d", i+1)
	}
	return ""
}

// common is how many of the stages in front of the i-th of list stand in other too.
func common(list, other []spec.Position, i int) (n int) {
	for _, p := range list[:i] {
		if PlaceOf(other, p.Name) >= 0 {
			n++
		}
	}
	return n
}
