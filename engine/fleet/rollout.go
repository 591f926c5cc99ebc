package fleet

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Phase is how far a revision has come.
type Phase string

// Phases. In the last two, whoever comes later or was silent is brought to the revision too.
const (
	Running   Phase = "running"
	Stopped   Phase = "stopped"   // no further node begins
	Returning Phase = "returning" // it takes another one back, at all nodes at once
	Done      Phase = "done"
	Returned  Phase = "returned"
)

// Head is the one word in the store that every node follows.
type Head struct {
	Fleet    string // names this fleet, whatever its store is called
	Revision        // the newest
	Attempt  int    // raised where nodes that failed shall try again
	Phase    Phase
	Reason   string // of Phase
	By       string // who stopped it, or wanted it back; empty = it came so
	Ended    time.Time
	Pace     Pace
	Returned []int // those of the revisions that were taken back
}

// Rest tells whether nothing is on its way.
func (h Head) Rest() bool { return h.Phase == Done || h.Phase == Returned || h.Number == 0 }

// Status is what a node says of itself, for as long as it is there.
type Status struct {
	Node    string
	Version string
	Number  int       // the revision that it has
	Trying  int       // the one that it is about to have; 0 = none
	Failed  int       // the one that it went back from; 0 = none
	Attempt int       // at that
	Why     string    // it failed or waits
	Left    string    // who took it out of the fleet, and why; empty = nobody
	Spec    string    // names the spec that runs, by content
	Drift   string    // why that is another than its revision says; empty = it is not
	Since   time.Time // this word
	Host    bool
}

// Target is which revision a node shall have.
type Target struct {
	Number, Attempt int
	Time            time.Time
}

// Seen is what the leader knows of a node.
type Seen struct {
	Name   string
	Target Target
	Status *Status   // nil = silent
	Silent time.Time // since when
}

// Verdict is what the leader does next: ask nodes, and perhaps end it.
type Verdict struct {
	Ask  []string
	Fail string // the revision must go back because of this
	Done bool
}

// Patience with nodes, beyond the time in which they watch themselves.
const (
	quietFor = 3 * time.Second // a node is silent, after its lease has run out
	slowBy   = 90 * time.Second
)

// Judge is the next step of a rollout. It knows no store and no clock.
func Judge(h Head, nodes []Seen, now time.Time) (v Verdict) {
	if h.Phase == Stopped || h.Number == 0 {
		return v
	}
	var waiting []Seen
	flying, kept := map[bool]int{}, map[bool]int{} // by whether they are hosts
	for _, n := range nodes {
		switch n.stand(h) {
		case waits:
			waiting = append(waiting, n)
		case flies:
			flying[n.host()]++
		case keeps:
			kept[n.host()]++
		}
		if v.Fail == "" && h.Phase == Running {
			v.Fail = n.fault(h, now)
		}
	}
	if v.Fail != "" {
		return v
	}
	v.Done = !h.Rest() && len(waiting) == 0 && flying[true]+flying[false] == 0
	slices.SortStableFunc(waiting, hostsFirst)
	host := len(waiting) > 0 && waiting[0].host()
	if h.Phase == Running {
		waiting = slices.DeleteFunc(waiting, func(n Seen) bool { return n.host() != host || !host && flying[true] > 0 })
	}
	for _, n := range waiting[:min(len(waiting), max(0, h.atOnce(kept[host])-flying[true]-flying[false]))] {
		v.Ask = append(v.Ask, n.Name)
	}
	return v
}

// atOnce is how many nodes may be on their way, of whose kind so many have it: the first goes alone, since what is good for backends
// says nothing of load balancers; those of a return go together.
func (h Head) atOnce(kept int) int {
	switch {
	case h.Phase == Returning:
		return MaxAtOnce
	case h.Phase == Running && kept == 0:
		return 1
	}
	return max(1, h.Pace.AtOnce)
}

func (n Seen) host() bool { return n.Status != nil && n.Status.Host }

// hostsFirst has backends take a VIP before load balancers send them its packets.
func hostsFirst(a, b Seen) int {
	switch {
	case a.host() == b.host():
		return 0
	case a.host():
		return -1
	}
	return 1
}

type stand int

const (
	away  stand = iota // silent, or out of the fleet: it is not waited for
	waits              // to be asked
	flies
	failed
	keeps
)

func (n Seen) asked(h Head) bool { return n.Target.Number == h.Number && n.Target.Attempt == h.Attempt }

// Stand is how a node stands to the newest revision, in words.
func (n Seen) Stand(h Head) string {
	switch s := n.Status; {
	case s == nil:
		return "silent"
	case s.Left != "":
		return "out"
	case h.Number == 0:
		return "no revision"
	}
	return [...]string{away: "silent", waits: "waits", flies: "takes it", failed: "failed", keeps: "has it"}[n.stand(h)]
}

func (n Seen) stand(h Head) stand {
	switch s := n.Status; {
	case s == nil && h.Phase == Running && n.asked(h):
		return flies // it may be there again in a moment
	case s == nil || s.Left != "":
		return away
	case n.asked(h) && s.Failed == h.Number && s.Attempt == h.Attempt:
		return failed
	case s.Number == h.Number:
		return keeps
	case !n.asked(h):
		return waits
	}
	return flies
}

// fault is why a revision must not go further: a node that took it is worse off, or cannot be asked.
func (n Seen) fault(h Head, now time.Time) string {
	limit := h.Pace.Watch + slowBy
	switch {
	case !n.asked(h):
		return ""
	case n.Status == nil && now.Sub(n.Silent) < quietFor:
		return ""
	case n.Status == nil:
		return fmt.Sprintf("%s fell silent after it was asked to take revision %d", n.Name, h.Number)
	case n.stand(h) == failed:
		return fmt.Sprintf("%s: %s", n.Name, n.Status.Why)
	case n.stand(h) == flies && now.Sub(n.Target.Time) > limit:
		return fmt.Sprintf("%s has not kept revision %d in %s", n.Name, h.Number, limit)
	}
	return ""
}

// Propose is the head and the revision that follow from a document that somebody wants.
func (h Head) Propose(r Revision, pace Pace, now time.Time) (Head, Revision, error) {
	if !h.Rest() && h.Phase != Stopped {
		return h, r, fmt.Errorf("%w: revision %d by %s is %s; wait for it, or stop it: hairpin fleet stop", ErrBusy, h.Number, h.Who, h.Phase)
	}
	r.Number, r.Time, r.Base = h.Number+1, now, h.ground()
	next := Head{Fleet: h.Fleet, Revision: r, Phase: Running, Pace: pace, Returned: h.Returned}
	if h.Phase == Stopped { // nobody has to pass through what was given up
		next.Returned = append(slices.Clone(h.Returned), h.Number)
	}
	return next, r, nil
}

// ground is the newest revision that came to all nodes.
func (h Head) ground() int {
	if h.Rest() {
		return h.Number
	}
	return h.Base
}

// Return is the head and the revision that take the newest one back. base is what it goes back to.
func (h Head) Return(base Revision, by, why string, now time.Time) (Head, Revision, error) {
	if h.Base == 0 || h.Phase == Returning || h.Phase == Returned {
		return h, base, fmt.Errorf("%w: revision %d has nothing before it to go back to; apply another: hairpin fleet apply -f FILE", ErrBusy, h.Number)
	}
	r := Revision{Number: h.Number + 1, Time: now, Who: cmp.Or(by, "fleet"), Why: why, From: h.From, Of: base.Number, Base: h.Base, Force: true, Text: base.Text}
	next := Head{Fleet: h.Fleet, Revision: r, Phase: Returning, Reason: why, By: by, Pace: h.Pace,
		Returned: append(slices.Clone(h.Returned), h.Number)}
	return next, r, nil
}

// Stop keeps further nodes from beginning.
func (h Head) Stop(by, why string) (Head, error) {
	if h.Phase != Running {
		return h, fmt.Errorf("%w: revision %d is %s, there is nothing to stop", ErrBusy, h.Number, h.Phase)
	}
	h.Phase, h.By, h.Reason = Stopped, by, why
	return h, nil
}

// Resume goes on with one that was stopped; nodes that failed try again.
func (h Head) Resume() (Head, error) {
	if h.Phase != Stopped {
		return h, fmt.Errorf("%w: revision %d is %s, it was not stopped", ErrBusy, h.Number, h.Phase)
	}
	h.Phase, h.By, h.Reason = Running, "", ""
	h.Attempt++
	return h, nil
}

// end is the head when all nodes that are there have it.
func (h Head) end(now time.Time) Head {
	h.Ended = now
	if h.Phase = Done; h.Of != 0 && h.Reason != "" {
		h.Phase = Returned
	}
	return h
}
