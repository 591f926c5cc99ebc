package cause

import "hairpin/engine"

// drained says that routers are asked to use other nodes, by whom and what for: less traffic than usual is meant.
func drained(s *engine.State) []Cause {
	d := s.Drained
	if d == nil {
		return nil
	}
	c := Cause{Level: OK, rank: rankDrained, What: "the node is drained by " + d.Who, Since: d.Since, Cure: "hairpin undrain node"}
	if d.Why != "" {
		c.What, c.shorter = c.What+" ("+d.Why+")", []string{c.What}
	}
	return []Cause{c}
}
