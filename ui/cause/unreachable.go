package cause

import (
	"fmt"
	"regexp"
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
		why = noWay(b.Address.String(), b.NextHop)
	}
	switch {
	case lost == 1:
		c.What, c.vips = why, []string{name}
	case lost > 1:
		c.What, c.vips = fmt.Sprintf("%d of %d backends cannot be reached, %s", lost, len(s.VIPs[at].Backends), why), []string{name}
	}
	return c
}

// noWay is why a backend cannot be reached, in few words.
func noWay(address, nextHop string) string {
	if _, why, cut := strings.Cut(nextHop, ": "); cut && strings.Contains(nextHop, address) {
		return why
	}
	return address + ": " + nextHop
}

// wasOf takes the engine's sentence apart by which it said so of one VIP; of others, what is all of it.
func wasOf(text string) (vip, what string) {
	if m := unreachableText.FindStringSubmatch(text); m != nil {
		return m[1], noWay(m[2], m[3])
	}
	if m := downText.FindStringSubmatch(text); m != nil {
		return m[1], isDown(m[2])
	}
	return "", text
}

var (
	unreachableText = regexp.MustCompile(`^(.+): 1 of \d+ backends cannot be reached, (\S+): (.+)$`)
	downText        = regexp.MustCompile(`^(.+): 1 of \d+ backends \w+ down; (\S+): .+$`)
)

// unreachableReasons are those by which is dropped what cannot be sent.
func unreachableReasons() []string { return []string{"no_next_hop", "other_nic"} }

// isMAC tells a MAC from a sentence.
func isMAC(text string) bool { return len(text) == len("00:00:00:00:00:00") && text[2] == ':' }

// join adds c to a list, in which one cause stands for all VIPs that have it.
func join(list []Cause, c Cause) []Cause {
	for i := range list {
		o := &list[i]
		if len(c.vips) == 0 || len(o.vips) == 0 || o.essence() != c.essence() || o.Level != c.Level {
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

// essence is what it is in the fewest words.
func (c Cause) essence() string {
	if n := len(c.shorter); n > 0 {
		return c.shorter[n-1]
	}
	return c.What
}

// about is a cause with the VIPs that it is about.
func (c Cause) about() Cause {
	c.What, c.shorter = c.named(c.What), slices.Clone(c.shorter)
	for i, what := range c.shorter {
		c.shorter[i] = c.named(what)
	}
	return c
}

// named is what with the VIPs of the cause in front.
func (c Cause) named(what string) string {
	switch n := len(c.vips); {
	case n == 0:
		return what
	case n > 3:
		return fmt.Sprintf("%s and %d more VIPs: %s", c.vips[0], n-1, what)
	}
	return strings.Join(c.vips, ", ") + ": " + what
}
