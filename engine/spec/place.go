package spec

import "slices"

// InsertPlace is where a stage goes in a chain of s when nobody says where: in front of the stage that ends the chain, or
// at the end of one that has none.
func InsertPlace(s *Spec, list []Position) int {
	i := slices.IndexFunc(list, func(p Position) bool {
		kind := s.KindOf(p.Name)
		return kind == Balancer || kind == Decap
	})
	if i < 0 {
		return len(list)
	}
	return i
}
