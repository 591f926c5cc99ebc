package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"hairpin/engine/datapath"
	"hairpin/engine/handoff"
	"hairpin/engine/history"
)

// succession is what a successor knows of the handoff by which it came.
type succession struct {
	stream *handoff.Stream
	shown  Handoff
	before traffic // in the seconds before
	atLive traffic // counted by then
	live   *live
}

// prepare does all that needs no ownership: it answers the offer and loads the programs.
func (s *succession) prepare(options Options) error {
	var w handoffWord
	if _, err := s.stream.Receive(&w, handoffPatience); err != nil {
		return fmt.Errorf("the predecessor: %w", err)
	}
	if w.Offer == nil {
		return errors.New("the predecessor does not say what it has to offer")
	}
	if err := w.Offer.acceptable(options); err != nil {
		return err
	}
	s.shown = w.Offer.Handoff
	s.shown.To = Party{os.Getpid(), options.Version}
	if err := s.stream.Send(handoffWord{Hello: &s.shown.To}, nil, handoffPatience); err != nil {
		return fmt.Errorf("the predecessor: %w", err)
	}
	options.step("succeed: offer taken")
	if err := rehearse(options.Paths); err != nil {
		return err
	}
	options.step("succeed: programs loaded")
	return s.stream.Send(handoffWord{Ready: true}, nil, handoffPatience)
}

// acceptable says why a node cannot be taken over from its owner.
func (o *handoffOffer) acceptable(options Options) error {
	switch {
	case o.Protocol != handoffProtocol:
		return fmt.Errorf("%w: %s hands over by protocol %d and %s by %d: stop the one and start the other instead, which loses no packet either",
			ErrRefused, o.Handoff.From.Version, o.Protocol, options.Version, handoffProtocol)
	case o.ABI != datapath.ABI:
		return fmt.Errorf("%w: %s has its maps in layout %d and %s in layout %d: stop the one and start the other instead", ErrRefused,
			o.Handoff.From.Version, o.ABI, options.Version, datapath.ABI)
	case o.Node != options.Paths.Node:
		return fmt.Errorf("%w: the node is %s, and this program was started for %s", ErrRefused, o.Node, options.Paths.Node)
	}
	return nil
}

// rehearse loads and verifies every program that the node's maps have a use for.
func rehearse(p Paths) error {
	k, err := datapath.Open(datapath.Dir(p.BPFFS, p.Node), false)
	if err != nil {
		return err
	}
	defer k.Close()
	return k.Rehearse()
}

// receive waits for what the predecessor knows, and then for the lock.
func (s *succession) receive(options Options) (*handoff.Lock, error) {
	var w handoffWord
	if _, err := s.stream.Receive(&w, handoffPatience); err != nil {
		return nil, fmt.Errorf("the predecessor: %w", err)
	}
	if w.Live == nil || w.Offer == nil {
		return nil, fmt.Errorf("the predecessor does not say what it knows: %s", cmp.Or(w.Fault, "it is silent"))
	}
	to := s.shown.To
	s.live, s.before, s.shown = w.Live, w.Offer.Before, w.Offer.Handoff
	s.shown.To = to
	options.step("succeed: state received")
	w = handoffWord{}
	file, err := s.stream.Receive(&w, handoffPatience)
	if err != nil {
		return nil, fmt.Errorf("the predecessor: %w", err)
	}
	if file == nil {
		return nil, fmt.Errorf("the predecessor does not pass the lock: %s", cmp.Or(w.Fault, "it is silent"))
	}
	lock, err := handoff.Take(file, options.Paths.Lock())
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	options.step("succeed: lock taken")
	return lock, nil
}

// takeOver makes o, which holds the lock, the owner, and its programs live for as long as it is watched and a little longer.
func (o *owner) takeOver(ctx context.Context, s *succession) error {
	o.guarded, o.asked = true, make(chan error, 1)
	o.resume(s.live)
	s.show(o, s.shown.begin(stepPass, time.Now()))
	if err := o.start(ctx); err != nil {
		return err
	}
	o.seeClients(true)
	s.show(o, s.shown.begin(stepSwitch, time.Now()))
	if o.spec != nil && o.active != 0 {
		a, err := o.change(ApplyRequest{Spec: o.spec, Deadline: s.shown.Watch + handoffMargin, Force: true, Who: cmp.Or(s.shown.Who, engineItself),
			Why: fmt.Sprintf("handoff from pid %d to pid %d%s", s.shown.From.PID, s.shown.To.PID, because(s.shown.Why))})
		if err != nil {
			return err
		}
		s.shown.Deadline = a.Deadline
	}
	o.step("succeed: live")
	var err error
	s.atLive, err = o.counted()
	s.show(o, s.shown.begin(stepWatch, time.Now()))
	return err
}

func (s *succession) show(o *owner, h Handoff) {
	s.shown = h
	o.showHandoff(h)
}

// Watching happens this often in the time it has, at most once a second, since packets are read for it.
const (
	watchParts = 10
	watchLeast = 50 * time.Millisecond
)

// watch compares what happens with what was before, and then keeps the node or gives it back. Where the predecessor is gone
// there is nobody to give it to.
func (o *owner) watch(ctx context.Context, s *succession) {
	gone, alone := s.awaitEnd(), false
	ticks := time.NewTicker(min(max(s.shown.Watch/watchParts, watchLeast), time.Second))
	defer ticks.Stop()
	end := time.NewTimer(s.shown.Watch)
	defer end.Stop()
	for over := false; !over; {
		var asked error
		select {
		case asked = <-o.asked:
		case <-o.done:
			return
		case <-ticks.C:
		case <-end.C:
			over = true
		case <-gone:
			gone, alone = nil, true
		}
		last, err := do(ctx, o, func() (bool, error) {
			if asked != nil {
				o.giveUp(s, asked, alone)
				return true, nil
			}
			return o.look(s, over, alone), nil
		})
		if err != nil {
			return
		}
		if last {
			break
		}
		_ = s.stream.Send(handoffWord{Shown: &s.shown}, nil, handoffPatience) // who is gone is noticed above
	}
	if s.shown.Outcome == HandoffConfirmed {
		_ = s.stream.Send(handoffWord{Shown: &s.shown, Kept: true}, nil, handoffPatience)
		o.step("succeed: predecessor told")
		s.stream.Close()
	}
}

// goBack ends the watch by hand.
func (o *owner) goBack(r HandoffRequest) error {
	if !o.guarded {
		return fmt.Errorf("go back: %w: no successor is watched; hand over to the program that you want", ErrRefused)
	}
	select {
	case o.asked <- fmt.Errorf("%s asked for it%s", r.Who, because(r.Why)):
	default: // somebody has asked already
	}
	return nil
}

// awaitEnd is closed when the predecessor is gone. It has nothing to say any more.
func (s *succession) awaitEnd() <-chan struct{} {
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		for err := error(nil); err == nil; {
			_, err = s.stream.Receive(&handoffWord{}, MaxWatch+handoffPatience)
		}
	}()
	return gone
}

// look judges once, and tells whether it was the last time: it keeps the node when the watch is over, or gives it back.
func (o *owner) look(s *succession, over, alone bool) (last bool) {
	now, err := o.counted()
	if err == nil {
		s.shown.Figures, err = judge(s.before, now.since(s.atLive))
	}
	if err == nil && !s.shown.Deadline.IsZero() && o.kernel.Control().Pending == 0 {
		err = fmt.Errorf("%w: the kernel went back by itself", ErrLate)
	}
	s.show(o, s.shown)
	if err == nil && over {
		err = o.keepNode(s)
	}
	if err != nil {
		o.giveUp(s, err, alone)
	}
	return err != nil || over
}

// keepNode confirms what the successor made live.
func (o *owner) keepNode(s *succession) error {
	s.shown = s.shown.begin(stepConfirm, time.Now())
	if o.kernel.Control().Pending != 0 {
		if err := o.kernel.Confirm(); err != nil {
			return err
		}
		o.step("succeed: confirmed")
		if err := o.store.confirm(o.active); err != nil {
			o.journal.add(time.Now(), "crit", "engine", "after a reboot an older spec would come back: "+err.Error())
		}
		o.ended(history.Confirmed, time.Now(), "")
	}
	o.guarded = false
	o.seeClients(false)
	s.show(o, s.shown.over(time.Now(), HandoffConfirmed, nil))
	o.journal.add(time.Now(), "audit", s.shown.Who, fmt.Sprintf("the node was handed over from pid %d, %s, to pid %d, %s%s", s.shown.From.PID,
		s.shown.From.Version, s.shown.To.PID, s.shown.To.Version, because(s.shown.Why)))
	if err := o.kernel.RemoveOtherPrograms(); err != nil {
		o.journal.add(time.Now(), "warn", "engine", err.Error())
	}
	o.step("succeed: kept")
	return nil
}

// giveUp goes back to the programs of before, and ends the loop so that the predecessor can have the node again.
func (o *owner) giveUp(s *succession, why error, alone bool) {
	if o.kernel.Control().Pending != 0 {
		if err := o.kernel.Revert(); err != nil && !errors.Is(err, datapath.ErrLate) {
			o.journal.add(time.Now(), "crit", "engine", err.Error())
		}
	}
	o.step("succeed: went back")
	o.seeClients(false)
	s.show(o, s.shown.over(time.Now(), HandoffWentBack, why))
	o.journal.add(time.Now(), "warn", "engine", "the node goes back: "+why.Error())
	o.guarded = false
	if !alone {
		o.parting = &parting{handing: &handing{stream: s.stream, shown: s.shown}, fault: why}
	}
}

// handBack passes the lock to the predecessor again, or gives it up where there is none any more.
func handBack(lock *handoff.Lock, stream *handoff.Stream, shown Handoff, why error) error {
	err := lock.Pass(stream, handoffWord{Shown: &shown, Fault: why.Error()}, handoffPatience)
	if err != nil {
		err = errors.Join(err, lock.Close())
	}
	return errors.Join(err, stream.Close())
}

// takeBack ends what a successor left waiting that did not stay.
func (o *owner) takeBack() error {
	if !o.returns || o.kernel.Control().Pending == 0 {
		return nil
	}
	if err := o.kernel.Revert(); err != nil && !errors.Is(err, datapath.ErrLate) {
		return err
	}
	o.step("handoff: taken back")
	return nil
}
