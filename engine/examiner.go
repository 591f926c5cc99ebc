package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"hairpin/engine/doctor"
	"hairpin/engine/spec"
)

// examineEvery is how often the machine is looked at beside packets.
const examineEvery = 30 * time.Second

// examiner looks at the machine in a goroutine of its own: some of what it reads takes a while on a large one.
type examiner struct {
	asked chan question
	found chan *Diagnosis
	done  chan struct{} // closed when the goroutine is

	// loop
	of     *spec.Spec // of what was asked last
	at     time.Time  // when
	busy   bool
	latest *Diagnosis // nil: none yet
	told   int        // of how many looks in a row, up to the latest, others said that what is sent does not arrive
}

// question is what to look at the machine by.
type question struct {
	spec *spec.Spec
	own  map[uint32]bool  // programs
	told *doctor.Returned // by the look before; nil = there was none
}

func (o *owner) startExaminer(ctx context.Context) {
	o.examiner = examiner{asked: make(chan question, 1), found: make(chan *Diagnosis, 1), done: make(chan struct{})}
	asked, found, done := o.examiner.asked, o.examiner.found, o.examiner.done
	go func() {
		defer close(done)
		if err := o.ns.enter(); err != nil {
			o.log.Error("nothing looks at the machine", "error", err)
			return
		}
		var told *doctor.Returned
		for {
			select {
			case <-ctx.Done():
				return
			case q := <-asked:
				var d *Diagnosis
				q.told = told
				d, told = diagnose(o.options.Paths, q, time.Now())
				found <- d
			}
		}
	}()
}

// examine asks for a look where the last one is old, or was by another spec.
func (o *owner) examine(now time.Time) {
	x := &o.examiner
	if x.busy || o.spec == x.of && now.Sub(x.at) < examineEvery {
		return
	}
	x.busy, x.at, x.of = true, now, o.spec
	x.asked <- question{spec: o.spec, own: o.ownPrograms()}
}

// examined takes what was found, and tells what is new among it. What is there when an engine starts is no news.
func (o *owner) examined(now time.Time, d *Diagnosis) {
	x := &o.examiner
	before := x.latest
	x.busy, x.latest, x.told = false, d, x.told+1
	if !slices.ContainsFunc(d.Findings, func(f Finding) bool { return f.Check == checkTold && bad(f) }) {
		x.told = 0
	}
	if before == nil || before.Role != d.Role {
		return
	}
	type name struct{ check, on string }
	known := map[name]bool{}
	for _, f := range before.Findings {
		known[name{f.Check, f.On}] = known[name{f.Check, f.On}] || newsworthy(f)
	}
	for _, f := range d.Findings {
		if newsworthy(f) && !known[name{f.Check, f.On}] {
			o.journal.add(now, string(f.Level), "doctor", f.What, f.Means, f.Cure)
		}
		delete(known, name{f.Check, f.On})
	}
	for n, was := range known {
		if was {
			o.journal.add(now, "info", "doctor", fmt.Sprintf("no more: %s %s", n.check, n.on))
		}
	}
}

func bad(f Finding) bool { return f.Level == FindingCrit || f.Level == FindingWarn }

// newsworthy tells whether a finding is told when it begins and ends. Problems are, all of them.
func newsworthy(f Finding) bool { return bad(f) && !unseen(f) }

// unseen tells whether a backend loses packets by what was found where no stage sees it, and nothing else says so.
func unseen(f Finding) bool {
	switch f.Check {
	case "vip address", "arp", "rp_filter":
		return f.Level == FindingCrit
	}
	return false
}

// What others say of a thing that was over before it was looked at twice is no problem.
const (
	checkTold = "returned"
	toldLooks = 2
)

// machineProblems are findings without which nothing on this node would say why packets vanish.
func (o *owner) machineProblems() (list []Problem) {
	if o.detached || o.examiner.latest == nil {
		return nil
	}
	for _, f := range o.examiner.latest.Findings {
		if unseen(f) || f.Check == checkTold && bad(f) && o.examiner.told >= toldLooks {
			list = append(list, Problem{Key: "machine " + f.Check + " " + f.On, Severity: string(f.Level), What: f.What, Cure: f.Cure})
		}
	}
	return list
}
