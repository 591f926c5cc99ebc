package engine

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"hairpin/engine/disk"
	"hairpin/engine/fleet"
)

// hasBooted is why most nodes hold back.
const hasBooted = "booted"

// How long a node that booted keeps its VIPs from routers until it has what its fleet has: without the store, and in all. Then it serves
// with what it has.
const (
	holdsAlone = 30 * time.Second
	holdsMost  = 5 * time.Minute
)

func (p Paths) holdingFile() string { return filepath.Join(p.State, "holding") }

// holdBack begins to hold back what a node of a fleet announces. The file has an engine that is started again go on with it, in this boot.
func (o *owner) holdBack(why string) {
	if o.options.Store == nil {
		return
	}
	o.fleet.booted, o.fleet.why = true, why
	boot, err := os.ReadFile(bootID)
	if err == nil {
		err = disk.Write(o.options.Paths.holdingFile(), boot, []byte(why))
	}
	if err != nil {
		o.journal.add(time.Now(), "warn", "engine", "an engine that is started again will announce VIPs at once: "+err.Error())
	}
}

// holdOn goes on with it where the engine before did not come to an end. Nothing was forwarded here that others do not know better.
func (o *owner) holdOn() {
	boot, err := os.ReadFile(bootID)
	was, e := os.ReadFile(o.options.Paths.holdingFile())
	why, same := bytes.CutPrefix(was, boot)
	if o.options.Store != nil && err == nil && e == nil && same {
		o.fleet.booted, o.fleet.why = true, cmp.Or(string(why), hasBooted)
		o.fleet.fresh.Store(true)
	}
}

// endHold ends it.
func (o *owner) endHold() {
	o.fleet.booted = false
	if err := os.Remove(o.options.Paths.holdingFile()); err != nil && !errors.Is(err, os.ErrNotExist) {
		o.journal.add(time.Now(), "warn", "engine", "an engine that is started again will hold its VIPs back: "+err.Error())
	}
}

const bootID = "/proc/sys/kernel/random/boot_id"

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
		return fmt.Sprintf("this node %s and waits for its fleet, until %s at most: %s", f.why, end.Format(time.TimeOnly), why)
	}
	if o.endHold(); why != "" {
		f.fresh.Store(false) // it has flows of its own from now on, which older revisions must not move
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
		return "the store is away: " + strings.TrimPrefix(v.Why, "the store does not answer: "), end
	case v.Step != "":
		return v.Step, end
	case v.Waits != "":
		return v.Waits, end
	}
	return fmt.Sprintf("it has revision %d, and %d is the newest", v.Own, v.Head.Number), end
}
