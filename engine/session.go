package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"hairpin/engine/arms"
	"hairpin/engine/capture"
	"hairpin/engine/spec"
)

// waitingCalls is how many calls of one client wait for those before them; more wait in its socket.
const waitingCalls = 16

// maxVerb bounds what is repeated of a word that is no verb, in characters.
const maxVerb = 20

// session is one client at the owner's socket.
type session struct {
	server *server
	conn   *net.UnixConn
	party  arms.Party
	dirty  chan struct{} // one signal: there is a newer state

	operator bool    // of tenants, and no more
	picture  picture // what he saw last
}

func (c *session) wake() {
	select {
	case c.dirty <- struct{}{}:
	default:
	}
}

// attend serves one client until it or the server ends.
func (s *server) attend(ctx context.Context, conn *net.UnixConn) {
	served := ctx
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	context.AfterFunc(ctx, func() { conn.Close() })

	c := &session{server: s, conn: conn, dirty: make(chan struct{}, 1)}
	who, err := s.peer(conn)
	if err != nil {
		return
	}
	c.party = s.group.party(who, s.node.doors().last.Add(1))
	defer s.node.doors().operators.forget(c.party.ID)
	defer s.node.doors().left(c.party)
	if why := c.meet(who); why != "" {
		refuse(conn, time.Now().Add(s.patience), why)
		return
	}
	if why := c.greet(); why != "" {
		refuse(conn, time.Now().Add(s.patience), why)
		return
	}
	if why := s.admit(c); why != "" {
		refuse(conn, time.Now().Add(s.patience), why)
		return
	}
	defer s.leave(c)
	if !c.send(hello{Protocol: protocol, Party: c.party.ID, Barred: c.barred()}) {
		return
	}
	calls, answers := make(chan call, waitingCalls), make(chan answer)
	var both sync.WaitGroup
	defer both.Wait()
	defer stop()
	both.Go(func() { defer stop(); c.read(ctx, calls) })
	both.Go(func() { c.work(ctx, served, calls, answers) })
	c.write(ctx, answers)
}

// meet finds out what a client that may not change the node may do; it says why it cannot be served.
func (c *session) meet(who peer) string {
	if c.party.Barred == "" {
		return ""
	}
	doors := c.server.node.doors()
	c.operator = len(doors.operators.meet(c.party.ID, who, doors.now())) > 0
	if c.operator {
		return ""
	}
	return c.server.stranger()
}

// barred is why the client may change nothing at all.
func (c *session) barred() string {
	if c.operator {
		return ""
	}
	return c.party.Barred
}

// greet reads the client's first frame and says why it cannot be served.
func (c *session) greet() string {
	if c.conn.SetReadDeadline(time.Now().Add(c.server.patience)) != nil {
		return "closed"
	}
	var h hello
	if err := receive(c.conn, maxHello, c.server.patience, &h); err != nil {
		return fmt.Sprintf("the first message is not a hairpin client's: %v", err)
	}
	if h.Protocol != protocol {
		return fmt.Sprintf("this engine speaks protocol %d and the caller %d: both must be the same version of hairpin", protocol, h.Protocol)
	}
	return ""
}

// read takes calls until the client hangs up or says something that cannot be understood.
func (c *session) read(ctx context.Context, calls chan<- call) {
	for {
		var k call
		if err := receive(c.conn, maxCall, c.server.patience, &k); err != nil {
			return
		}
		select {
		case calls <- k:
		case <-ctx.Done():
			return
		}
	}
}

// work answers calls one after the other.
func (c *session) work(ctx, served context.Context, calls <-chan call, answers chan<- answer) {
	for {
		select {
		case <-ctx.Done():
			return
		case k := <-calls:
			a := answer{ID: k.ID}
			a.Fault = faultOf(c.inTurn(ctx, func() error { return c.do(ctx, served, k, &a) }))
			select {
			case answers <- a:
			case <-ctx.Done():
				return
			}
		}
	}
}

// inTurn calls f; for those who may only look one after the other, so that a crowd of them keeps nobody from the node's loop
// who may change something.
func (c *session) inTurn(ctx context.Context, f func() error) error {
	if c.party.Barred == "" {
		return f()
	}
	lane := c.server.lookers
	if c.operator {
		lane = c.server.operators
	}
	select {
	case lane <- struct{}{}:
		defer func() { <-lane }()
		return f()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// do carries out one call. A plan is given up when its client hangs up; a change that was asked for is carried out.
func (c *session) do(ctx, served context.Context, k call, a *answer) error {
	k.Verb = verb(arms.Clean(string(k.Verb), maxVerb))
	err := c.server.node.doors().allow(c.party, k.Verb)
	if err != nil {
		return err
	}
	var s *spec.Spec
	if k.Verb == verbPlan || k.Verb == verbApply {
		if s, err = spec.Parse("the caller's spec", []byte(k.Spec)); err != nil {
			return fmt.Errorf("%w: %w", ErrInvalid, err)
		}
	}
	n, who := c.server.node.as(c.party), c.party.Who
	switch k.Verb {
	case verbArm:
		err = n.Arm(ctx, ArmRequest{Who: who, Why: k.Why, Share: k.Share})
	case verbDisarm:
		err = n.Disarm(ctx)
	case verbPlan:
		a.Plan, err = n.Plan(ctx, s)
	case verbApply:
		a.Applied, err = n.Apply(served, ApplyRequest{Spec: s, Revision: k.Revision, Deadline: k.Deadline, Who: who, Why: k.Why, Force: k.Force})
	case verbWatch:
		err = n.WatchCosts(ctx)
	case verbConfirm:
		err = n.Confirm(served, who)
	case verbHistory:
		a.Changes, err = n.History(ctx)
	case verbPast:
		s, err = n.Past(ctx, k.Number)
		a.Spec = string(spec.Marshal(s))
	case verbHandoff:
		err = n.Handoff(served, HandoffRequest{Binary: k.Binary, Socket: k.Socket, Watch: k.Deadline, Who: who, Why: k.Why, Back: k.Back})
	case verbCapture:
		if k.Capture == nil {
			k.Capture = &CaptureRequest{}
		}
		a.Number, err = n.Capture(ctx, *k.Capture)
	case verbCaptured:
		if a.Captured, err = n.Captured(ctx, k.Number); err == nil {
			a.pack()
		}
	case verbConnections:
		if k.Connections == nil {
			k.Connections = &ConnectionsRequest{}
		}
		a.Connections, err = n.Connections(ctx, *k.Connections)
	case verbEndCapture:
		err = n.EndCapture(ctx, k.Number)
	case verbDrain:
		err = n.DrainNode(served, DrainRequest{Back: k.Back, Who: who, Why: k.Why})
	case verbAccept:
		err = n.AcceptFound(served, AcceptRequest{VIP: k.VIP, Who: who, Why: k.Why})
	case verbFleet, verbFleetChange:
		a.Fleet, err = k.fleet(ctx, n, who)
	case verbDetach:
		err = n.Detach(served, who)
	case verbTrace:
		var r TraceRequest
		if r, err = k.Trace.request(); err == nil {
			a.Trace, err = n.Trace(ctx, r)
		}
	case verbAt:
		err = a.at(ctx, n, k.To)
	case verbTimeline:
		a.Axis, err = n.Timeline(ctx, k.From, k.To)
	default:
		err = fmt.Errorf("%w: this engine knows no %q", ErrRefused, k.Verb)
	}
	return err
}

// pack is for the records of a capture, which as text would be most of the work.
func (a *answer) pack() {
	bare := *a.Captured
	for i := range bare.Records {
		a.Packed = capture.Append(a.Packed, &bare.Records[i])
	}
	bare.Records = nil
	a.Captured = &bare
}

// at is the answer with the State of another time.
func (a *answer) at(ctx context.Context, n Verbs, t time.Time) error {
	s, err := n.At(ctx, t)
	if err == nil {
		a.Spec = string(spec.Marshal(s.Spec))
		a.Shown, err = show(s)
	}
	return err
}

// write sends answers as they come and the newest state when there is one. What came between is never sent. A state goes
// before an answer, so that a client that was told of a change also sees it.
func (c *session) write(ctx context.Context, answers <-chan answer) {
	c.wake()
	var sent picture
	for ok := true; ok; {
		select {
		case <-ctx.Done():
			return
		case a := <-answers:
			ok = c.sendPicture(&sent) && c.send(news{Answer: &a})
		case <-c.dirty:
			ok = c.sendPicture(&sent)
		}
	}
}

// sendPicture sends the newest state, if it is another than the one that was sent.
func (c *session) sendPicture(sent *picture) bool {
	p, ok := c.newest()
	if !ok || p.state == sent.state {
		return ok // also while the node has none yet
	}
	if sent.state == nil || p.spec != sent.spec {
		ok = c.sendFrame(p.specFrame)
	}
	*sent = picture{state: p.state, spec: p.spec}
	return ok && c.sendFrame(p.frame)
}

// newest is what this client is to see; false when it is to see nothing any more.
func (c *session) newest() (picture, bool) {
	if c.operator {
		return c.own()
	}
	return c.server.newest(), true
}

// send tells whether the client took v.
func (c *session) send(v any) bool {
	f, err := frame(v)
	if err == nil && len(f) > maxNews {
		err = errors.New("too long")
	}
	return err == nil && c.sendFrame(f)
}

func (c *session) sendFrame(f []byte) bool {
	if c.conn.SetWriteDeadline(time.Now().Add(c.server.patience)) != nil {
		return false
	}
	_, err := c.conn.Write(f)
	return err == nil
}
