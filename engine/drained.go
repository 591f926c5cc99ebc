package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"

	"hairpin/engine/disk"
)

// Drained is a node that routers are asked not to use any more. It serves whatever still comes.
type Drained struct {
	Who, Why string
	Since    time.Time
	From     float64       // packets a second that were forwarded then
	Left     time.Duration // until fewer than one a second come, as it looks now; 0 = it cannot be told
	Quiet    time.Time     // since when VIPs are withdrawn and fewer than one a second come; zero = that is not so
}

// Safe tells whether nothing would be lost if the node were stopped.
func (d *Drained) Safe(now time.Time) bool { return !d.Quiet.IsZero() && now.Sub(d.Quiet) >= safeAfter }

// safeAfter is how long a drained node must be quiet.
const safeAfter = 5 * time.Second

// DrainRequest drains the node, or takes that back.
type DrainRequest struct {
	Back bool
	Who  string // as in ArmRequest
	Why  string
}

func (o *owner) drainNode(r DrainRequest) error {
	if err := o.ready(); err != nil {
		return fmt.Errorf("drain: %w", err)
	}
	if !r.Back && (o.spec == nil || o.spec.BGP == nil) {
		return fmt.Errorf("drain: %w: this node tells no router of its VIPs: write a block bgp in the spec, or withdraw where they are routed", ErrRefused)
	}
	if r.Back == (o.drained == nil) {
		return nil
	}
	if r.Back {
		if err := os.Remove(o.drainFile()); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("drain: %w", err)
		}
		o.drained = nil
		o.journal.add(time.Now(), "audit", r.Who, "the node is not drained any more")
		return nil
	}
	_, forward, _ := o.State().Totals()
	d := &Drained{Who: r.Who, Why: r.Why, Since: time.Now(), From: forward}
	text, err := json.Marshal(d)
	if err == nil {
		err = disk.Write(o.drainFile(), text)
	}
	if err != nil {
		return fmt.Errorf("drain: %w", err)
	}
	o.drained = d
	o.journal.add(time.Now(), "audit", r.Who, "drains the node: "+r.Why)
	return nil
}

func (o *owner) drainFile() string { return filepath.Join(o.options.Paths.State, "drained.json") }

// readDrained remembers that the node is drained.
func (o *owner) readDrained() {
	text, err := os.ReadFile(o.drainFile())
	if errors.Is(err, os.ErrNotExist) {
		return
	}
	var d Drained
	if err == nil {
		err = json.Unmarshal(text, &d)
	}
	if err != nil { // a node that is drained is better than one that comes back by mistake
		o.journal.add(time.Now(), "warn", "engine", "the node is taken for drained: "+err.Error())
		d = Drained{Who: engineItself, Since: time.Now()}
	}
	o.drained = &d
}

// showDrained says how far it has come.
func (o *owner) showDrained(s *State) {
	if o.drained == nil {
		return
	}
	d := *o.drained
	_, now, _ := s.Totals()
	withdraws := d.Since
	if s.Spec != nil && s.Spec.BGP != nil {
		withdraws = withdraws.Add(s.Spec.BGP.DrainWait)
	}
	if now >= 1 || s.Time.Before(withdraws) { // until then somebody may still be sent here
		o.quiet = time.Time{}
	} else if o.quiet.IsZero() {
		o.quiet = s.Time
	}
	d.Quiet = o.quiet
	if passed := s.Time.Sub(d.Since).Seconds(); now >= 1 && d.From > now && passed >= 1 {
		d.Left = time.Duration(passed * math.Log(now) / math.Log(d.From/now) * float64(time.Second)) // as if it went on falling by the same share
	}
	s.Drained = &d
}
