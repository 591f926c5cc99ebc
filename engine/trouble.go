package engine

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"hairpin/engine/disk"
	"hairpin/engine/spec"
)

// troubles are what the engine could not do and tries again, by the problem's key. They belong to the loop.
type troubles map[string]Problem

// trouble notes that something cannot be done, or that it could be now. what is the beginning of a sentence that err ends.
func (o *owner) trouble(key, severity, what string, err error, cure string) {
	if err == nil {
		delete(o.troubles, key)
		return
	}
	o.troubles[key] = Problem{Key: key, Severity: severity, What: what + ": " + err.Error(), Cure: cure}
}

// problems are what is not over, in an order that stays.
func (t troubles) problems() (list []Problem) {
	for _, p := range t {
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b Problem) int { return cmp.Or(cmp.Compare(a.Severity, b.Severity), cmp.Compare(a.Key, b.Key)) })
	return list
}

const (
	troubleConfirmed = "confirmed on disk"
	troubleHistory   = "history"
	troubleOutcome   = "history outcome"
	troubleRoom      = "state folder"
)

// makeRoom is what helps where the state folder cannot be written.
func (o *owner) makeRoom() string {
	return "make room in " + o.options.Paths.State + ", or mount it for writing; it is tried again by itself"
}

// confirmOnDisk names the generation that a reboot brings back. Where the disk does not take it, it is tried again.
func (o *owner) confirmOnDisk() error {
	err := o.store.confirm(int(o.kernel.Control().Confirmed))
	o.trouble(troubleConfirmed, "crit", "after a reboot an older spec would come back", err, o.makeRoom())
	return err
}

// lookAtDisk finds a state folder that cannot be written before a change needs it, and repeats what it did not take.
func (o *owner) lookAtDisk() {
	why, full, err := disk.Room(o.options.Paths.State)
	if err == nil && why != "" {
		err = fmt.Errorf("%s", why)
	}
	severity, what := "warn", "soon nothing can be applied: "
	if full {
		severity, what = "crit", "nothing can be applied: "
	}
	o.trouble(troubleRoom, severity, what+o.options.Paths.State, err, o.makeRoom())
	if _, failed := o.troubles[troubleConfirmed]; failed && o.kernel.Control().Pending == 0 {
		_ = o.confirmOnDisk() // it is a problem still
	}
	_, unkept := o.troubles[troubleHistory]
	_, unended := o.troubles[troubleOutcome]
	if o.past == nil {
		o.openHistory()
	} else if unkept || unended {
		o.catchUp()
	}
}

// remembered is the spec of a revision as the history has it. Its checksum is the revision.
func (o *owner) remembered(revision string) (*spec.Spec, Change, bool) {
	if o.past == nil {
		return nil, Change{}, false
	}
	changes := o.past.Changes()
	slices.Reverse(changes)
	for _, c := range changes {
		if c.Revision != revision {
			continue
		}
		text, err := o.past.Spec(c.Number)
		if err != nil || spec.RevisionOf(text) != revision {
			return nil, c, false
		}
		s, err := spec.Parse("history", text)
		return s, c, err == nil
	}
	return nil, Change{}, false
}

// confirmedLast is the newest change of the history that stayed, for a node whose record of that cannot be read.
func (o *owner) confirmedLast() (*spec.Spec, Change, bool) {
	if o.past == nil {
		return nil, Change{}, false
	}
	changes := o.past.Changes()
	for i := len(changes) - 1; i >= 0; i-- {
		if changes[i].Outcome == ChangeConfirmed {
			s, _, ok := o.remembered(changes[i].Revision)
			return s, changes[i], ok
		}
	}
	return nil, Change{}, false
}

// recover stores the record of the active generation anew by what the history has of it.
func (o *owner) recover(why error) error {
	s, c, ok := o.remembered(o.kernel.Revision(o.active))
	if !ok {
		return why
	}
	r := record{Generation: o.active, Time: c.Time, Who: c.Who, Why: c.Why, Revision: c.Revision, Document: spec.Marshal(s),
		Settling: map[string]time.Time{}, Fallbacks: o.kernel.Control().Fallbacks}
	if err := o.store.write(r); err != nil {
		return fmt.Errorf("%w; %w", why, err)
	}
	o.journal.add(time.Now(), "warn", "engine", fmt.Sprintf("the record of generation %d was damaged, and is made anew of the history: %v", o.active, why))
	return nil
}
