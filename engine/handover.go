package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"time"

	"hairpin/engine/datapath"
	"hairpin/engine/handoff"
)

// handoffPatience is how long one process waits for the other's next word, and handoffMargin how much longer than the watch
// the kernel waits before it goes back by itself.
const (
	handoffPatience = 30 * time.Second
	handoffMargin   = 15 * time.Second
)

// handoffWord is one message between predecessor and successor: one of its parts.
type handoffWord struct {
	Offer   *handoffOffer `json:",omitempty"`
	Hello   *Party        `json:",omitempty"` // the successor takes the offer
	Ready   bool          `json:",omitempty"` // and has loaded its programs
	Live    *live         `json:",omitempty"`
	Lock    bool          `json:",omitempty"` // comes with it
	Shown   *Handoff      `json:",omitempty"` // how it stands
	Serving bool          `json:",omitempty"` // whoever connects reaches the successor
	Kept    bool          `json:",omitempty"` // the predecessor may leave
	Fault   string        `json:",omitempty"` // why not; comes with the lock where that had been passed
}

// handoffOffer is the first word.
type handoffOffer struct {
	Protocol int // of handoffs
	ABI      int
	Node     string
	Handoff  Handoff
	Before   traffic // in the seconds before, all of them; set with Live only
}

// handoffProtocol names the form of these messages. Versions that hand over to each other must speak the same.
const handoffProtocol = 1

// handing is a handoff in which this engine gives.
type handing struct {
	stream *handoff.Stream
	child  *exec.Cmd     // nil: the successor was there before
	ended  chan struct{} // closed when the child is gone
	shown  Handoff
	frozen bool

	clients  datapath.Clients // counted when it began
	counting time.Time        // since when
	compared time.Time        // when enough is known of how they fare
}

// parting is what is left to do when the loop has ended for another owner.
type parting struct {
	*handing
	live  *live
	fault error // the successor gives the node back because of it; nil = the predecessor passes it on
}

// beginHandoff starts the successor. What can be known to go wrong is said here, and nothing has happened then.
func (o *owner) beginHandoff(r HandoffRequest) error {
	if err := o.mayHandOver(&r); err != nil {
		return fmt.Errorf("hand over: %w", err)
	}
	now := time.Now()
	shown := Handoff{Who: r.Who, Why: r.Why, From: Party{os.Getpid(), o.options.Version}, Began: now, Watch: r.Watch, Steps: HandoffSteps()}
	shown = shown.begin(stepPreflight, now)
	h := &handing{ended: make(chan struct{}), shown: shown}
	var err error
	if r.Socket != "" {
		err = h.connect(r.Socket)
	} else {
		err = h.start(o.options.Successor(r.Binary))
	}
	if err != nil {
		return fmt.Errorf("hand over: %w", err)
	}
	o.step("handoff: successor started")
	o.handing = h
	if o.seeClients(true); o.active != 0 {
		h.clients, h.counting = o.kernel.Clients(), time.Now()
		h.compared = h.counting.Add(min(r.Watch, beforeMost))
	}
	o.showHandoff(h.shown)
	o.journal.add(now, "audit", r.Who, fmt.Sprintf("hands the node over to pid %d%s", h.shown.To.PID, because(r.Why)))
	go o.giveWay(h)
	return nil
}

func because(why string) string {
	if why == "" {
		return ""
	}
	return ": " + why
}

func (o *owner) mayHandOver(r *HandoffRequest) error {
	if r.Watch == 0 {
		r.Watch = DefaultWatch
	}
	switch {
	case r.Watch < 0 || r.Watch > MaxWatch:
		return fmt.Errorf("%w: a watch of %s; it takes at most %s", ErrInvalid, r.Watch, MaxWatch)
	case o.options.Contained && r.Socket == "":
		return fmt.Errorf("%w: this engine is the first process of its container, which would end with it: replace the container, packets go on meanwhile", ErrRefused)
	case !o.seated || o.options.Successor == nil && r.Socket == "":
		return fmt.Errorf("%w: this engine cannot start a successor", ErrRefused)
	case o.handing != nil:
		return fmt.Errorf("%w: a handoff to pid %d goes on already", ErrRefused, o.handing.shown.To.PID)
	case o.fleet.booted: // the successor would not know what was held back
		return fmt.Errorf("%w: this node %s and has not caught up with its fleet yet; hand it over then", ErrRefused, o.fleet.why)
	}
	if err := o.mayChange(); err != nil {
		return err
	}
	return o.nothingWaits()
}

// nothingWaits refuses while a change does: what the successor would go back to must be what was confirmed.
func (o *owner) nothingWaits() error {
	if o.kernel.Control().Pending != 0 {
		return fmt.Errorf("%w: generation %d waits for confirmation; confirm it, or wait until it is back", ErrRefused, o.active)
	}
	return nil
}

// mayChange refuses whatever would change the node while it belongs to two processes.
func (o *owner) mayChange() error {
	if err := o.ready(); err != nil {
		return err
	}
	switch {
	case o.handing != nil && o.handing.frozen:
		return fmt.Errorf("%w: the node is being handed over to pid %d; ask again in a moment", ErrRefused, o.handing.shown.To.PID)
	case o.guarded:
		return fmt.Errorf("%w: this engine has just taken the node over and is watched for %s; ask again then", ErrRefused, o.handoff.Watch)
	}
	return nil
}

// start runs the successor with the other end of a stream.
func (h *handing) start(cmd *exec.Cmd) error {
	if info, err := os.Stat(cmd.Path); err != nil {
		return fmt.Errorf("%w: the successor's binary: %w", ErrInvalid, err)
	} else if !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
		return fmt.Errorf("%w: the successor's binary: %s is no program", ErrInvalid, cmd.Path)
	}
	stream, other, err := handoff.Pair()
	if err != nil {
		return err
	}
	defer other.Close()
	cmd.ExtraFiles = []*os.File{other}
	if err := cmd.Start(); err != nil {
		return errors.Join(fmt.Errorf("%w: start the successor: %w", ErrInvalid, err), stream.Close())
	}
	h.stream, h.child, h.shown.To.PID, h.shown.Started = stream, cmd, cmd.Process.Pid, true
	go func() {
		_ = cmd.Wait()
		close(h.ended)
	}()
	return nil
}

// connect reaches a successor that is there already. The kernel says who it is: one who may not change the node may not have
// it either.
func (h *handing) connect(path string) error {
	c, err := net.DialTimeout("unix", path, dismissTime)
	if err != nil {
		return fmt.Errorf("%w: reach the successor: %w", ErrInvalid, err)
	}
	conn := c.(*net.UnixConn)
	p, err := credentials(conn)
	if err == nil && !newGroup().permits(p) {
		err = fmt.Errorf("%w: pid %d, uid %d, may not change this node", ErrRefused, p.pid, p.uid)
	}
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	h.stream, h.shown.To.PID = handoff.NewStream(conn), p.pid
	return nil
}

// giveWay leads the handoff up to the end of the loop. Until then, whatever fails leaves this engine in charge.
func (o *owner) giveWay(h *handing) {
	err := o.introduce(h)
	if err == nil {
		err = o.awaitClients(h)
	}
	if err == nil {
		err = o.freeze(h)
	}
	if err == nil {
		err = o.letGo(h)
	}
	if err != nil {
		h.dismiss(err)
		_, _ = do(context.Background(), o, func() (struct{}, error) { o.stay(h, err); return struct{}{}, nil }) // unless it has ended
	}
}

// introduce waits until the successor has said who it is and loaded its programs.
func (o *owner) introduce(h *handing) error {
	offer := &handoffOffer{Protocol: handoffProtocol, ABI: datapath.ABI, Node: o.options.Paths.Node, Handoff: h.shown}
	if err := h.stream.Send(handoffWord{Offer: offer}, nil, handoffPatience); err != nil {
		return err
	}
	w, err := h.hear()
	if err == nil && w.Hello == nil {
		err = errors.New("the successor does not say who it is")
	}
	if err != nil {
		return err
	}
	if err := o.advance(h, stepLoad, func(shown *Handoff) { shown.To = *w.Hello }); err != nil {
		return err
	}
	if w, err = h.hear(); err == nil && !w.Ready {
		err = errors.New("the successor does not get ready")
	}
	o.step("handoff: successor ready")
	return err
}

// hear is the successor's next word; a fault is an error.
func (h *handing) hear() (w handoffWord, err error) {
	if _, err = h.stream.Receive(&w, handoffPatience); err != nil {
		return w, fmt.Errorf("the successor: %w", h.howItEnded(err))
	}
	if w.Fault != "" {
		return w, fmt.Errorf("the successor: %s", w.Fault)
	}
	return w, nil
}

// howItEnded says how a successor ended that was started here and is gone; else err stays as it is.
func (h *handing) howItEnded(err error) error {
	if h.child == nil || !errors.Is(err, handoff.ErrGone) {
		return err
	}
	select {
	case <-h.ended:
		return fmt.Errorf("%w: %s ended with %s; start it by hand to see why", handoff.ErrGone, h.child.Path, h.child.ProcessState)
	case <-time.After(dismissTime):
		return err
	}
}

// advance shows the next step.
func (o *owner) advance(h *handing, step int, change func(*Handoff)) error {
	_, err := do(context.Background(), o, func() (struct{}, error) {
		h.shown = h.shown.begin(step, time.Now())
		if change != nil {
			change(&h.shown)
		}
		o.showHandoff(h.shown)
		return struct{}{}, nil
	})
	return err
}

func (o *owner) showHandoff(h Handoff) { o.handoff = &h }

// freeze takes no change any more and tells the successor what this engine knows.
func (o *owner) freeze(h *handing) error {
	w, err := do(context.Background(), o, func() (handoffWord, error) {
		if err := o.mayChange(); err != nil {
			return handoffWord{}, err
		}
		if err := o.nothingWaits(); err != nil {
			return handoffWord{}, err
		}
		h.frozen = true
		h.shown = h.shown.begin(stepFreeze, time.Now())
		o.showHandoff(h.shown)
		before := o.lately()
		before.Clients, before.Over = o.kernel.Clients().Since(h.clients), time.Since(h.counting)
		return handoffWord{Live: o.keepLive(), Offer: &handoffOffer{Handoff: h.shown, Before: before}}, nil
	})
	if err != nil {
		return err
	}
	o.step("handoff: frozen")
	if err := h.stream.Send(w, nil, handoffPatience); err != nil {
		return err
	}
	o.step("handoff: state sent")
	return nil
}

// letGo ends the loop. What it held is closed by then, except for the lock.
func (o *owner) letGo(h *handing) error {
	_, err := do(context.Background(), o, func() (struct{}, error) {
		h.shown = h.shown.begin(stepPass, time.Now())
		o.showHandoff(h.shown)
		o.parting = &parting{handing: h, live: o.keepLive()}
		return struct{}{}, nil
	})
	return err
}

// stay goes on after a handoff that did not come about.
func (o *owner) stay(h *handing, err error) {
	o.handing = nil
	o.seeClients(false)
	o.showHandoff(h.shown.over(time.Now(), HandoffFailed, err))
	o.journal.add(time.Now(), "warn", "engine", "the node was not handed over, this engine goes on: "+err.Error())
	if err := o.kernel.RemoveOtherPrograms(); err != nil {
		o.journal.add(time.Now(), "warn", "engine", err.Error())
	}
}

// dismissTime is how long a successor that is not wanted any more has to end by itself.
const dismissTime = 2 * time.Second

// dismiss ends a successor and waits for its end, if it is a child. It is told why, so that it does not take this process
// for dead.
func (h *handing) dismiss(why error) {
	_ = h.stream.Send(handoffWord{Fault: why.Error()}, nil, dismissTime)
	h.stream.Close()
	if h.child == nil {
		return
	}
	select {
	case <-h.ended:
	case <-time.After(dismissTime):
		_ = h.child.Process.Kill()
		<-h.ended
	}
}
