package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"hairpin/engine/fleet"
	"hairpin/engine/spec"
)

// Fleet is how the node stands among those of one mind.
type Fleet struct {
	Store   string
	ID      string    // of the fleet, whatever its store is called
	Reached bool      // the store answers
	Since   time.Time // it does, or does not
	Why     string    // it does not
	Leader  string    // the node that leads rollouts, as was last known

	Number int    // the newest revision that is known
	Phase  string // running, stopped, returning, done, returned
	Reason string // of a phase that somebody or something brought about
	By     string // who
	Who    string // wanted the revision
	What   string // why
	From   string // the node at which it was asked for
	At     time.Time
	Base   int // the revision to go back to; 0 = none

	Own   int    // the revision that this node has; 0 = none
	Drift string // why what runs here is not what the newest revision says; empty = it is
	Left  string // who took this node out, and why; empty = nobody
	Step  string // what this node does for the fleet just now
	Holds string // why this node is not announced until it has caught up; empty = it may be
}

// FleetNode is what the fleet knows of one node.
type FleetNode struct {
	Name    string
	Host    bool   // it is a backend
	Version string // of its program
	Number  int    // the revision that it has
	State   string // has it, takes it, waits, failed, out, silent
	Why     string
	Spec    string    // names what runs there, by content
	Since   time.Time // it said so
}

// Store is where a fleet keeps what it agrees on.
type Store struct{ address *fleet.Address }

// ParseStore reads an address such as etcd://10.0.0.1:2379,10.0.0.2:2379/prod and the files that it names; nil for "file", by
// which each node has its own spec.
func ParseStore(text string) (*Store, error) {
	if text == "" || text == "file" {
		return nil, nil
	}
	a, err := fleet.ParseAddress(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return &Store{a}, nil
}

// FleetRequest asks something of the fleet.
type FleetRequest struct {
	Do       FleetAct
	Number   int    // of a revision: to show, or that Document was made of; 0 = the newest
	Document string // to apply
	Node     string // to forget
	Afresh   bool   // rejoin another fleet than the one that this node was in
	Force    bool   // as in ApplyRequest
	Who, Why string // as in ArmRequest
}

// FleetAct is what is asked.
type FleetAct string

// What may be asked. The first two change nothing.
const (
	FleetLook   FleetAct = "look"
	FleetShow   FleetAct = "show"
	FleetApply  FleetAct = "apply"
	FleetStop   FleetAct = "stop"
	FleetResume FleetAct = "resume"
	FleetBack   FleetAct = "back"
	FleetLeave  FleetAct = "leave"
	FleetRejoin FleetAct = "rejoin"
	FleetForget FleetAct = "forget"
)

// FleetAnswer is the answer.
type FleetAnswer struct {
	Nodes    []FleetNode // in the order in which they take revisions
	Number   int         // of the revision that was made, or is shown
	Document string
}

// fleeting is the engine's part in a fleet. The loop owns it, but for what is said to be for all.
type fleeting struct {
	member *fleet.Member // for all; nil: there is no store
	news   chan struct{}
	of     *spec.Spec // that runs is the name of
	runs   string
	fresh  atomic.Bool // for all: no packet was forwarded before this engine made the data path
	booted bool        // that is so, or nothing of what it forwarded matters any more, and the node has not caught up yet
	why    string      // it is
	base   atomic.Pointer[map[string]bool]
}

func (p Paths) fleetFile() string { return filepath.Join(p.State, "fleet.json") }

// joinFleet begins to take part. A store that is away, or is another, is a problem and no reason not to serve.
func (o *owner) joinFleet(ctx context.Context) {
	if o.options.Store == nil {
		if _, err := os.Stat(o.options.Paths.fleetFile()); err == nil {
			o.trouble("fleet", "warn", "this node belongs to a fleet", errors.New("the engine was started without --store, so that edits stay here"),
				"start it with --store, or remove "+o.options.Paths.fleetFile())
		}
		return
	}
	var err error
	o.fleet.news = make(chan struct{}, 1)
	o.fleet.member, err = fleet.New(fleet.Config{Name: o.options.Paths.Node, Version: o.options.Version, File: o.options.Paths.fleetFile(),
		Store: fleet.Open(o.options.Store.address), Node: fleetNode{o}, Log: o.log, Changed: o.fleet.changed})
	if o.trouble("fleet", "crit", "this node takes no part in its fleet", err, "start the engine again when that is mended"); err != nil {
		o.endHold() // nothing is to be had by waiting
		return
	}
	go o.fleet.member.Run(ctx)
}

func (f *fleeting) changed() {
	select {
	case f.news <- struct{}{}:
	default:
	}
}

// leave waits until the others know that this node's engine is gone, or its lease will tell them.
func (f *fleeting) leave() {
	if f.member != nil {
		f.member.Wait()
	}
}

// speaks is the member by which edits are the fleet's; nil where they are this node's alone.
func (f *fleeting) speaks() *fleet.Member {
	if f.member == nil || f.member.View().Left != nil {
		return nil
	}
	return f.member
}

// showFleet says how the node stands.
func (o *owner) showFleet(s *State) {
	holds := o.holds(s.Time)
	if s.Spec == nil || s.Spec.BGP == nil {
		holds = "" // there is nothing to hold back
	}
	if o.fleet.member == nil {
		if holds != "" { // it joins in a moment
			s.Fleet = &Fleet{Store: o.options.Store.address.String(), Since: s.Time, Why: "it was not asked yet", Holds: holds}
		}
		return
	}
	v := o.fleet.member.View()
	h := v.Head
	s.Fleet = &Fleet{Store: v.Store, ID: h.Fleet, Reached: v.Reached, Since: v.Since, Why: v.Why, Leader: v.Leader, Number: h.Number,
		Phase: string(h.Phase), Reason: h.Reason, By: h.By, Who: h.Who, What: h.Why, From: h.From, At: h.Time, Base: h.Base,
		Own: v.Own, Step: v.Step, Holds: holds}
	if v.Left != nil {
		s.Fleet.Left = v.Left.String()
	}
	if o.fleet.of != s.Spec {
		o.fleet.of, o.fleet.runs = s.Spec, runs(s)
	}
	s.Fleet.Drift = driftOf(v, o.fleet.runs)
}

func driftOf(v fleet.View, running string) string {
	switch {
	case v.Step != "":
		return ""
	case v.Waits != "" && v.Failed != 0:
		return fmt.Sprintf("went back from revision %d: %s", v.Failed, v.Waits)
	case v.Own != 0 && v.Spec != running:
		return fmt.Sprintf("what runs is not what revision %d says", v.Own)
	case v.Waits != "":
		return v.Waits
	case v.Own < v.Head.Number && !v.Head.Rest():
		return fmt.Sprintf("revision %d has not come here yet", v.Head.Number)
	case v.Own < v.Head.Number:
		return fmt.Sprintf("revision %d is missing", v.Head.Number)
	}
	return ""
}

// fleetProblems are in which ways the node is not one of many.
func (o *owner) fleetProblems(s *State) (list []Problem) {
	f := s.Fleet
	if f == nil {
		return nil
	}
	warn := func(key, cure, format string, args ...any) {
		list = append(list, Problem{Key: "fleet " + key, Severity: "warn", What: fmt.Sprintf(format, args...), Cure: cure})
	}
	if !f.Reached && time.Since(f.Since) > storeGrace {
		warn("store", "the node serves on with what it has; to change it alone: hairpin fleet leave", "the store %s is away: %s", f.Store, f.Why)
	}
	if f.Holds != "" {
		warn("holds", "it goes on by itself; to announce them now: hairpin fleet leave", "VIPs are not announced yet: %s", f.Holds)
	}
	switch {
	case f.Left != "":
		warn("left", "hairpin fleet rejoin", "this node is out of the fleet: %s", f.Left)
	case f.Drift != "" && f.Reached && f.Phase != string(fleet.Running) && f.Phase != string(fleet.Returning):
		warn("drift", "hairpin fleet; hairpin fleet rejoin takes the fleet's revision again", "this node differs from its fleet: %s", f.Drift)
	}
	switch f.Phase {
	case string(fleet.Stopped):
		warn("stopped", "hairpin fleet resume, or hairpin fleet back", "revision %d of the fleet was stopped%s", f.Number, because(strings.TrimPrefix(f.By+": "+f.Reason, ": ")))
	case string(fleet.Returned):
		if time.Since(f.At) < returnShown {
			warn("returned", "hairpin fleet show", "the fleet went back to revision %d: %s", f.Base, f.Reason)
		}
	}
	return list
}

// For how long a store may be away unsaid, and how long it is a problem that the fleet went back.
const (
	storeGrace  = 3 * time.Second
	returnShown = time.Hour
)

// fleetError keeps what callers tell apart.
func fleetError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fleet.ErrMoved):
		return fmt.Errorf("%w: %w", ErrStale, err)
	case errors.Is(err, fleet.ErrBusy):
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return err
}
