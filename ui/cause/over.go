package cause

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"hairpin/engine"
)

const (
	// overFor is how long it is said that something was wrong and is over.
	overFor = 5 * time.Minute
	// starting is how long a new engine finds its way: what is over by then was nobody's trouble.
	starting = 30 * time.Second
	// flapping is how often in comeAndGo something must be over to be about to come back.
	flapping  = 2
	comeAndGo = 15 * time.Minute
	// echo is how long what was dropped for it may still show in the rates.
	echo = (breath + 1) * time.Second
)

// ended is one thing that was wrong and is over, of all VIPs that had it.
type ended struct {
	what   string
	vips   []string
	last   time.Time
	lasted string
	times  int // that it was over, of the VIP that had it most often
}

// overs is what was wrong and is over: the newest, and what comes and goes.
func overs(s *engine.State) (list []Cause) {
	for i, e := range endings(s) {
		c := Cause{Level: OK, rank: rankOther, Screen: "9", vips: e.vips, Since: e.last, over: true}
		c.What = c.named(e.what)
		switch {
		case e.times >= flapping:
			c.Level, c.subject, c.times = Warn, c.What, e.times
			c.What = fmt.Sprintf("comes and goes, %d times: %s", e.times, c.What)
		case i == 0 && s.Time.Sub(e.last) <= overFor && e.last.Sub(s.Since) > starting:
			c.What = fmt.Sprintf("over after %s: %s", e.lasted, c.What)
			c.shorter = brief(c.What)
		default:
			continue
		}
		c.vips = nil // What has them
		if s.Time.Sub(e.last) <= echo {
			c.explains = kind{reasons: unreachableReasons()}.explains("")
		}
		list = append(list, c)
	}
	return list
}

// endings are what the events say of it, newest first.
func endings(s *engine.State) (list []ended) {
	times := map[string]int{}
	for _, e := range slices.Backward(s.Events) {
		after, ok := strings.CutPrefix(e.What, "over after ")
		if s.Time.Sub(e.Time) > comeAndGo {
			break
		}
		if !ok || e.Who != "engine" {
			continue
		}
		lasted, text, _ := strings.Cut(after, ": ")
		vip, what := wasOf(text)
		times[vip+": "+what]++
		at := slices.IndexFunc(list, func(o ended) bool { return o.what == what })
		if at < 0 {
			at, list = len(list), append(list, ended{what: what, last: e.Time, lasted: lasted})
		}
		o := &list[at]
		if o.times = max(o.times, times[vip+": "+what]); vip != "" && !slices.Contains(o.vips, vip) {
			o.vips = append(o.vips, vip)
		}
	}
	place := func(vip string) int {
		return slices.IndexFunc(s.VIPs, func(v engine.VIP) bool { return v.Name == vip })
	}
	for _, e := range list {
		slices.SortFunc(e.vips, func(a, b string) int { return place(a) - place(b) })
	}
	return list
}

// again says of what is wrong now how often it was, in place of a cause of its own.
func again(list []Cause) []Cause {
	return slices.DeleteFunc(list, func(past Cause) bool {
		at := slices.IndexFunc(list, func(c Cause) bool {
			return past.subject != "" && c.subject == "" && len(c.vips) > 0 && sameTrouble(c, past)
		})
		if at >= 0 {
			list[at].times = past.times + 1
		}
		return at >= 0
	})
}

func sameTrouble(now, past Cause) bool { return strings.HasSuffix(past.subject, ": "+now.essence()) }
