package cause

import (
	"fmt"
	"slices"
	"strings"

	"hairpin/engine"
)

const keyUnreachable = "unreachable "

// unreached says of a VIP with backends that cannot be reached which one it is, and why, in few words.
func unreached(s *engine.State, p engine.Problem, c Cause) Cause {
	name, ok := strings.CutPrefix(p.Key, keyUnreachable)
	at := slices.IndexFunc(s.VIPs, func(v engine.VIP) bool { return v.Name == name })
	if !ok || at < 0 {
		return c
	}
	lost, why := 0, ""
	for _, b := range s.VIPs[at].Backends {
		if b.Gone || b.Share <= 0 || isMAC(b.NextHop) {
			continue
		}
		lost++
		address := b.Address.String()
		if why = b.Address.String() + ": " + b.NextHop; strings.Contains(b.NextHop, address) {
			_, why, _ = strings.Cut(b.NextHop, ": ")
		}
	}
	switch {
	case lost == 1:
		c.What, c.vips = why, []string{name}
	case lost > 1:
		c.What, c.vips = fmt.Sprintf("%d of %d backends cannot be reached, %s", lost, len(s.VIPs[at].Backends), why), []string{name}
	}
	return c
}

// isMAC tells a MAC from a sentence.
func isMAC(text string) bool { return len(text) == len("00:00:00:00:00:00") && text[2] == ':' }

// join adds c to a list, in which one cause stands for all VIPs that have it.
func join(list []Cause, c Cause) []Cause {
	for i := range list {
		o := &list[i]
		if len(c.vips) == 0 || len(o.vips) == 0 || o.What != c.What || o.Level != c.Level {
			continue
		}
		first, second := o.explains, c.explains
		o.vips, o.explains = append(o.vips, c.vips...), func(reason, vip string) bool { return first(reason, vip) || second(reason, vip) }
		if c.Since.Before(o.Since) {
			o.Since = c.Since
		}
		return list
	}
	return append(list, c)
}

// about is a cause with the VIPs that it is about.
func (c Cause) about() string {
	switch n := len(c.vips); {
	case n == 0:
		return c.What
	case n > 3:
		return fmt.Sprintf("%s and %d more VIPs: %s", c.vips[0], n-1, c.What)
	}
	return strings.Join(c.vips, ", ") + ": " + c.What
}
