package engine

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"hairpin/engine/health"
	"hairpin/engine/spec"
)

// VIPHealth is what the checks of a VIP's backends come to.
type VIPHealth struct {
	Live   int  // backends that take new flows and are not down
	Quorum int  // that must be up
	Lost   bool // fewer are
	Held   int  // backends that are down and stay in the ring, since too little would be left
}

// healthNews is what became of a backend or a VIP.
type healthNews struct{ severity, what string }

// news are the backends whose state is another than it was.
func (c *checking) news(was map[health.Key]health.Fact, now time.Time) (list []healthNews) {
	for key, f := range c.facts {
		old, known := was[key]
		if !known && f.State != health.Down || known && old.State == f.State {
			continue
		}
		switch name := fmt.Sprintf("%s: %s", key.VIP, key.Backend); {
		case f.State == health.Down && (!known || now.Sub(f.Since) > time.Minute):
			list = append(list, healthNews{"warn", fmt.Sprintf("%s is down since %s, as was known: %s", name, f.Since.Format(time.DateTime), f.Why)})
		case f.State == health.Down:
			list = append(list, healthNews{"warn", fmt.Sprintf("%s is down: %s", name, f.Why)})
		case f.State == health.Up && old.State == health.Down:
			list = append(list, healthNews{"info", fmt.Sprintf("%s is up again after %s", name, f.Since.Sub(old.Since).Round(time.Second))})
		}
	}
	slices.SortFunc(list, func(a, b healthNews) int { return cmp.Compare(a.what, b.what) })
	return list
}

// mostNews is how many of them are events of their own: of more, one event says it all.
const mostNews = 5

// sayHealth puts news into the journal. They are no changes of anybody's, and so not in the history.
func (o *owner) sayHealth(now time.Time, news []healthNews) {
	if len(news) <= mostNews {
		for _, n := range news {
			o.journal.add(now, n.severity, "health", n.what)
		}
		return
	}
	const most = 50
	order := []string{"crit", "warn", "info"} // what is worst is said also where lines are left out
	slices.SortStableFunc(news, func(a, b healthNews) int {
		return cmp.Compare(slices.Index(order, a.severity), slices.Index(order, b.severity))
	})
	var lines []string
	for _, n := range news[:min(len(news), most)] {
		lines = append(lines, n.what)
	}
	o.journal.add(now, news[0].severity, "health", fmt.Sprintf("%d backends and VIPs went down or came back", len(news)), lines...)
}

// showHealth says of VIPs and backends what their checks come to, and why each backend is in its state.
func (o *owner) showHealth(now time.Time, s *State) {
	c := &o.checking
	for i := range s.VIPs {
		v := &s.VIPs[i]
		desired := o.spec.VIP(v.Name)
		if desired == nil {
			continue
		}
		if h := desired.Health; h != nil && len(desired.Checks) > 0 {
			v.Health = &VIPHealth{Quorum: int(h.Quorum), Lost: c.lost[v.Name]}
		}
		for j := range v.Backends {
			b := &v.Backends[j]
			key := health.Key{VIP: v.Name, Backend: b.Address}
			lost := c.lostHere(key)
			if f, known := c.live[key]; known && !b.Gone {
				b.Health, b.Why, b.Says, b.Held = f.State.String(), f.Why, f.Why, c.held[key]
				if f.State == health.Down {
					b.Since = f.Since
					if lost != "" {
						b.Why += "; its checks are dropped on this node: " + lost
						b.Says = b.Why
					}
				}
			}
			wanted := desired.Backend(b.Address)
			if v.Health != nil && wanted != nil && wanted.TakesNew() && b.Health != health.Down.String() {
				v.Health.Live++
			}
			if v.Health != nil && b.Held {
				v.Health.Held++
			}
			if wanted != nil && wanted.TakesNew() && !b.Out {
				if part, next := health.Ramp(wanted.Weight, c.cameBack(desired, *wanted), desired.SlowStart, now); !next.IsZero() {
					b.Starting = float64(part) / float64(wanted.Weight)
				}
			}
			b.Why = whyState(now, *b, v.Found)
		}
	}
}

// showWhy says why backends are in their states, as far as that is known without an engine: not what checks say of one
// that they left in the ring, nor whether one starts slowly.
func showWhy(now time.Time, s *State) {
	for _, v := range s.VIPs {
		desired := s.Spec.VIP(v.Name)
		if desired == nil {
			continue
		}
		heard := len(desired.Checks) > 0 || desired.SlowStart > 0
		for i := range v.Backends {
			if b := &v.Backends[i]; !heard || b.Gone || b.Out || b.State != spec.Up.String() || b.Weight == 0 {
				b.Why = whyState(now, *b, v.Found)
			}
		}
	}
}

// whyState is why a backend is in its state, in one line. What somebody or its source wants comes before what checks say.
func whyState(now time.Time, b Backend, found *FoundBy) string {
	switch {
	case b.Gone:
		return "removed from the spec; it is shown until its flows have ended"
	case b.State != spec.Up.String():
		text := b.State + " by hand"
		switch {
		case b.Dropped != nil && found != nil:
			text = b.Dropped.text(found.Source, now)
		case b.Found && !b.Edited && found != nil:
			text = b.State + " as " + found.Source + " says"
		}
		if b.Health == health.Down.String() {
			text += ", and down: " + b.Why
		}
		return text
	case b.Weight == 0:
		return "its weight is 0"
	case b.Held:
		return "down, and kept in the ring: without it too little would be left; " + b.Why
	case b.Health == health.Down.String():
		return fmt.Sprintf("down for %s: %s", now.Sub(b.Since).Round(time.Second), b.Why)
	case b.Out:
		return "its checks took it out of the ring"
	case b.Starting > 0:
		return fmt.Sprintf("back, and starting slowly with %.0f%% of its weight", 100*b.Starting)
	case b.Health == "" && b.Found && !b.Edited && found != nil:
		return "up as " + found.Source + " says, and not checked"
	case b.Health == "":
		return "up by hand, and not checked"
	}
	return b.Why
}

// Word is how a backend is, in one word: what somebody wants of it first, then what its checks make of it.
func (b Backend) Word() string {
	switch {
	case b.Gone:
		return "removed"
	case b.State != spec.Up.String():
		return b.State
	case b.Held:
		return "held"
	case b.Out:
		return "down"
	case b.Starting > 0:
		return "starting"
	}
	return b.State
}

// healthProblems are what checks say of a VIP's backends, and what they do not get to say.
func healthProblems(v VIP) (crit, warn []Problem) {
	if v.Health == nil {
		return nil, nil
	}
	if v.Health.Lost {
		crit = append(crit, Problem{Key: "quorum " + v.Name, Severity: "crit", What: fmt.Sprintf("%s: %d of %d backends are up, and %d must be", v.Name,
			v.Health.Live, len(v.Backends), v.Health.Quorum), Cure: "look why its backends are down"})
	}
	if v.Health.Held > 0 {
		crit = append(crit, Problem{Key: "held " + v.Name, Severity: "crit", What: fmt.Sprintf("%s: the ring is held: %d backends are down and stay in it, "+
			"since too little would be left%s", v.Name, v.Health.Held, forExample(v, func(b Backend) bool { return b.Held })),
			Cure: "look why they are down; health: {watermark: ...} says how much has to stay"})
	}
	return crit, warn
}

// forExample is the first backend of a kind, and what its checks say.
func forExample(v VIP, of func(Backend) bool) string {
	i := slices.IndexFunc(v.Backends, of)
	if i < 0 {
		return ""
	}
	return fmt.Sprintf("; %s: %s", v.Backends[i].Address, v.Backends[i].Says)
}

// checkProblems are what is wrong with checking itself.
func (o *owner) checkProblems() (list []Problem) {
	c := &o.checking
	if c.prober == nil {
		return nil
	}
	if c.trouble != "" {
		list = append(list, Problem{Key: "checks", Severity: "crit", What: "backends are not checked, and stay as they were known: " + c.trouble})
	}
	if l := c.prober.Load(); l.Late > 0 {
		list = append(list, Problem{Key: "checks late", Severity: "warn", What: fmt.Sprintf("checks are %s late: there are too many at a time", l.Late.Round(time.Millisecond)),
			Cure: "check less often, or with shorter timeouts"})
	}
	unsent, first := map[string]int{}, map[string]string{}
	for key, f := range c.live {
		if f.Unsent != "" && c.trouble == "" {
			unsent[key.VIP]++
			first[key.VIP] = f.Unsent
		}
	}
	for name, n := range unsent {
		list = append(list, Problem{Key: "unsent " + name, Severity: "warn", What: fmt.Sprintf("%s: checks of %d backends cannot be sent: %s", name, n, first[name]),
			Cure: "they stay as they were known meanwhile"})
	}
	slices.SortFunc(list, func(a, b Problem) int { return cmp.Compare(a.Key, b.Key) })
	return list
}
