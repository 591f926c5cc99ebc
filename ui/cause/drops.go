package cause

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"hairpin/engine"
	"hairpin/ui/widget"
)

// What counts as worth a word, as shares of what comes in.
const (
	DropWarn  = 0.01
	DropCrit  = 0.10
	DropFloor = 10.0 // packets per second: less than that is nobody's incident

	mtuFloor = 1.0  // of a connection that hangs for its MTU, few packets are dropped
	rare     = 0.05 // share of the minutes of a day: what was there in fewer is new
	unusual  = 10.0 // times what is usual
)

// dropping is what is lost by one reason now, and what of it nobody has explained.
type dropping struct {
	engine.Reason
	pps, left float64
	vip       string // that most of left is of; empty = of no one VIP
}

// drops gives to causes what they cost, and returns causes for what is dropped and follows from none of them.
func drops(s *engine.State, known []Cause) (list []Cause) {
	in, _, _ := s.Totals()
	var small dropping
	var others int
	for _, r := range s.Reasons {
		if r.Verdict != "drop" {
			continue
		}
		d := dropping{Reason: r, pps: lasting(r)}
		d.attribute(s, in, known)
		if c, ok := d.worth(s, in); ok {
			list = append(list, c)
			continue
		}
		if small.left += d.left; d.left > small.pps {
			small.Reason, small.pps = d.Reason, d.left
		}
		if d.left > 0 {
			others++
		}
	}
	if len(list) == 0 && small.left >= math.Max(DropFloor, in*DropWarn) {
		list = append(list, Cause{Level: Warn, rank: rankOther, Costs: small.left, Screen: "2",
			What: fmt.Sprintf("dropping %s/s for %d reasons, %s most", widget.Number(small.left), others, small.Name)})
	}
	return list
}

// lasting is the rate of a reason, or what it was a moment ago if it pauses.
func lasting(r engine.Reason) float64 {
	return math.Max(r.PPS, mean(r.History[max(0, len(r.History)-5):]))
}

// attribute puts drops down to the causes that they follow from, by the rows of the ledger; where it has none, at once.
func (d *dropping) attribute(s *engine.State, in float64, known []Cause) {
	type part struct {
		vip string
		pps float64
	}
	var parts []part
	rest := d.pps
	for _, row := range s.Drops {
		if row.Reason == d.Name && !row.Shadow && row.PPS > 0 {
			pps := math.Min(row.PPS, rest)
			parts, rest = append(parts, part{row.VIP, pps}), rest-pps
		}
	}
	if len(parts) == 0 || rest > d.pps/2 {
		parts = []part{{"", d.pps}}
	}
	byVIP := map[string]float64{}
	for _, p := range parts {
		at := slices.IndexFunc(known, func(c Cause) bool { return c.explains != nil && c.explains(d.Name, p.vip) })
		if at < 0 {
			d.left += p.pps
			byVIP[p.vip] += p.pps
			continue
		}
		c := &known[at]
		if c.Costs += p.pps; c.Names == "" && !strings.Contains(c.What, "/s refused") {
			c.Names = d.Name
		}
		if c.over || c.subject != "" {
			c.Costs = 0 // it is over
		} else if c.Costs >= in*DropCrit && c.Costs >= DropFloor {
			c.Level = Crit
		}
	}
	for vip, pps := range byVIP {
		if vip != "" && pps >= 0.9*d.left {
			d.vip = vip
		}
	}
}

// worth is the cause of what is left, if it is worth a word: for its share, or because it is unusual here.
func (d *dropping) worth(s *engine.State, in float64) (Cause, bool) {
	limit, floor := math.Max(DropFloor, in*DropWarn), DropFloor
	if d.Name == "too_big" {
		floor = mtuFloor
	}
	known := s.UsualOver > 0
	fresh, times := New(s, d.Reason), known && Above(d.Reason, d.left)
	if d.left < limit && (d.left < floor || known && !fresh && !times) || d.left < limit && !known && d.Name != "too_big" {
		return Cause{}, false
	}
	c := Cause{Level: Warn, rank: rankOther, Costs: d.left, Screen: screenOf(d.Stage), Cure: cureOf(d.Name)}
	if d.left >= in*DropCrit && d.left >= DropFloor {
		c.Level = Crit
	}
	c.What = fmt.Sprintf("dropping %s/s (%s)", widget.Number(d.left), d.Name)
	if d.Name == "too_big" {
		c.What = fmt.Sprintf("MTU: %s/s do not fit once encapsulated (too_big)", widget.Number(d.left))
		c.shorter = []string{fmt.Sprintf("MTU: %s/s do not fit encapsulated", widget.Number(d.left))}
	}
	if d.vip != "" {
		c.vips = []string{d.vip}
	}
	usual := ""
	switch {
	case fresh:
		usual = ", new here"
	case times:
		usual = ", " + widget.Factor(d.left, d.Usual) + " of usual"
	}
	if usual != "" {
		c.What, c.shorter = c.What+usual, append([]string{c.What}, c.shorter...)
	}
	c.Since, c.from = d.since(s, limit), sentBy(s, d.Name)
	return c, true
}

// New tells whether a reason is one that this node hardly ever had.
func New(s *engine.State, r engine.Reason) bool { return s.UsualOver > 0 && r.Often < rare }

// Above tells whether a rate is far above what is usual of a reason.
func Above(r engine.Reason, pps float64) bool { return r.Usual > 0 && pps >= unusual*r.Usual }

// screenOf is the screen that shows more of what a stage drops.
func screenOf(stage string) string {
	if stage == "ratelimit" || stage == "connlimit" {
		return "4"
	}
	return "2"
}

// since is when it began: by the history, as far as it goes back, else by the event that tells of it.
func (d *dropping) since(s *engine.State, limit float64) time.Time {
	if n := run(d.History, math.Min(limit, d.pps)/2); n < len(d.History) {
		return s.Time.Add(-time.Duration(n) * time.Second)
	}
	for i := len(s.Events) - 1; i >= 0; i-- {
		if e := s.Events[i]; strings.HasSuffix(e.What, "dropping with reason "+d.Name) && (d.vip == "" || strings.HasPrefix(e.What, "vip "+d.vip+":")) {
			return e.Time
		}
	}
	return time.Time{}
}

// breath is how many seconds without drops are no end: clients that give up try again later.
const breath = 5

// run is how many of the newest samples go back to the first of those at or above the limit, without a longer pause.
func run(history []float64, limit float64) int {
	first, paused := 0, 0
	for n := 1; n <= len(history) && paused <= breath; n++ {
		if paused++; history[len(history)-n] >= limit {
			first, paused = n, 0
		}
	}
	return first
}
