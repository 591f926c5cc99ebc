package engine

import (
	"fmt"
	"math"
	"time"
)

const (
	pastSeconds = 600
	pastParts   = 32
	// pastEvery is how often what a limit would have refused is computed anew.
	pastEvery = 10 * time.Second
	// overFor is how long a limit that refused something counts as used up.
	overFor = 30 * time.Second
	// shadowLong is how long a stage may be in shadow before somebody should look at it.
	shadowLong = time.Hour
)

// pasts remember of each limit what it let pass in each of the last ten minutes' seconds, and of stages since when they are
// in shadow, as long as this engine has looked. They belong to the loop.
type pasts struct {
	limits  map[string]*limitPast
	sources map[string]sourcePast
	shadows map[string]time.Time
}

// sourcePast is what was refused of one source; only who is over has one, so they are few.
type sourcePast struct {
	total uint64
	at    time.Time
	pps   float64
}

// rate is that of what is refused of a source, where nobody else has taken it.
func (s sourcePast) rate(now time.Time, total uint64) sourcePast {
	elapsed := now.Sub(s.at)
	switch {
	case s.at.IsZero() || total < s.total:
		return sourcePast{total: total, at: now}
	case elapsed < readEvery:
		return s
	}
	return sourcePast{total, now, float64(total-s.total) / elapsed.Seconds()}
}

// limitPast is a ring of seconds.
type limitPast struct {
	passed, counted [pastSeconds]float32
	next, held      int
	total           uint64
	at              time.Time
	over            time.Time // when it last refused something; zero = never
	shown           *Past
	shownAt         time.Time
	max             uint64
}

// Key names a limit for as long as it lasts; behind "limit " it is the key of the problem that it is used up.
func (l Limit) Key() string {
	return fmt.Sprint(l.NIC, " ", l.Hook, " ", l.Stage, " ", l.Scope, " ", l.Whose(), " ", l.Source)
}

// show notes the limits of a snapshot that was just made, and puts their past into it.
func (p *pasts) show(now time.Time, s *State) {
	before, sources := p.limits, p.sources
	p.limits, p.sources = make(map[string]*limitPast, len(s.Limits)), map[string]sourcePast{}
	for i := range s.Limits {
		l := &s.Limits[i]
		key := l.Key()
		if l.Source.IsValid() {
			p.sources[key] = sources[key].rate(now, l.Over.Packets)
			if l.Over.PPS == 0 {
				l.Over.PPS = p.sources[key].pps
			}
			continue
		}
		row := before[key]
		if row == nil {
			row = &limitPast{total: l.Passed.Packets, at: now}
		}
		p.limits[key] = row
		row.note(now, *l)
		l.Past = row.past(now, *l)
	}
	p.noteShadows(now, s)
}

// note takes the second that is over; of seconds that were missed, each gets the average.
func (r *limitPast) note(now time.Time, l Limit) {
	if l.Over.PPS > 0 {
		r.over = now
	}
	elapsed := now.Sub(r.at)
	if elapsed < readEvery {
		return
	}
	seconds := max(1, int(elapsed.Round(time.Second)/time.Second))
	passed := float32(0)
	if l.Passed.Packets >= r.total {
		passed = float32(float64(l.Passed.Packets-r.total) / float64(seconds))
	}
	for range min(seconds, pastSeconds) {
		r.passed[r.next], r.counted[r.next] = passed, float32(l.Now)
		r.next, r.held = (r.next+1)%pastSeconds, min(r.held+1, pastSeconds)
	}
	r.total, r.at = l.Passed.Packets, now
}

// past is what lower limits would have refused: of new connections in a second, those above; of connections at a time, all
// that came while as many were open, which is too many, since some would not have been open then.
func (r *limitPast) past(now time.Time, l Limit) *Past {
	if l.Max == 0 || l.Scope == "source" || l.Scope == "source_vip" || r.held == 0 {
		return nil
	}
	if r.shown != nil && r.max == l.Max && now.Sub(r.shownAt) < pastEvery {
		return r.shown
	}
	p := &Past{Over: time.Duration(r.held) * time.Second, Refused: make([]float64, pastParts+1)}
	part := float64(l.Max) / pastParts
	var above [pastParts + 1]struct{ passed, seconds float64 } // by the highest part that refuses in that second
	for i := range r.held {
		passed, highest := float64(r.passed[i]), math.Ceil(float64(r.passed[i])/part)-1
		if l.Kind == "connlimit" {
			highest = math.Floor(float64(r.counted[i]) / part)
		}
		p.Passed += passed
		if highest >= 0 {
			a := &above[int(min(highest, pastParts))]
			a.passed, a.seconds = a.passed+passed, a.seconds+1
		}
	}
	var passed, seconds float64
	for i := pastParts; i >= 0; i-- {
		passed, seconds = passed+above[i].passed, seconds+above[i].seconds
		if p.Refused[i] = math.Round(passed); l.Kind != "connlimit" {
			p.Refused[i] = math.Round(passed - seconds*part*float64(i))
		}
	}
	r.shown, r.shownAt, r.max = p, now, l.Max
	return p
}

// noteShadows remembers since when stages are in shadow.
func (p *pasts) noteShadows(now time.Time, s *State) {
	before := p.shadows
	p.shadows = map[string]time.Time{}
	for _, n := range s.NICs {
		for _, g := range n.Stages {
			if !g.Shadow || g.Disabled {
				continue
			}
			key := n.Name + " " + n.Hook + " " + g.Name
			p.shadows[key] = now
			if since, ok := before[key]; ok {
				p.shadows[key] = since
			}
		}
	}
}

// problems are limits that are used up, and stages that were meant to be in shadow for a while only.
func (p *pasts) problems(now time.Time, s *State) (warn []Problem) {
	for _, l := range s.Limits {
		row := p.limits[l.Key()]
		if row == nil || l.Shadow || row.over.IsZero() || now.Sub(row.over) > overFor {
			continue
		}
		whose := map[string]string{"nic": "of the whole NIC", "vip": "of VIP " + l.VIP, "tenant": "of tenant " + l.Tenant, "source": "of a source"}[l.Scope]
		if whose == "" {
			whose = "of a source for VIP " + l.VIP
		}
		now := fmt.Sprintf("is used up, %.0f refused/s", l.Over.PPS)
		if l.Over.PPS == 0 {
			now = "was used up a moment ago"
		}
		warn = append(warn, Problem{Key: "limit " + l.Key(), Severity: "warn",
			What: fmt.Sprintf("%s on %s: the limit %s %s", l.Stage, l.NIC, whose, now), Cure: "hairpin limits --over"})
	}
	for _, n := range s.NICs {
		for _, g := range n.Stages {
			if since, ok := p.shadows[n.Name+" "+n.Hook+" "+g.Name]; ok && now.Sub(since) >= shadowLong {
				warn = append(warn, Problem{Key: "shadow " + n.Name + " " + n.Hook + " " + g.Name, Severity: "warn",
					What: fmt.Sprintf("%s on %s %s is in shadow: it drops nothing", g.Name, n.Name, n.Hook),
					Cure: fmt.Sprintf("hairpin chain shadow %s off --nic %s", g.Name, n.Name)})
			}
		}
	}
	return warn
}
