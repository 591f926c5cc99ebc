package engine

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"hairpin/engine/datapath"
	"hairpin/engine/plan"
	"hairpin/engine/spec"
)

func (o *owner) apply(r ApplyRequest) (*Applied, error) {
	if err := o.mayChange(); err != nil {
		return nil, fmt.Errorf("apply: %w", err)
	}
	r.Spec = spec.KeepFound(r.Spec, o.spec)
	if err := o.check(r); err != nil {
		return nil, fmt.Errorf("apply: %w", err)
	}
	return o.change(r)
}

// change writes everything beside what runs, tries it dry, stores the spec, and only then switches. Whatever fails before
// the switch leaves the node as it was.
func (o *owner) change(r ApplyRequest) (*Applied, error) {
	began, before := time.Now(), o.revision()
	if !r.Force {
		if err := o.emptied(r.Spec); err != nil {
			return nil, fmt.Errorf("apply: %w", err)
		}
	}
	attached, err := o.attachNew(r.Spec)
	if err != nil {
		return nil, o.undone(err)
	}
	o.step("apply: attached")
	p, generation, err := o.stage(r.Spec)
	if err != nil {
		return nil, o.undone(invalidObject(err))
	}
	probes, err := o.attachProbes(r)
	if err != nil {
		return nil, o.undone(invalidObject(err))
	}
	o.step("apply: probes attached")
	if !r.Force || r.by != nil {
		if err := o.preflight(generation); err != nil {
			return nil, o.undone(err)
		}
	}
	if err := o.goLive(r, p, generation); err != nil {
		o.keepProbes()
		return nil, o.undone(err)
	}
	o.attached, o.probes = attached, probes
	o.keepProbes()
	o.step("apply: probes kept")
	text := p.Text()
	control := o.kernel.Control()
	if int(control.Active) != generation { // so short was its time
		return nil, o.undone(ErrLate)
	}
	took := time.Since(began)
	o.settled(control, p)
	kept := o.noteChange(before, text, r.from.changes())
	o.step("apply: history written")
	if kept.Times() > 1 {
		r.Why, text = kept.Why, kept.Text
		o.journal.forget(func(e Event) bool { return e.Change != 0 && kept.Holds(e.Change) })
	}
	o.journal.add(began, "audit", r.Who, o.sentence(r, generation), text...)
	o.journal.about(kept.Number)
	return &Applied{Generation: generation, Revision: o.revision(), Deadline: generationOf(time.Now(), control).Deadline, Text: text,
		Took: took}, nil
}

// undone takes away what a change has left that failed. One in whose middle the kernel went back failed for that.
func (o *owner) undone(err error) error {
	if o.wentBack() {
		o.follow(time.Now())
		if !errors.Is(err, ErrStale) && !errors.Is(err, ErrLate) {
			err = fmt.Errorf("%w: %w", ErrStale, err)
		}
	}
	o.detachUnused()
	o.closeRemoved() // its new backends too: their ids come free
	return fmt.Errorf("apply: %w", err)
}

func (o *owner) check(r ApplyRequest) error {
	if r.Spec == nil {
		return fmt.Errorf("%w: no spec", ErrInvalid)
	}
	if err := r.Spec.Validate(); err != nil { // what runs must be read again by the next engine
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if r.Deadline < 0 {
		return fmt.Errorf("%w: a deadline of %s", ErrInvalid, r.Deadline)
	}
	if r.Revision != "" && r.Revision != o.revision() {
		return ErrStale
	}
	for _, n := range r.Spec.NICs {
		known := o.spec != nil && slices.ContainsFunc(o.spec.NICs, func(old spec.NIC) bool { return old.Name == n.Name })
		if _, err := net.InterfaceByName(n.Name); err != nil && !known {
			return fmt.Errorf("%w: nics.%s: this node has no such NIC; it has %s", ErrInvalid, n.Name, nicNames())
		}
	}
	if err := o.checkAgents(r.Spec); err != nil {
		return err
	}
	return o.checkFirewalls(r.Spec, time.Now())
}

func nicNames() string {
	all, err := net.Interfaces()
	if err != nil {
		return "none that can be listed: " + err.Error()
	}
	names := make([]string, len(all))
	for i, n := range all {
		names[i] = n.Name
	}
	return strings.Join(names, ", ")
}

// attachNew brings root to NICs that have none yet: it finds no row there before the switch, and lets everything pass. A
// NIC that is missing is not an error, it is attached when it appears; any other trouble is.
func (o *owner) attachNew(s *spec.Spec) ([]datapath.Attachment, error) {
	attached, err := o.kernel.Attach(s)
	if err != nil {
		return nil, err
	}
	for _, a := range attached {
		if a.Err != nil && !errors.Is(a.Err, datapath.ErrNoNIC) {
			return nil, a.Err
		}
	}
	return attached, nil
}

// detachUnused takes root off the NICs that nothing names that runs or may run again: neither the running spec nor, while
// that waits for confirmation, the one it would go back to. Where one of them cannot be read, everything stays.
func (o *owner) detachUnused() {
	var kept spec.Spec
	if o.lost() {
		return
	}
	if o.spec != nil {
		kept.NICs = append(kept.NICs, o.spec.NICs...)
	}
	if c := o.kernel.Control(); c.Pending != 0 && c.Confirmed != 0 {
		_, s, err := o.store.read(int(c.Confirmed))
		if err != nil {
			o.journal.add(time.Now(), "warn", "engine", "every NIC stays attached: "+err.Error())
			return
		}
		kept.NICs = append(kept.NICs, s.NICs...)
	}
	if err := o.kernel.DetachUnused(&kept); err != nil {
		o.journal.add(time.Now(), "warn", "engine", err.Error())
	}
}

// stageTries bounds the wait for a generation number: each rests for a second after it was left.
const (
	stageTries = 30
	stageWait  = 50 * time.Millisecond
)

func (o *owner) stage(s *spec.Spec) (*plan.Plan, int, error) {
	p, err := o.compute(s)
	if err != nil {
		return nil, 0, err
	}
	var generation int
	for range stageTries {
		if generation, err = o.kernel.Stage(p); !errors.Is(err, datapath.ErrNoGeneration) {
			break
		}
		time.Sleep(stageWait) // the kernel tells nobody when a number has rested
	}
	if err != nil {
		return nil, 0, err
	}
	for _, c := range p.VIPs {
		if c.Before != nil {
			o.recount(c.Num)
		}
	}
	o.step("apply: staged")
	o.reach()
	o.step("apply: next hops written")
	if err := o.dryRun(p, generation); err != nil {
		return nil, 0, err
	}
	return p, generation, nil
}

func (o *owner) goLive(r ApplyRequest, p *plan.Plan, generation int) error {
	control := o.kernel.Control()
	record := record{Generation: generation, Time: time.Now(), Who: r.Who, Why: r.Why, Revision: p.Revision,
		Document: p.Document, Settling: o.settlingSince(p), Fallbacks: control.Fallbacks}
	if r.by != nil {
		record.Tenants = *r.by
	}
	if err := o.store.spare(generation, int(control.Confirmed)); err != nil {
		return err
	}
	o.step("apply: confirmed spared")
	if err := o.store.write(record); err != nil {
		return err
	}
	o.step("apply: spec stored")
	undo := o.kernel.Prepare(p, generation)
	o.step("apply: prepared")
	if err := o.kernel.Activate(o.active, generation, r.Deadline); err != nil {
		undo()
		if errors.Is(err, datapath.ErrMoved) || errors.Is(err, datapath.ErrLate) {
			err = fmt.Errorf("%w: %w", ErrStale, err)
		}
		return err
	}
	o.step("apply: switched")
	o.kernel.MarkAll(p)
	o.step("apply: backends marked")
	o.carryAccounts()
	o.step("apply: accounts carried")
	record.Document = nil // it is on disk
	o.countSockets()
	o.step("apply: sockets counted")
	o.startSlowly(r.Spec, time.Now())
	o.running, o.spec, o.active = record, r.Spec, generation
	return nil
}

// settlingSince carries on since when the VIPs settle.
func (o *owner) settlingSince(p *plan.Plan) map[string]time.Time {
	since := map[string]time.Time{}
	for _, c := range p.VIPs {
		if c.Before != nil {
			since[c.Spec.Name] = time.Now()
		} else if t, ok := o.running.Settling[c.Spec.Name]; ok {
			since[c.Spec.Name] = t
		}
	}
	return since
}

// settled is what follows a switch and may be done late. control is what the gate said after it.
func (o *owner) settled(control datapath.Control, p *plan.Plan) {
	o.noteDown(p)
	for _, c := range p.VIPs {
		if c.New {
			o.meters.forgetVIP(c.Num)
		}
	}
	if control.Pending != 0 {
		return // NICs and the confirmed spec stay as they are until it is confirmed
	}
	_ = o.confirmOnDisk() // a problem, and tried again
	o.step("apply: confirmed on disk")
	o.detachUnused()
	o.step("apply: unused detached")
}

func (o *owner) sentence(r ApplyRequest, generation int) string {
	text := fmt.Sprintf("applied generation %d", generation)
	if r.Deadline > 0 {
		text += fmt.Sprintf(", goes back in %s unless confirmed", r.Deadline)
	}
	if r.Why != "" {
		text += ": " + r.Why
	}
	return text
}
