package spec

import (
	"errors"
	"fmt"
	"slices"
)

// EveryNIC in the place of a NIC's name has an edit made on every NIC that it can be made on: to insert, those with a chain
// at the hook; for the others, those in whose chain the stage stands.
const EveryNIC = ""

// Insert puts a stage into the chain of a NIC at a hook, where it becomes the index-th, from 0. A NIC that s does not name
// gets a chain of its own.
func Insert(s *Spec, nic string, hook Hook, index int, p Position) (*Spec, error) {
	return editChain("insert", s, nic, hook, p.Name, func(list []Position) ([]Position, error) {
		if index < 0 || index > len(list) {
			return nil, fmt.Errorf("%d is no place in a chain of %d stages: 0 to %d are", index, len(list), len(list))
		}
		return slices.Insert(list, index, p), nil
	})
}

// Remove takes a stage out of a chain, and a NIC out of the spec whose last stage it was.
func Remove(s *Spec, nic string, hook Hook, stage string) (*Spec, error) {
	return editChain("remove", s, nic, hook, stage, func(list []Position) ([]Position, error) {
		i := placeOf(list, stage)
		return slices.Delete(list, i, i+1), nil
	})
}

// Move makes a stage the index-th of its chain, from 0.
func Move(s *Spec, nic string, hook Hook, stage string, index int) (*Spec, error) {
	return editChain("move", s, nic, hook, stage, func(list []Position) ([]Position, error) {
		if index < 0 || index >= len(list) {
			return nil, fmt.Errorf("%d is no place in a chain of %d stages: 0 to %d are", index, len(list), len(list)-1)
		}
		i := placeOf(list, stage)
		p := list[i]
		return slices.Insert(slices.Delete(list, i, i+1), index, p), nil
	})
}

// Disable keeps a stage in its chain without any packet meeting it; Enable ends that.
func Disable(s *Spec, nic string, hook Hook, stage string) (*Spec, error) {
	return editPosition("disable", s, nic, hook, stage, func(p *Position) { p.Disabled = true })
}

// Enable has packets meet a stage again that was disabled.
func Enable(s *Spec, nic string, hook Hook, stage string) (*Spec, error) {
	return editPosition("enable", s, nic, hook, stage, func(p *Position) { p.Disabled = false })
}

// SetShadow has a stage count what it would have dropped and let it pass, or drop it.
func SetShadow(s *Spec, nic string, hook Hook, stage string, shadow bool) (*Spec, error) {
	verb := "end the shadow of"
	if shadow {
		verb = "shadow"
	}
	return editPosition(verb, s, nic, hook, stage, func(p *Position) { p.Shadow = shadow })
}

func editPosition(verb string, s *Spec, nic string, hook Hook, stage string, edit func(*Position)) (*Spec, error) {
	return editChain(verb, s, nic, hook, stage, func(list []Position) ([]Position, error) {
		edit(&list[placeOf(list, stage)])
		return list, nil
	})
}

// placeOf is where a stage stands in a chain, -1 when it does not.
func placeOf(list []Position, stage string) int {
	return slices.IndexFunc(list, func(p Position) bool { return p.Name == stage })
}

// editChain changes the chains at a hook on a copy of s, which is s no more when the result is not valid. All verbs but
// insert are for a stage that stands there.
func editChain(verb string, s *Spec, nic string, hook Hook, stage string, edit func([]Position) ([]Position, error)) (*Spec, error) {
	where := nic
	if nic == EveryNIC {
		where = "every nic"
	}
	fail := func(err error) (*Spec, error) {
		return nil, fmt.Errorf("%s %s: %s %s: %w", verb, stage, where, hook, err)
	}
	if s == nil {
		return fail(errors.New("there is no spec yet"))
	}
	before := s
	s = s.Clone()
	chains, err := s.chainsToEdit(verb == "insert", nic, hook, stage)
	if err != nil {
		return fail(err)
	}
	for _, list := range chains {
		if *list, err = edit(*list); err != nil {
			return fail(err)
		}
	}
	s.NICs = slices.DeleteFunc(s.NICs, func(n NIC) bool {
		return len(n.Chains()) == 0 && before.NIC(n.Name) != nil && len(before.NIC(n.Name).Chains()) > 0
	})
	if err := s.Validate(); err != nil {
		return fail(firstFault(err))
	}
	return s, nil
}

// chainsToEdit are the chains of s that an edit is for.
func (s *Spec) chainsToEdit(insert bool, nic string, hook Hook, stage string) ([]*[]Position, error) {
	if new(NIC).At(hook) == nil {
		return nil, fmt.Errorf("hook %s", unknown(string(hook), []string{string(XDP), string(TCXIngress), string(TCXEgress)}))
	}
	if insert && nic != EveryNIC && s.NIC(nic) == nil {
		s.NICs = append(s.NICs, NIC{Name: nic})
	}
	var chains []*[]Position
	for i := range s.NICs {
		list := s.NICs[i].At(hook)
		if nic != EveryNIC && s.NICs[i].Name != nic {
			continue
		}
		if insert && (nic != EveryNIC || len(*list) > 0) || !insert && placeOf(*list, stage) >= 0 {
			chains = append(chains, list)
		}
	}
	switch {
	case len(chains) > 0:
		return chains, nil
	case nic != EveryNIC && s.NIC(nic) == nil:
		return nil, fmt.Errorf("nic %s", unknown(nic, s.nicNames()))
	case insert:
		return nil, errors.New("no NIC has a chain there")
	}
	return nil, fmt.Errorf("%s does not stand there", stage)
}

func (s *Spec) nicNames() []string {
	names := make([]string, len(s.NICs))
	for i, n := range s.NICs {
		names[i] = n.Name
	}
	return names
}

// firstFault is what is wrong first in a spec.
func firstFault(err error) error {
	if e := (*Error)(nil); errors.As(err, &e) {
		return errors.New(e.Faults[0].String())
	}
	return err
}
