package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"hairpin/engine/disk"
)

// spokenEvery is how often an engine notes that it speaks to routers.
const spokenEvery = 5 * time.Second

func (p Paths) spokenFile() string { return filepath.Join(p.State, "spoken") }

// spoken is a moment of this boot, by the clock that nobody sets.
func spoken(at time.Duration) (string, error) {
	boot, err := os.ReadFile(bootID)
	return fmt.Sprintf("%s %d\n", strings.TrimSpace(string(boot)), at), err
}

func sinceBoot() time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &t) // cannot fail for this clock
	return time.Duration(t.Nano())
}

// noteSpoken remembers that routers know by now what this node serves, for an engine that comes later.
func (o *owner) noteSpoken(now time.Time) {
	if o.options.Store == nil || o.fleet.booted || o.spec == nil || o.spec.BGP == nil || now.Sub(o.routers.noted) < spokenEvery {
		return
	}
	text, err := spoken(sinceBoot())
	if err == nil {
		err = disk.WriteSoon(o.options.Paths.spokenFile(), []byte(text))
	}
	if err != nil {
		o.log.Warn("note that routers are spoken to", "error", err)
	}
	o.routers.noted = now
}

// silence is for how long no engine of this boot has spoken to routers; 0 = that is not known.
func (p Paths) silence() (time.Duration, error) {
	text, err := os.ReadFile(p.spokenFile())
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	var boot string
	var at time.Duration
	if err == nil {
		_, err = fmt.Sscan(string(text), &boot, &at)
	}
	if err != nil {
		return 0, err
	}
	if same, err := spoken(at); err != nil || same != string(text) {
		return 0, err
	}
	return max(0, sinceBoot()-at), nil
}

// holdAbsent has a node that was away for so long that all routers have dropped its routes begin as one that booted: what flows they sent
// here are with others, which know better by now how they go. One that comes back while routes are kept goes on as it was.
func (o *owner) holdAbsent() {
	if o.options.Store == nil || o.fleet.booted || o.guarded || o.spec == nil || o.spec.BGP == nil {
		return
	}
	gone, err := o.options.Paths.silence()
	if err != nil {
		o.journal.add(time.Now(), "warn", "engine", "for how long no engine ran is not known, so VIPs are announced at once: "+err.Error())
	}
	// A router that was cut off keeps routes from when it notices.
	if g := o.spec.BGP; gone < g.HoldTime+g.Restart+2*spokenEvery {
		return
	}
	o.fleet.fresh.Store(true)
	o.holdBack(fmt.Sprintf("had no engine for %s", gone.Round(time.Second)))
}
