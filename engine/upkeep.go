package engine

import (
	"errors"
	"fmt"
	"time"

	"hairpin/engine/history"
	"hairpin/engine/plan"
	"hairpin/engine/spec"
)

// sweepEvery is how often expired connections are forgotten and links and neighbours looked at without being told.
const sweepEvery = 10 * time.Second

// upkeep is what time brings: the kernel that went back, backends that stay down, VIPs that have settled, ids that come
// free.
func (o *owner) upkeep(now time.Time) {
	if o.detached || !o.kernel.Owns() {
		return
	}
	if o.wentBack() {
		o.follow(now)
	}
	o.endWatch(now)
	o.followMirrors()
	o.followSteers()
	o.followCaptures(now)
	o.glance(now)
	o.lookAtKernel(now)
	o.kernel.Retire()
	if err := o.kernel.RetireExternals(); err != nil {
		o.journal.add(now, "warn", "engine", err.Error())
	}
	o.endSettling(now)
	if o.kernel.Control().Pending == 0 { // else it may go back to what it would lose
		o.holdDown(now)
		if o.kernel.FreeBackends(o.wantedIDs()) > 0 {
			o.meters.forgetBackends(o.kernel.Backends())
		}
	}
	o.reloadLists(now)
	o.followFound(now)
	o.applyFound(now, "")
	o.noteSpoken(now)
	o.examine(now)
	if sweeps := now.Sub(o.swept) >= sweepEvery; sweeps || o.heardBy != o.spec || o.reported.deaf() {
		o.followAgents(now)
	}
	if now.Sub(o.swept) >= sweepEvery {
		o.swept = now
		o.captures.swept(o.kernel.Sweep(nil))
		if err := o.kernel.RetireCensus(); err != nil {
			o.journal.add(now, "warn", "engine", err.Error())
		}
		if o.probeTrouble != nil {
			o.restoreProbes()
		}
		o.refresh()
		o.findShells(now)
		o.lookAtDisk()
	}
}

// getReady makes the next change quick. It is for the time when nobody waits.
func (o *owner) getReady() {
	if o.detached || !o.kernel.Owns() {
		return
	}
	if err := o.kernel.Spare(); err != nil {
		o.log.Warn("get ready for the next change", "error", err)
	}
}

// follow makes the engine's memory what the kernel runs since it went back by itself.
func (o *owner) follow(now time.Time) {
	from := o.active
	o.ended(history.WentBack, now, "")
	o.step("back: history written")
	o.active = int(o.kernel.Control().Active)
	o.carryAccounts()
	o.step("back: accounts carried")
	if o.active == 0 {
		o.running, o.spec, o.attached = record{}, nil, nil
		o.journal.add(now, "warn", "kernel", fmt.Sprintf("generation %d was not confirmed in time: nothing runs, as before", from))
		o.kernel.MarkAll(&plan.Plan{})
		o.detachUnused()
		o.restoreProbes()
		return
	}
	if err := o.recall(); err != nil {
		o.journal.add(now, "crit", "engine", fmt.Sprintf("the kernel went back to generation %d, whose spec cannot be read: %v", o.active, err))
		return
	}
	o.journal.add(now, "warn", "kernel", fmt.Sprintf("generation %d was not confirmed in time: back to generation %d", from, o.active))
	o.restore()
	o.reattach()
	o.step("back: attached")
}

// carryAccounts has what each stage counted so far stay with it where other rows run since.
func (o *owner) carryAccounts() {
	if err := o.kernel.CarryAccounts(); err != nil {
		o.journal.add(time.Now(), "warn", "engine", "what reached each stage cannot be told: "+err.Error())
	}
}

// recall reads what is stored of the active generation. Where it cannot, the data path runs on and no spec is known.
func (o *owner) recall() error {
	o.running, o.spec, o.attached = record{}, nil, o.kernel.Attached()
	r, s, err := o.readActive()
	if err != nil {
		if err := o.recover(err); err != nil {
			return err
		}
		if r, s, err = o.readActive(); err != nil {
			return err
		}
	}
	o.running, o.spec = r, s
	if control := o.kernel.Control(); control.Fallbacks != r.Fallbacks { // went back to it: what settles began anew
		o.running.Settling = map[string]time.Time{}
		for _, v := range s.VIPs {
			o.running.Settling[v.Name] = wall(time.Now(), control.Switched)
		}
	}
	return nil
}

// readActive is the record of the active generation and its spec.
func (o *owner) readActive() (record, *spec.Spec, error) {
	r, s, err := o.store.read(o.active)
	if err == nil && r.Revision != o.kernel.Revision(o.active) {
		err = errors.New("another revision is stored under its number")
	}
	return r, s, err
}

// restore repeats for the running spec what follows a switch: it may have been another's, or never have been done.
func (o *owner) restore() {
	p, err := o.compute(o.spec)
	switch {
	case err == nil:
	case o.wentBack():
		return // since then: it is followed in time
	default:
		o.journal.add(time.Now(), "crit", "engine", err.Error())
		return
	}
	o.kernel.MarkAll(p)
	o.step("restore: backends marked")
	o.countSockets()
	o.step("restore: sockets counted")
	o.noteDown(p)
	o.detachUnused()
	o.step("restore: unused detached")
	o.restoreProbes()
	o.step("restore: probes restored")
}

// noteDown begins to hold the backends that are down.
func (o *owner) noteDown(p *plan.Plan) {
	down := map[uint16]time.Time{}
	for _, c := range p.VIPs {
		for i, b := range c.Spec.Backends {
			if b.State != spec.Down && !o.kernel.Out(c.IDs[i]) {
				continue
			}
			down[c.IDs[i]] = time.Now()
			if since, ok := o.downAt[c.IDs[i]]; ok {
				down[c.IDs[i]] = since
			}
		}
	}
	o.downAt = down
}

func (o *owner) holdDown(now time.Time) {
	for id, since := range o.downAt {
		if now.Sub(since) >= plan.FlapHold {
			o.kernel.MarkBackend(id, false, true)
		}
	}
}

// endSettling lets the ring alone decide where for the whole settle time no packet went anywhere else.
func (o *owner) endSettling(now time.Time) {
	for _, s := range o.settling(now) {
		if now.Before(s.ends) {
			continue
		}
		o.kernel.EndSettling(s.num)
		delete(o.running.Settling, s.name)
		o.journal.add(now, "info", "engine", fmt.Sprintf("vip %s has settled", s.name))
	}
}

// wantedIDs are the backend ids of the running spec.
func (o *owner) wantedIDs() map[uint16]bool {
	wanted := map[uint16]bool{}
	if o.spec == nil {
		return wanted
	}
	for _, b := range o.kernel.Backends() {
		name := o.vipName(b.VIP)
		if v := o.spec.VIP(name); v != nil && v.Backend(b.Address) != nil {
			wanted[b.ID] = true
		}
	}
	return wanted
}
