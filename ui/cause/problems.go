package cause

import (
	"fmt"
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
		{key: "empty ", rank: 2, screen: "3", ofVIP: true, reasons: []string{"no_backend"}},
		{key: keyUnreachable, rank: 3, screen: "3", ofVIP: true, reasons: unreachableReasons()},
		{key: keyWritten, rank: 3, screen: "3", say: written},
		{key: "held ", rank: 2, screen: "3", ofVIP: true, reasons: []string{"no_next_hop"}},
		{key: "quorum ", rank: 2, screen: "3", ofVIP: true},
		{key: "checks", rank: 4, screen: "3"},
		{key: "unsent ", rank: 5, screen: "3", ofVIP: true},
		{key: "down ", rank: 4, screen: "3", ofVIP: true, reasons: []string{"no_backend"}},
		{key: "limit ", rank: 5, screen: "4"},
		{key: "flows lost", rank: 5, screen: "4", reasons: []string{"conn_limited", "source_conn_limited"}},
		{key: "lost ", rank: 6, screen: "2"},
		{key: "unheld ", rank: 7, screen: "3"},
		{key: "shadow ", rank: 9, screen: "2"},
		{key: "disabled ", rank: 9, screen: "2"},
		{key: keyPending, rank: 10, screen: "9", say: pending},
	}
}

const (
	rankOther  = 8
	keyGone    = "engine gone"
	keyPending = "pending"
	keyWritten = "written "
)

// reported are the engine's own problems.
func reported(s *engine.State) (list []Cause) {
	for _, p := range s.Problems {
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
		list = join(list, unreached(s, p, c))
	}
	return list
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

// limited says which limit it is, how much it refuses, and whom most.
func limited(s *engine.State, l engine.Limit, c Cause) Cause {
	if l.Over.PPS > 0 {
		c.What = fmt.Sprintf("%s at %s, %s refused/s", l.Stage, limitWords(l), widget.Number(l.Over.PPS))
		if who, share := mostOver(s, l); who != "" {
			c.What += fmt.Sprintf(", %s of %s", widget.Percent(share), who)
		} else if !strings.HasPrefix(l.Scope, "source") {
			c.from = sentBy(s, reasonOf(l))
		}
	}
	name := reasonOf(l)
	c.explains = func(reason, vip string) bool { return reason == name && (l.VIP == "" || vip == "" || vip == l.VIP) }
	return c
}

// limitWords name a limit: limit 40k/s of VIP web.
func limitWords(l engine.Limit) string {
	most := widget.Number(float64(l.Max))
	if l.Kind == "ratelimit" {
		most += "/s"
	}
	if l.Max == 0 {
		most = ""
	}
	whose := map[string]string{"nic": "of " + l.NIC, "vip": "of VIP " + l.VIP, "tenant": "of tenant " + l.Tenant, "source": "of a source"}[l.Scope]
	if whose == "" {
		whose = strings.TrimSpace("of a source for " + l.VIP)
	}
	return strings.ReplaceAll(fmt.Sprintf("limit %s %s", most, whose), "  ", " ")
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
		list = append(list, Cause{Level: Warn, rank: 5, Screen: "4", What: fmt.Sprintf("%s near %s: %s now", l.Stage, limitWords(l), widget.Number(l.Now)),
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
