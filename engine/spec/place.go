package spec

import "slices"

// InsertPlace is where a stage goes in a chain of s when nobody says where: in front of the stage that ends the chain, or
// at the end of one that has none. A balancer ends it, also where decap stands in front of it.
func InsertPlace(s *Spec, list []Position) int {
	for _, end := range []Stage{Balancer, Decap} {
		if i := slices.IndexFunc(list, func(p Position) bool { return s.KindOf(p.Name) == end }); i >= 0 {
			return i
		}
	}
	return len(list)
}
