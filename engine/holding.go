package engine

import (
	"fmt"
	"time"

	"hairpin/engine/fleet"
)

// How long a node that booted keeps its VIPs from routers until it has what its fleet has: without the store, and in all. Then it serves
// with what it has.
const (
	holdsAlone = 30 * time.Second
	holdsMost  = 5 * time.Minute
)

// holds says why the VIPs of this node are not announced yet; empty = they may be. What was once announced is not held back any more.
func (o *owner) holds(now time.Time) string {
	f := &o.fleet
	if !f.booted {
		return ""
	}
	v := fleet.View{Since: o.since, Why: "it was not asked yet"}
	if f.member != nil {
		v = f.member.View()
	}
	why, end := behind(v, o.since)
	if why != "" && now.Before(end) {
		return fmt.Sprintf("this node booted: it waits until %s at most to catch up with its fleet: %s", end.Format(time.TimeOnly), why)
	}
	if f.booted = false; why != "" {
		o.journal.add(now, "warn", "engine", "VIPs are announced by what this node has, for it waited long enough for its fleet: "+why)
	}
	return ""
}

// behind says what a node that booted lacks, and when it goes on without.
func behind(v fleet.View, booted time.Time) (why string, end time.Time) {
	end = booted.Add(holdsMost)
	switch {
	case v.Caught:
		return "", end
	case !v.Reached:
		if alone := v.Since.Add(holdsAlone); alone.Before(end) {
			end = alone
		}
		return "the store is away: " + v.Why, end
	case v.Step != "":
		return v.Step, end
	case v.Waits != "":
		return v.Waits, end
	}
	return fmt.Sprintf("it has revision %d, and %d is the newest", v.Own, v.Head.Number), end
}
