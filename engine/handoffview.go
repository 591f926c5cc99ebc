package engine

import (
	"context"
	"slices"
	"time"
)

// HandoffRequest asks the owner to give the node to another process.
type HandoffRequest struct {
	Binary string        // of the successor; empty = what is now at the path that the owner was started from
	Watch  time.Duration // how long the successor is watched before it stays; 0 = DefaultWatch
	Who    string
	Why    string
	// Here gives it to the process that asks, where that can own a node.
	Here bool
	// Socket is where a process listens that wants the node itself: how Here is asked for.
	Socket string
	// Back ends the handoff whose successor is watched: its predecessor has the node again. Binary and Watch mean nothing then.
	Back bool
}

// DefaultWatch is how long a successor is watched unless somebody says otherwise, and MaxWatch the longest.
const (
	DefaultWatch = 3 * time.Second
	MaxWatch     = 10 * time.Minute
)

// Handoff is one that goes on, or the last one that ended.
type Handoff struct {
	Who, Why string
	From, To Party
	Started  bool // From started To
	Began    time.Time
	Ended    time.Time // zero while it goes on
	Watch    time.Duration
	Deadline time.Time // when the kernel goes back by itself; zero where it would not
	Steps    []HandoffStep
	Figures  []HandoffFigure // that are watched; none before
	Outcome  HandoffOutcome
	Fault    string // why it did not come about
}

// Party is one of the two processes.
type Party struct {
	PID     int
	Version string
}

// HandoffStep is one of HandoffSteps, in their order.
type HandoffStep struct {
	Name   string
	Began  time.Time // zero: not yet
	Took   time.Duration
	Done   bool
	Detail string
}

// HandoffFigure is one number by which a successor is watched: a share of the packets that came, of the TCP packets that
// clients sent to VIPs (resets), or of their SYNs (repeats).
type HandoffFigure struct {
	Name     string
	Before   float64 // in the seconds before
	Now      float64 // since the switch
	Limit    float64
	AtLeast  bool // Limit is the least; else the most
	Exceeded bool
}

// HandoffOutcome says how a handoff stands.
type HandoffOutcome string

// Outcomes.
const (
	HandoffGoesOn    HandoffOutcome = ""
	HandoffConfirmed HandoffOutcome = "confirmed"
	HandoffFailed    HandoffOutcome = "failed"    // before the switch: the predecessor never let go of anything
	HandoffWentBack  HandoffOutcome = "went back" // after it
)

// The steps of a handoff.
const (
	stepPreflight = iota
	stepLoad
	stepFreeze
	stepPass
	stepSwitch
	stepWatch
	stepConfirm
)

// HandoffSteps are the names of the steps, and what each means.
func HandoffSteps() []HandoffStep {
	return []HandoffStep{
		{Name: "preflight", Detail: "nothing waits for confirmation, the binary runs, both know the same layout"},
		{Name: "load", Detail: "the successor loads and verifies its programs; how clients fare is counted"},
		{Name: "freeze", Detail: "no change is taken any more, what the engine knows goes over"},
		{Name: "pass", Detail: "the lock goes over, the successor takes the next epoch"},
		{Name: "switch", Detail: "its programs are live, the kernel goes back by itself unless they are kept"},
		{Name: "watch", Detail: "compared with before: packets, how clients fare"},
		{Name: "confirm", Detail: "the successor stays, the predecessor leaves"},
	}
}

// Over tells whether it has ended.
func (h *Handoff) Over() bool { return h.Outcome != HandoffGoesOn }

// Watched tells whether the successor runs and may still be sent back.
func (h *Handoff) Watched() bool { return !h.Over() && h.At() == stepWatch }

// At is the step that goes on, or the last that did.
func (h *Handoff) At() (at int) {
	for i, s := range h.Steps {
		if !s.Began.IsZero() {
			at = i
		}
	}
	return at
}

// begin is h with the step before ended, and this one begun. The original stays as it is: somebody may be drawing it.
func (h Handoff) begin(step int, now time.Time) Handoff {
	h = h.end(now)
	h.Steps[step].Began = now
	return h
}

// end is h with the step that goes on done.
func (h Handoff) end(now time.Time) Handoff {
	h.Steps = slices.Clone(h.Steps)
	for i := range h.Steps {
		if s := &h.Steps[i]; !s.Began.IsZero() && !s.Done {
			s.Done, s.Took = true, now.Sub(s.Began)
		}
	}
	return h
}

// over is h as it ended. A step that failed stays undone.
func (h Handoff) over(now time.Time, outcome HandoffOutcome, err error) Handoff {
	if err == nil {
		h = h.end(now)
	} else {
		h.Fault = err.Error()
		h.Steps = slices.Clone(h.Steps)
		if s := &h.Steps[h.At()]; !s.Began.IsZero() {
			s.Took = now.Sub(s.Began)
		}
	}
	h.Outcome, h.Ended, h.Deadline = outcome, now, time.Time{}
	return h
}

// Handoff implements Node.
func (c *client) Handoff(ctx context.Context, r HandoffRequest) error {
	_, err := c.ask(ctx, call{Verb: verbHandoff, Binary: r.Binary, Socket: r.Socket, Deadline: r.Watch, Why: r.Why, Back: r.Back})
	return err
}
