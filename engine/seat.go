package engine

import (
	"context"
	"fmt"
	"os"
	"time"

	"hairpin/engine/arms"
	"hairpin/engine/spec"
)

// seat is what one party may ask of the engine of this process.
type seat struct {
	engine *owner
	party  arms.Party
}

// ownConsole is the party of this process.
func ownConsole() arms.Party {
	p := peer{pid: os.Getpid(), uid: uint32(os.Geteuid())}
	a := arms.Party{UID: p.uid, Who: userOf(p)}
	a.Place, a.From = placeOf(p.pid)
	return a
}

// as implements host.
func (o *owner) as(p arms.Party) Verbs { return seat{o, p} }

// doors implements host.
func (o *owner) doors() *guard { return o.guard }

// ask has the loop do f for the party of s, if it may call v when its turn comes.
func ask[T any](ctx context.Context, s seat, v verb, f func() (T, error)) (T, error) {
	return do(ctx, s.engine, func() (value T, err error) {
		if err := s.engine.guard.allow(s.party, v); err != nil {
			return value, err
		}
		value, err = f()
		if err != nil && v.needs() != needNothing {
			s.engine.guard.failed(s.party, err)
		}
		return value, err
	})
}

// command is ask for a verb without an answer.
func command(ctx context.Context, s seat, v verb, f func() error) error {
	_, err := ask(ctx, s, v, func() (struct{}, error) { return struct{}{}, f() })
	return err
}

// Arm implements Verbs. It is decided at once; the loop only shows it.
func (s seat) Arm(ctx context.Context, r ArmRequest) error {
	p := s.party
	if r.Who != "" {
		p.Who = r.Who
	}
	if err := s.engine.guard.arm(p, r.Why, r.Share); err != nil {
		return err
	}
	err := command(ctx, s, verbArm, func() error { return nil })
	if err != nil {
		s.engine.guard.left(p)
	}
	return err
}

// Disarm implements Verbs.
func (s seat) Disarm(ctx context.Context) error {
	if err := s.engine.guard.disarm(s.party); err != nil {
		return err
	}
	return command(ctx, s, verbDisarm, func() error { return nil })
}

// Plan implements Verbs.
func (s seat) Plan(ctx context.Context, want *spec.Spec) (*Plan, error) {
	return ask(ctx, s, verbPlan, func() (*Plan, error) { return s.plan(want) })
}

// Apply implements Verbs.
func (s seat) Apply(ctx context.Context, r ApplyRequest) (*Applied, error) {
	if _, limited := s.limited(); limited {
		return ask(ctx, s, verbApply, func() (*Applied, error) { return s.applyTheirs(r) })
	}
	if m := s.engine.fleet.speaks(); m != nil {
		own, err := editsFound(r.Spec, s.engine.State().Spec)
		if err != nil {
			return nil, fmt.Errorf("apply: %w", err)
		}
		if !own {
			return s.proposed(ctx, m, r)
		}
	}
	return ask(ctx, s, verbApply, func() (*Applied, error) { return s.engine.apply(r) })
}

// Confirm implements Verbs.
func (s seat) Confirm(ctx context.Context, who string) error {
	return command(ctx, s, verbConfirm, func() error { return s.confirm(who) })
}

// Detach implements Verbs.
func (s seat) Detach(ctx context.Context, who string) error {
	return command(ctx, s, verbDetach, func() error { return s.engine.detach(who) })
}

// Handoff implements Verbs.
func (s seat) Handoff(ctx context.Context, r HandoffRequest) error {
	return command(ctx, s, verbHandoff, func() error {
		if r.Binary != "" && !superior(s.party.UID) { // it runs as whoever the engine runs as
			return fmt.Errorf("hand over: %w: only root and the user of the engine name a binary; others hand over to the one that is installed", ErrRefused)
		}
		if r.Back {
			return s.engine.goBack(r)
		}
		return s.engine.beginHandoff(r)
	})
}

// AcceptFound implements Verbs.
func (s seat) AcceptFound(ctx context.Context, r AcceptRequest) error {
	return command(ctx, s, verbAccept, func() error { return s.engine.acceptFound(r) })
}

// DrainNode implements Verbs.
func (s seat) DrainNode(ctx context.Context, r DrainRequest) error {
	return command(ctx, s, verbDrain, func() error { return s.engine.drainNode(r) })
}

// WatchCosts implements Verbs.
func (s seat) WatchCosts(ctx context.Context) error {
	return command(ctx, s, verbWatch, func() error { return s.engine.watchCosts() })
}

// Capture implements Verbs.
func (s seat) Capture(ctx context.Context, r CaptureRequest) (int, error) {
	return ask(ctx, s, verbCapture, func() (int, error) { return s.engine.beginCapture(r, s.party.Who, s.party.ID) })
}

// Captured implements Verbs. The loop is not asked.
func (s seat) Captured(_ context.Context, id int) (*Captured, error) {
	if err := s.engine.guard.allow(s.party, verbCaptured); err != nil {
		return nil, err
	}
	return s.engine.captures.take(id, s.party.ID, time.Now())
}

// EndCapture implements Verbs.
func (s seat) EndCapture(ctx context.Context, id int) error {
	return command(ctx, s, verbEndCapture, func() error {
		if err := s.engine.captures.of(id, s.party.ID); err != nil {
			return err
		}
		s.engine.endCapture(id)
		return nil
	})
}

// History implements Verbs.
func (s seat) History(ctx context.Context) ([]Change, error) {
	return ask(ctx, s, verbHistory, s.changes)
}

// Past implements Verbs.
func (s seat) Past(ctx context.Context, number int) (*spec.Spec, error) {
	return ask(ctx, s, verbPast, func() (*spec.Spec, error) { return s.past(number) })
}

// Trace implements Verbs.
func (s seat) Trace(ctx context.Context, r TraceRequest) (t *Trace, err error) {
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("trace: %w", err)
	}
	if r.Packet == tracedFlows {
		if err := s.sampleFlows(ctx); err != nil {
			return nil, fmt.Errorf("trace: %w", err)
		}
	}
	err = s.engine.pace.do(ctx, func() error {
		t, err = ask(ctx, s, verbTrace, func() (*Trace, error) { return s.engine.trace(r, s.party) })
		return err
	})
	return t, err
}

// At implements Verbs. The record is read from the disk, and the loop not asked.
func (s seat) At(_ context.Context, t time.Time) (*State, error) {
	r, err := OpenRecording(s.engine.options.Paths)
	if err != nil {
		return nil, fmt.Errorf("at: %w", err)
	}
	defer r.Close()
	past, err := r.At(t)
	if m, limited := s.limited(); err == nil && limited {
		past = seenBy(past, m, s.party.Who)
	}
	return past, err
}

// Timeline implements Verbs.
func (s seat) Timeline(_ context.Context, from, to time.Time) (*Timeline, error) {
	r, err := OpenRecording(s.engine.options.Paths)
	if err != nil {
		return nil, fmt.Errorf("timeline: %w", err)
	}
	defer r.Close()
	return r.Timeline(from, to), nil
}

// takeNotes writes down what the guard decided.
func (o *owner) takeNotes(now time.Time) {
	for _, n := range o.guard.take(now) {
		o.journal.add(n.time, n.severity, n.who, n.what)
	}
}

// armed is who is armed, as this process sees it.
func (o *owner) armed(now time.Time) *Armed {
	a := o.guard.armed(now)
	if a != nil {
		a.Own = a.Party == o.party.ID
	}
	return a
}
