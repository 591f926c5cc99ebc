package cause

import (
	"fmt"
	"slices"
	"strings"

	"hairpin/engine"
)

const keyDown = "down "

// fallen says of a VIP with backends that are down which one it is, and why, in few words.
func fallen(s *engine.State, p engine.Problem, c Cause) Cause {
	name, ok := strings.CutPrefix(p.Key, keyDown)
	at := slices.IndexFunc(s.VIPs, func(v engine.VIP) bool { return v.Name == name })
	if !ok || at < 0 {
		return c
	}
	all, down := 0, []engine.Backend(nil)
	for _, b := range s.VIPs[at].Backends {
		if b.Gone {
			continue
		}
		all++
		if b.Word() == "down" {
			down = append(down, b)
		}
	}
	if len(down) == 0 {
		return c
	}
	what, says := isDown(down[0].Address.String()), down[0].Says
	c.shorter = []string{what}
	if len(down) > 1 {
		what, says = fmt.Sprintf("%d of %d backends are down", len(down), all), ""
		if down[0].Says != "" {
			says = down[0].Address.String() + ": " + down[0].Says
		}
		c.shorter = []string{what, fmt.Sprintf("%d/%d backends down", len(down), all)}
	}
	c.What, c.vips = what, []string{name}
	if says != "" {
		first, _, _ := strings.Cut(says, "; ")
		c.What, c.shorter = fmt.Sprintf("%s (%s)", what, says), append([]string{fmt.Sprintf("%s (%s)", what, first)}, c.shorter...)
	}
	return c
}

func isDown(address string) string { return address + " is down" }
