package engine

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"hairpin/engine/history"
	"hairpin/engine/spec"
)

// keptChanges is how many changes can be looked at and gone back to.
const keptChanges = 200

// Change is one change of the running spec, as it is kept on disk.
type Change = history.Change

// What became of a change.
const (
	ChangeWaits     = history.Waits
	ChangeConfirmed = history.Confirmed
	ChangeWentBack  = history.WentBack
)

func (p Paths) history() string { return filepath.Join(p.State, "history") }

// openHistory reads what is kept. Without a history the node works all the same, and says so.
func (o *owner) openHistory() {
	l, damage, err := history.Open(o.options.Paths.history(), keptChanges)
	o.trouble(troubleHistory, "crit", "changes are not kept", err, o.makeRoom())
	if err != nil {
		return
	}
	if damage != "" {
		o.journal.add(time.Now(), "warn", "engine", damage)
	}
	o.past = l
}

// noteChange keeps the change that made the running record live, and returns it as it is kept, without a number if it cannot be.
func (o *owner) noteChange(before string, text []string, found []history.Found) (c Change) {
	if o.past == nil || o.spec == nil {
		return c
	}
	c = Change{Time: o.running.Time, Who: o.running.Who, Why: o.running.Why, Tenants: o.running.Tenants, Generation: o.running.Generation,
		Revision: o.running.Revision, Before: before, Text: text, Outcome: history.Confirmed, Ended: o.running.Time, Found: found}
	control := o.kernel.Control()
	if control.Pending != 0 {
		c.Outcome, c.Ended, c.Deadline = history.Waits, time.Time{}, wall(time.Now(), control.Deadline)
	} else {
		o.ended(history.Confirmed, c.Time, c.Who) // those it was built on
	}
	c, err := o.past.Add(c, spec.Marshal(o.spec))
	o.trouble(troubleHistory, "warn", "the last change is not in the history", err, o.makeRoom())
	if err != nil {
		return Change{}
	}
	return c
}

// ended notes what became of the changes that waited.
func (o *owner) ended(outcome history.Outcome, now time.Time, by string) {
	if o.past == nil {
		return
	}
	err := o.past.End(outcome, now, by)
	o.trouble(troubleOutcome, "warn", "what became of the last change is not in the history", err, o.makeRoom())
}

// catchUp notes what a killed engine could not: the change that runs, and what became of those that waited.
func (o *owner) catchUp() {
	if o.past == nil {
		return
	}
	control := o.kernel.Control()
	changes := o.past.Changes()
	var last Change
	if n := len(changes); n > 0 {
		last = changes[n-1]
	}
	if control.Pending == 0 && last.Outcome == history.Waits {
		outcome := history.Confirmed
		if last.Generation != o.active {
			outcome = history.WentBack
		}
		o.ended(outcome, wall(time.Now(), control.Switched), "")
	}
	if o.spec != nil && o.running.Time.After(last.Time) {
		o.noteChange(last.Revision, nil, nil)
	}
}

func (o *owner) changes() ([]Change, error) {
	if o.past == nil {
		return nil, fmt.Errorf("history: %w: changes are not kept on this node, its events say why", ErrRefused)
	}
	return o.past.Changes(), nil
}

// pastSpec is the spec that a change made the running one.
func (o *owner) pastSpec(number int) (*spec.Spec, error) {
	if o.past == nil {
		return nil, fmt.Errorf("history: %w: changes are not kept on this node, its events say why", ErrRefused)
	}
	text, err := o.past.Spec(number)
	if errors.Is(err, history.ErrNone) {
		return nil, fmt.Errorf("history: %w: %w", ErrInvalid, err)
	}
	if err != nil {
		return nil, fmt.Errorf("history: %w", err)
	}
	s, err := spec.Parse(fmt.Sprintf("spec of change %d", number), text)
	if err != nil {
		return nil, fmt.Errorf("history: %w", err)
	}
	return s, nil
}

// ReadHistory is the changes that are kept of a node whose engine does not run, oldest first, and what of them is damaged.
func ReadHistory(p Paths) (changes []Change, damage string, err error) {
	return history.Read(p.history(), time.Now())
}
