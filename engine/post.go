package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"hairpin/engine/handoff"
)

// Start is Open for an engine that can hand the node over: to a process that Options.Successor starts. The Node ends when
// that has confirmed, as by Close; when it fails, this engine is the owner again.
func Start(ctx context.Context, options Options) (Node, error) {
	s, err := newPost(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("open engine: %w", err)
	}
	o := newOwner(options)
	o.seated = true
	if err := o.open(s.ctx); err != nil {
		s.leave()
		return nil, err
	}
	s.take(o)
	go s.run()
	return s, nil
}

// Join is an observer of the engine that runs, which can take the node over: see TakeOver. ErrNoOwner when none runs.
func Join(ctx context.Context, options Options) (Node, error) {
	s, err := newPost(ctx, options)
	if err != nil {
		return nil, err
	}
	c, err := s.dial()
	if err != nil {
		s.leave()
		return nil, err
	}
	s.take(c)
	go s.run()
	return s, nil
}

// Succeed makes this process the owner in the place of the one that left it a stream as descriptor fd. It returns when it
// is; whether it stays, State.Handoff shows.
func Succeed(ctx context.Context, options Options, fd uintptr) (Node, error) {
	stream, err := handoff.Inherit(fd)
	if err != nil {
		return nil, fmt.Errorf("succeed: %w", err)
	}
	s, err := newPost(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("succeed: %w", errors.Join(err, stream.Close()))
	}
	o, err := s.succeed(stream)
	if err != nil {
		s.leave()
		return nil, fmt.Errorf("succeed: %w", errors.Join(err, stream.Close()))
	}
	s.take(o)
	go s.run()
	return s, nil
}

// post is a Node behind which one engine may follow another.
type post struct {
	options     Options
	ns          namespace
	ctx         context.Context
	stop        context.CancelFunc
	over        chan struct{} // closed when no engine follows
	err         error         // why; nil = it was meant to end
	subscribers subscribers

	mu       sync.Mutex
	now      Node
	takeover *owner // has the node since this process took it over; the client before it is closed then
}

func newPost(ctx context.Context, options Options) (s *post, err error) {
	s = &post{options: options, over: make(chan struct{})}
	if s.ns, err = currentNamespace(); err != nil {
		return nil, err
	}
	s.ctx, s.stop = context.WithCancel(ctx)
	return s, nil
}

func (s *post) leave() {
	s.stop()
	_ = s.ns.handle.Close()
}

func (s *post) take(n Node) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = n
}

func (s *post) node() Node {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// run follows one engine after the other.
func (s *post) run() {
	defer close(s.over)
	defer s.leave()
	defer s.subscribers.hangUp()
	if s.err = s.ns.enter(); s.err != nil { // in which an engine that follows works, too
		return
	}
	for n := s.node(); n != nil; {
		for range n.Changed() {
			s.subscribers.signal()
		}
		n, s.err = s.next(n)
		if n != nil {
			s.take(n)
			s.subscribers.signal()
		}
	}
}

// next is what follows an engine that has ended here; nil when nothing does.
func (s *post) next(n Node) (Node, error) {
	o, owned := n.(*owner)
	if !owned {
		return s.taken(), nil
	}
	<-o.done
	defer o.Close() // also its socket
	next, err := s.after(o)
	switch {
	case next != nil:
		return next, nil
	case o.parting == nil || !s.options.Stays || s.ctx.Err() != nil:
		return nil, err
	}
	return s.observe(), nil
}

// after is the engine that follows one that has ended; nil when none does in this process.
func (s *post) after(o *owner) (*owner, error) {
	p := o.parting
	if p == nil {
		return nil, nil
	}
	if p.fault != nil {
		return nil, errors.Join(fmt.Errorf("the node went back to pid %d: %w", p.shown.From.PID, p.fault), handBack(o.lock, p.stream, p.shown, p.fault))
	}
	lock, err := s.passOn(o, p)
	if err == nil {
		return nil, nil
	}
	p.dismiss(err)
	if lock == nil {
		var lost error
		if lock, lost = s.reclaim(); lost != nil {
			return nil, fmt.Errorf("%w; then: %w", err, lost)
		}
	}
	return s.again(o, p, lock, err)
}

// passOn gives the lock to the successor and waits until it stays. An error says why it does not; the lock is back then,
// or else nil.
func (s *post) passOn(o *owner, p *parting) (*handoff.Lock, error) {
	defer context.AfterFunc(s.ctx, func() { p.stream.Close() })()
	o.step("handoff: data path let go")
	if err := o.lock.Pass(p.stream, handoffWord{Lock: true}, handoffPatience); err != nil {
		return o.lock, fmt.Errorf("the successor: %w", err)
	}
	o.step("handoff: lock passed")
	for {
		var w handoffWord
		file, err := p.stream.Receive(&w, handoffPatience)
		switch {
		case err != nil && s.ctx.Err() != nil:
			return nil, nil // this process is to end, and the successor carries on
		case err != nil:
			return nil, fmt.Errorf("the successor: %w", err)
		case w.Shown != nil:
			p.shown = *w.Shown
			s.watched(o, p.shown)
		}
		switch {
		case w.Serving:
			o.Close() // so that whoever is connected here comes to the successor
			o.step("handoff: socket closed")
		case w.Kept:
			o.step("handoff: successor stays")
			return nil, nil
		case w.Fault != "":
			var lock *handoff.Lock
			if file != nil {
				lock, _ = handoff.Take(file, s.options.Paths.Lock()) // else it is tried for below
			}
			return lock, fmt.Errorf("the successor: %s", w.Fault)
		}
	}
}

// watched shows here how the successor fares. What else there is to see, the successor shows.
func (s *post) watched(o *owner, h Handoff) {
	now := *o.State()
	now.Handoff, now.Time = &h, time.Now()
	o.state.Store(&now)
	s.subscribers.signal()
}

// reclaim takes the lock that a successor left. One that holds on to it has the node.
func (s *post) reclaim() (*handoff.Lock, error) {
	for limit := time.Now().Add(handoffPatience); ; {
		lock, err := handoff.Acquire(s.options.Paths.Lock())
		if err == nil || !errors.Is(err, handoff.ErrHeld) || time.Now().After(limit) {
			return lock, err
		}
		select { // a killed process lets go of everything a moment after its stream
		case <-s.ctx.Done():
			return nil, s.ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
}

// again is this process's next engine, after a successor that did not stay.
func (s *post) again(before *owner, p *parting, lock *handoff.Lock, why error) (*owner, error) {
	before.Close()
	o := newOwner(s.options)
	o.seated, o.returns, o.lock = true, true, lock
	o.resume(p.live)
	if !p.shown.Over() {
		p.shown = p.shown.over(time.Now(), HandoffWentBack, why)
	}
	o.showHandoff(p.shown)
	l, err := s.reopen(o)
	if err != nil {
		return nil, fmt.Errorf("take the node back: %w", err)
	}
	o.journal.add(time.Now(), "warn", "engine", "the node came back: "+why.Error())
	go o.listen(o.begin(s.ctx), l)
	o.step("handoff: came back")
	return o, nil
}

// succeed is the engine that follows another process's.
func (s *post) succeed(stream *handoff.Stream) (*owner, error) {
	defer context.AfterFunc(s.ctx, func() { stream.Close() })()
	next := &succession{stream: stream}
	if err := next.prepare(s.options); err != nil {
		_ = stream.Send(handoffWord{Fault: err.Error()}, nil, handoffPatience) // it is told if it listens
		return nil, err
	}
	lock, err := next.receive(s.options)
	if errors.Is(err, handoff.ErrGone) {
		return s.inherit(next, err)
	}
	if err != nil {
		return nil, err
	}
	o := newOwner(s.options)
	o.seated, o.lock = true, lock
	err = o.takeOver(s.ctx, next)
	var l *listener
	if err == nil {
		l, err = o.instead()
	}
	if err != nil {
		if o.kernel != nil {
			o.giveUp(next, err, false)
		}
		o.abandon()
		return nil, errors.Join(err, handBack(lock, stream, next.shown, err))
	}
	ctx := o.begin(s.ctx)
	go o.listen(ctx, l)
	o.step("succeed: serving")
	_ = stream.Send(handoffWord{Serving: true, Shown: &next.shown}, nil, handoffPatience) // who is gone needs not be told
	go o.watch(ctx, next)
	return o, nil
}

// inherit is the engine of a successor whose predecessor died before it passed the lock: it opens the node like any other.
func (s *post) inherit(next *succession, why error) (*owner, error) {
	lock, err := s.reclaim()
	if err != nil {
		return nil, fmt.Errorf("%w; then: %w", why, err)
	}
	o := newOwner(s.options)
	o.seated, o.lock = true, lock
	if next.live != nil {
		o.resume(next.live)
	}
	next.shown.To = Party{os.Getpid(), s.options.Version}
	o.showHandoff(next.shown.over(time.Now(), HandoffFailed, why))
	l, err := s.reopen(o)
	if err != nil {
		return nil, err
	}
	o.journal.add(time.Now(), "warn", "engine", fmt.Sprintf("pid %d died while it handed over, this engine carries on", next.shown.From.PID))
	go o.listen(o.begin(s.ctx), l)
	return o, nil
}

// reopen starts an engine that has the lock, and takes the place of whatever socket is there.
func (s *post) reopen(o *owner) (*listener, error) {
	l, err := o.instead()
	if err == nil {
		err = o.start(s.ctx)
	}
	if err != nil {
		o.abandon()
		return nil, fmt.Errorf("open engine: %w", errors.Join(err, o.lock.Close()))
	}
	return l, nil
}

// instead is a socket in the place of whatever socket is there.
func (o *owner) instead() (*listener, error) {
	return listenInstead(o.options.Paths.Socket(), o.server().access())
}
