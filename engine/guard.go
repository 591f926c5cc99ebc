package engine

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"hairpin/engine/arms"
)

// guard decides who may do what on this node, and remembers what it decided until the loop writes it down. Any goroutine
// may ask it, so that one who is refused takes none of the loop's time.
type guard struct {
	now  func() time.Time
	news chan struct{} // one signal: there is something to write down that should not wait for the next tick
	arms arms.Arms
	last atomic.Uint64 // number of a party; the own console has 0

	operators *operators // of tenants

	mu       sync.Mutex
	notes    []note
	refusals arms.Refusals
}

// note is an entry for the journal.
type note struct {
	time                time.Time
	severity, who, what string
}

// mostNotes bounds what waits for the loop. It takes them every tick.
const mostNotes = 100

func newGuard() *guard {
	return &guard{now: time.Now, news: make(chan struct{}, 1), operators: newOperators()}
}

// need is what a verb asks of whoever calls it. The zero value asks for the most: so does a verb of which nobody said.
type need int

const (
	needArms       need = iota // permission, and to be armed
	needPermission             // of root, the engine's own user, or the group
	needNothing                // it only looks
)

// needs is what v asks of whoever calls it. Captures show what clients send, and change nothing. Confirming and arming need no arms: whoever sits there may have to do it when
// the armed one has lost his connection.
func (v verb) needs() need {
	switch v {
	case verbPlan, verbWatch, verbHistory, verbPast, verbAt, verbTimeline, verbConnections, verbTrace, verbFleet:
		return needNothing
	case verbConfirm, verbArm, verbDisarm, verbCapture, verbCaptured, verbEndCapture:
		return needPermission
	}
	return needArms
}

// allow says why p may not do v now; nil when it may.
func (g *guard) allow(p arms.Party, v verb) error {
	if m, is := g.operators.mine(p, g.now()); is {
		return g.refused(p, v, g.allowOperator(p, v, m))
	}
	n := v.needs()
	if n == needNothing {
		return nil
	}
	var err error
	switch {
	case p.Barred != "":
		err = errors.New(p.Barred)
	case n == needArms:
		err = g.arms.Check(p, g.now())
	}
	return g.refused(p, v, err)
}

// arm arms p; share is for a command, see arms.Arm.
func (g *guard) arm(p arms.Party, why string, share bool) error {
	now := g.now()
	g.expire(now)
	h, err := g.hold(p, why, share)
	switch {
	case errors.Is(err, arms.ErrNoReason):
		return fmt.Errorf("arm: %w: %w", ErrInvalid, err)
	case err != nil:
		return g.refused(p, verbArm, err)
	case h.ID == p.ID:
		g.note(now, "audit", p.Who, fmt.Sprintf("armed from %s until %s: %s", p.From, h.Until.Format(time.TimeOnly), h.Why))
	}
	return nil
}

// hold has p hold the node, or its tenants.
func (g *guard) hold(p arms.Party, why string, share bool) (arms.Hold, error) {
	if m, is := g.operators.mine(p, g.now()); is {
		return g.armOperator(p, m, why, share)
	}
	return g.arms.Arm(p, why, share, g.now())
}

// drop is the reverse of hold.
func (g *guard) drop(p arms.Party) (arms.Hold, bool, error) {
	if m, is := g.operators.mine(p, g.now()); is {
		return g.disarmOperator(p, m)
	}
	return g.arms.Disarm(p, g.now())
}

func (g *guard) disarm(p arms.Party) error {
	now := g.now()
	h, held, err := g.drop(p)
	if err != nil {
		return g.refused(p, verbDisarm, err)
	}
	if held {
		what := "disarmed"
		if h.ID != p.ID {
			what += " the session from " + h.From
		}
		g.note(now, "audit", p.Who, what)
	}
	return nil
}

// left disarms one who is gone.
func (g *guard) left(p arms.Party) {
	h, held := g.arms.Leave(p)
	if theirs, did := g.operators.leave(p); did {
		h, held = theirs, true
	}
	if held {
		g.note(g.now(), "audit", h.Who, "disarmed: the connection from "+h.From+" ended")
	}
}

func (g *guard) expire(now time.Time) {
	for _, a := range append(g.operators.all(), &g.arms) {
		if h, over := a.Expire(now); over {
			g.note(now, "audit", h.Who, "disarmed: the time is over")
		}
	}
}

// refused is err as p is told it, and remembers it; nil stays nil.
func (g *guard) refused(p arms.Party, v verb, err error) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf("%w: %s: %w", ErrRefused, v, err)
	g.failed(p, err)
	return err
}

// failed remembers that p could not do what it wanted to.
func (g *guard) failed(p arms.Party, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.refusals.Add(p, arms.Clean(err.Error(), maxWords), g.now()) {
		g.wake()
	}
}

// maxWords bounds what the journal repeats of an error, in characters.
const maxWords = 300

func (g *guard) note(now time.Time, severity, who, what string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.notes) < mostNotes {
		g.notes = append(g.notes, note{now, severity, who, what})
	}
	g.wake()
}

func (g *guard) wake() {
	select {
	case g.news <- struct{}{}:
	default:
	}
}

// take is what is to be written down by now.
func (g *guard) take(now time.Time) []note {
	g.expire(now)
	g.mu.Lock()
	defer g.mu.Unlock()
	list := g.notes
	g.notes = nil
	for _, l := range g.refusals.Due(now) {
		list = append(list, note{now, "warn", l.Who, l.Text})
	}
	return list
}

// armed is who is armed, as everybody sees it; nil when nobody is.
func (g *guard) armed(now time.Time) *Armed {
	h, held := g.arms.Held(now)
	if !held {
		return nil
	}
	return armedBy(h)
}

func armedBy(h arms.Hold) *Armed {
	return &Armed{Party: h.ID, Who: h.Who, From: h.From, Why: h.Why, Since: h.Since, Until: h.Until}
}
