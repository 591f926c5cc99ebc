package cause

import (
	"fmt"
	"strings"

	"hairpin/engine"
)

const keyRouter = "router "

// sessions says with how many routers there is no session, and why not with the first of them.
func sessions(s *engine.State, p engine.Problem) string {
	lost := 0
	for _, o := range s.Problems {
		if strings.HasPrefix(o.Key, keyRouter) {
			lost++
		}
	}
	if lost == 1 {
		return p.What
	}
	return strings.Replace(p.What, " with ", fmt.Sprintf(" with %d routers, such as ", lost), 1)
}
