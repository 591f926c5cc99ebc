package cause

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"hairpin/engine"
	"hairpin/engine/reason"
	"hairpin/ui/widget"
)

// kind is what is known of problems whose key begins with a word: how far ahead they stand, where to look, and which
// reasons' drops follow from them. Behind the word stands the name of a VIP where of says so.
type kind struct {
	key     string
	rank    int
	screen  string
	ofVIP   bool
	reasons []string
	say     func(*engine.State, engine.Problem) string // in place of the engine's sentence, if not empty
}

// kinds are those of the engine's problems that are more than one among others.
func kinds() []kind {
	return []kind{
		{key: keyGone, rank: 0, screen: "9"},
		{key: "engine unreadable", rank: 0, screen: "9"},
		{key: "loop", rank: 0, screen: "9"},
		{key: "detached", rank: 0, screen: "9"},
		{key: "no spec", rank: 0, screen: "9", reasons: []string{"no_generation"}},
		{key: "unreadable spec", rank: 0, screen: "9"},
		{key: "nic ", rank: 1, screen: "2", say: lostNIC},
		{key: keyEmpty, rank: 2, screen: "3", ofVIP: true, reasons: []string{"no_backend"}},
		{key: keyUnreachable, rank: 3, screen: "3", ofVIP: true, reasons: unreachableReasons()},
		{key: keyWritten, rank: 3, screen: "3", say: written},
		{key: keyHeld, rank: 2, screen: "3", ofVIP: true, reasons: []string{"no_next_hop"}},
		{key: keyQuorum, rank: 2, screen: "3", ofVIP: true},
		{key: keyRouter, rank: 3, screen: "9", say: sessions},
		{key: "checks", rank: 4, screen: "3"},
		{key: "unsent ", rank: 5, screen: "3", ofVIP: true},
		{key: keyDown, rank: 4, screen: "3", ofVIP: true, reasons: []string{"no_backend"}},
		{key: "limit ", rank: 5, screen: "4"},
		{key: "flows lost", rank: 5, screen: "4", reasons: []string{"conn_limited", "source_conn_limited"}},
		{key: "lost ", rank: 6, screen: "2"},
		{key: "machine ", rank: 7},
		{key: "unheld ", rank: 7, screen: "3"},
		{key: "shadow ", rank: 9, screen: "2"},
		{key: "disabled ", rank: 9, screen: "2"},
		{key: keyPending, rank: 10, screen: "9", say: pending},
	}
}

const (
	rankDrained = 7
	rankOther   = 8
	keyGone     = "engine gone"
	keyPending  = "pending"
	keyWritten  = "written "
	keyEmpty    = "empty "
	keyHeld     = "held "
	keyQuorum   = "quorum "
)

// reported are the engine's own problems.
func reported(s *engine.State) (list []Cause) {
	for _, p := range s.Problems {
		if follows(s, p) {
			continue
		}
		c := Cause{Level: Warn, What: p.What, Since: p.Since, Cure: p.Cure, rank: rankOther}
		if p.Severity == "crit" {
			c.Level = Crit
		}
		for _, k := range kinds() {
			rest, ok := strings.CutPrefix(p.Key, k.key)
			if !ok {
				continue
			}
			if c.rank, c.Screen = k.rank, k.screen; p.Key == keyPending {
				c.Since = time.Time{} // how much time is left matters, and who it is
			}
			if k.say != nil {
				c.What = k.say(s, p)
			}
			c.explains = k.explains(rest)
			break
		}
		if l, ok := limitOf(s, p); ok {
			c = limited(s, l, c)
		}
		if c = fallen(s, p, unreached(s, p, c)); len(c.shorter) == 0 {
			c.shorter = brief(c.What)
		}
		list = join(list, c)
	}
	return list
}

// follows tells whether another problem says what p does: of the same VIP more than it, or of routers for all.
func follows(s *engine.State, p engine.Problem) bool {
	if strings.HasPrefix(p.Key, keyRouter) {
		first := slices.IndexFunc(s.Problems, func(o engine.Problem) bool { return strings.HasPrefix(o.Key, keyRouter) })
		return s.Problems[first].Key != p.Key
	}
	for _, k := range [...]string{keyDown, keyQuorum} {
		if vip, ok := strings.CutPrefix(p.Key, k); ok {
			return slices.ContainsFunc(s.Problems, func(o engine.Problem) bool { return o.Key == keyEmpty+vip || o.Key == keyHeld+vip })
		}
	}
	return false
}

func (k kind) explains(of string) func(reason, vip string) bool {
	if len(k.reasons) == 0 {
		return nil
	}
	return func(reason, vip string) bool {
		if k.ofVIP && vip != "" && vip != of {
			return false
		}
		for _, r := range k.reasons {
			if r == reason {
				return true
			}
		}
		return false
	}
}

// lostNIC says what became of a NIC or of its chain.
func lostNIC(s *engine.State, p engine.Problem) string {
	for _, n := range s.NICs {
		if p.Key != "nic "+n.Name+" "+n.Hook || n.State == "attached" {
			continue
		}
		name := n.Name
		if n.State != "missing" {
			name += " " + n.Hook
		}
		why := strings.TrimPrefix(n.Why, "nic "+n.Name+": ")
		if _, whose, foreign := strings.Cut(why, "not hairpin's: "); foreign { // what to do about it is longer than a line
			why, _, _ = strings.Cut(whose, " already")
		}
		return joinWhy(name+" is "+n.State, why)
	}
	return p.What
}

// written says whose MAC is not the one that it answered by.
func written(_ *engine.State, p engine.Problem) string {
	nic, address, _ := strings.Cut(strings.TrimPrefix(p.Key, keyWritten), " ")
	return fmt.Sprintf("somebody wrote down another MAC for %s on %s", address, nic)
}

// pending says how much time is left.
func pending(s *engine.State, p engine.Problem) string {
	g := s.Generation
	if g.Deadline.IsZero() {
		return p.What
	}
	back := fmt.Sprintf("goes back to %d", g.Confirmed)
	if g.Confirmed < 0 {
		back = "is taken back"
	}
	whose := ""
	applied := fmt.Sprintf("applied generation %d", g.Active)
	for _, e := range s.Events {
		if strings.HasPrefix(e.What, applied) && e.Severity == "audit" {
			whose = e.Who + "'s "
		}
	}
	return fmt.Sprintf("%sgeneration %d %s in %s unless confirmed", whose, g.Active, back, widget.Age(g.Deadline.Sub(s.Time)))
}

// limitOf is the limit that a problem is about.
func limitOf(s *engine.State, p engine.Problem) (engine.Limit, bool) {
	key, ok := strings.CutPrefix(p.Key, "limit ")
	for _, l := range s.Limits {
		if ok && l.Key() == key {
			return l, true
		}
	}
	return engine.Limit{}, false
}

// limited says whose limit it is, how much it refuses, and whom most.
func limited(s *engine.State, l engine.Limit, c Cause) Cause {
	if l.Over.PPS > 0 {
		over, refused := atLimit(l, "over"), widget.Number(l.Over.PPS)+"/s refused"
		if who, share := mostOver(s, l); who == "" && !strings.HasPrefix(l.Scope, "source") {
			c.from = sentBy(s, reasonOf(l))
		} else if share >= mostly {
			over = who + strings.TrimPrefix(over, someSource)
		} else if who != "" {
			c.from = fmt.Sprintf(", %s of %s", widget.Percent(share), who)
		}
		c.What, c.shorter = fmt.Sprintf("%s (%s), %s", over, l.Stage, refused), []string{over + ", " + refused}
	}
	name := reasonOf(l)
	c.explains = func(reason, vip string) bool { return reason == name && (l.VIP == "" || vip == "" || vip == l.VIP) }
	return c
}

const (
	mostly     = 0.9 // of what a limit refuses: it is about that source, and nobody else
	someSource = "a source"
)

// atLimit says who is over or near which limit: web over its limit of 40k/s.
func atLimit(l engine.Limit, where string) string {
	who := map[string]string{"nic": l.NIC, "vip": l.VIP, "tenant": l.Tenant}[l.Scope]
	if who == "" {
		who = someSource
	}
	most := "its limit"
	if l.Max > 0 {
		most += " of " + mostOf(l)
	}
	if who == someSource && l.VIP != "" {
		most += " for " + l.VIP
	}
	return who + " " + where + " " + most
}

// mostOf is what a limit lets pass.
func mostOf(l engine.Limit) string {
	if l.Kind == "ratelimit" {
		return widget.Number(float64(l.Max)) + "/s"
	}
	return widget.Number(float64(l.Max))
}

// mostOver is the source that a limit of sources refuses most, and its share.
func mostOver(s *engine.State, l engine.Limit) (who string, share float64) {
	top := 0.0
	for _, o := range s.Limits {
		same := o.NIC == l.NIC && o.Hook == l.Hook && o.Stage == l.Stage && o.Scope == l.Scope
		if same && o.Source.IsValid() && o.Over.PPS > top {
			who, top = o.Source.String(), o.Over.PPS
			if o.Source.IsSingleIP() {
				who = o.Source.Addr().String()
			}
		}
	}
	return who, min(1, top/max(l.Over.PPS, 1))
}

// reasonOf is the reason by which a limit drops.
func reasonOf(l engine.Limit) string {
	name := map[string]string{"ratelimit": "rate_limited", "connlimit": "conn_limited"}[l.Kind]
	if strings.HasPrefix(l.Scope, "source") {
		name = "source_" + name
	}
	return name
}

// near are limits that are all but used up. One source close to its own is nobody's incident.
func near(s *engine.State) (list []Cause) {
	const nearly = 0.95
	for _, l := range s.Limits {
		if l.Shadow || l.Max == 0 || l.Scope != "nic" && l.Scope != "vip" || l.Over.PPS > 0 || l.Now < nearly*float64(l.Max) {
			continue
		}
		if reportedLimit(s, l) {
			continue
		}
		list = append(list, Cause{Level: Warn, rank: 5, Screen: "4", What: fmt.Sprintf("%s (%s): %s now", atLimit(l, "near"), l.Stage, widget.Number(l.Now)),
			Cure: "raise it, or find out who comes"})
	}
	return list
}

func reportedLimit(s *engine.State, l engine.Limit) bool {
	for _, p := range s.Problems {
		if p.Key == "limit "+l.Key() {
			return true
		}
	}
	return false
}

// cureOf is what helps against drops by a reason.
func cureOf(name string) string {
	r, _ := reason.ByName(name)
	return r.Cure
}
