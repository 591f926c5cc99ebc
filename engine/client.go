package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"hairpin/engine/capture"
	"hairpin/engine/spec"
)

// Pauses between attempts to reach an engine that went away.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 2 * time.Second

	expectedPause  = 10 * time.Millisecond // where a successor is about to listen
	expectedWithin = 5 * time.Second       // so long nothing is said of its being gone
)

// Dial reaches the engine that owns the node, or says with ErrNoOwner that none runs. The Node that it returns shows the
// owner's snapshots in the role of an observer. When the owner goes away, the last snapshot stays with a problem that
// says so, until there is an owner again. Changed is one channel, for one reader; it is closed by Close.
func Dial(ctx context.Context, p Paths) (Node, error) {
	c := &client{path: p.Socket(), now: time.Now, changed: make(chan struct{}, 1)}
	c.living, c.end = context.WithCancel(context.Background())
	l, err := c.connect(ctx)
	if err != nil {
		c.end()
		return nil, fmt.Errorf("reach engine: %w", err)
	}
	c.running.Go(func() { c.run(l) })
	return c, nil
}

// client is a Node behind the owner's socket.
type client struct {
	path    string
	now     func() time.Time
	state   atomic.Pointer[State]
	changed chan struct{}
	living  context.Context // until Close
	end     context.CancelFunc
	running sync.WaitGroup

	seen *State // the newest that came from an owner; the reader's

	mu   sync.Mutex
	line *line // nil while there is no owner
}

// State implements Node.
func (c *client) State() *State { return c.state.Load() }

// Changed implements Node.
func (c *client) Changed() <-chan struct{} { return c.changed }

// Close implements Node.
func (c *client) Close() error {
	c.end()
	c.running.Wait()
	return nil
}

// Plan implements Node.
func (c *client) Plan(ctx context.Context, s *spec.Spec) (*Plan, error) {
	a, err := c.ask(ctx, call{Verb: verbPlan, Spec: string(spec.Marshal(s))})
	return a.Plan, err
}

// Apply implements Node.
func (c *client) Apply(ctx context.Context, r ApplyRequest) (*Applied, error) {
	a, err := c.ask(ctx, call{Verb: verbApply, Spec: string(spec.Marshal(r.Spec)), Revision: r.Revision, Deadline: r.Deadline,
		Why: r.Why, Force: r.Force})
	return a.Applied, err
}

// Arm implements Node.
func (c *client) Arm(ctx context.Context, r ArmRequest) error {
	_, err := c.ask(ctx, call{Verb: verbArm, Why: r.Why, Share: r.Share})
	return err
}

// Disarm implements Node.
func (c *client) Disarm(ctx context.Context) error {
	_, err := c.ask(ctx, call{Verb: verbDisarm})
	return err
}

// WatchCosts implements Node.
func (c *client) WatchCosts(ctx context.Context) error {
	_, err := c.ask(ctx, call{Verb: verbWatch})
	return err
}

// Capture implements Node.
func (c *client) Capture(ctx context.Context, r CaptureRequest) (int, error) {
	a, err := c.ask(ctx, call{Verb: verbCapture, Capture: &r})
	return a.Number, err
}

// Captured implements Node.
func (c *client) Captured(ctx context.Context, id int) (*Captured, error) {
	a, err := c.ask(ctx, call{Verb: verbCaptured, Number: id})
	if err != nil || a.Captured == nil {
		return nil, err
	}
	records, err := capture.All(a.Packed)
	a.Captured.Records = records
	return a.Captured, err
}

// EndCapture implements Node.
func (c *client) EndCapture(ctx context.Context, id int) error {
	_, err := c.ask(ctx, call{Verb: verbEndCapture, Number: id})
	return err
}

// Connections implements Node.
func (c *client) Connections(ctx context.Context, r ConnectionsRequest) (*Connections, error) {
	a, err := c.ask(ctx, call{Verb: verbConnections, Connections: &r})
	return a.Connections, err
}

// Confirm implements Node.
func (c *client) Confirm(ctx context.Context, _ string) error {
	_, err := c.ask(ctx, call{Verb: verbConfirm})
	return err
}

// Detach implements Node.
func (c *client) Detach(ctx context.Context, _ string) error {
	_, err := c.ask(ctx, call{Verb: verbDetach})
	return err
}

// AcceptFound implements Node.
func (c *client) AcceptFound(ctx context.Context, r AcceptRequest) error {
	_, err := c.ask(ctx, call{Verb: verbAccept, VIP: r.VIP, Why: r.Why})
	return err
}

// DrainNode implements Node.
func (c *client) DrainNode(ctx context.Context, r DrainRequest) error {
	_, err := c.ask(ctx, call{Verb: verbDrain, Back: r.Back, Why: r.Why})
	return err
}

// History implements Node.
func (c *client) History(ctx context.Context) ([]Change, error) {
	a, err := c.ask(ctx, call{Verb: verbHistory})
	return a.Changes, err
}

// Past implements Node.
func (c *client) Past(ctx context.Context, number int) (*spec.Spec, error) {
	a, err := c.ask(ctx, call{Verb: verbPast, Number: number})
	if err != nil {
		return nil, err
	}
	return spec.Parse(fmt.Sprintf("spec of change %d", number), []byte(a.Spec))
}

// At implements Verbs.
func (c *client) At(ctx context.Context, t time.Time) (*State, error) {
	a, err := c.ask(ctx, call{Verb: verbAt, To: t})
	if err == nil && a.Shown == nil {
		err = errors.New("at: the engine answered without a state")
	}
	if err != nil {
		return nil, err
	}
	s, err := a.Shown.state()
	if err != nil {
		return nil, fmt.Errorf("at: %w", err)
	}
	if s.Role = Observer; a.Spec != "" {
		if s.Spec, err = spec.Parse("the spec of that time", []byte(a.Spec)); err != nil {
			return nil, fmt.Errorf("at: %w", err)
		}
	}
	return s, nil
}

// Timeline implements Verbs.
func (c *client) Timeline(ctx context.Context, from, to time.Time) (*Timeline, error) {
	a, err := c.ask(ctx, call{Verb: verbTimeline, From: from, To: to})
	return a.Axis, err
}

// Fleet implements Verbs.
func (c *client) Fleet(ctx context.Context, r FleetRequest) (*FleetAnswer, error) {
	a, err := c.ask(ctx, call{Verb: r.Do.verb(), Fleet: &r})
	return a.Fleet, err
}

// Trace implements Verbs.
func (c *client) Trace(ctx context.Context, r TraceRequest) (*Trace, error) {
	a, err := c.ask(ctx, call{Verb: verbTrace, Trace: r.wire()})
	return a.Trace, err
}

// ask sends a call to the owner of the moment and waits for its answer.
func (c *client) ask(ctx context.Context, k call) (answer, error) {
	c.mu.Lock()
	l := c.line
	c.mu.Unlock()
	if l == nil {
		return answer{}, fmt.Errorf("%s: %w", k.Verb, ErrNoOwner)
	}
	a, err := l.ask(ctx, k)
	if err != nil {
		return answer{}, fmt.Errorf("%s: %w", k.Verb, err)
	}
	return a, a.Fault.err()
}

// connect reaches an owner and waits for its first snapshot.
func (c *client) connect(ctx context.Context) (*line, error) {
	ctx, cancel := context.WithTimeout(ctx, frameTime)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", c.path)
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ECONNREFUSED):
		return nil, ErrNoOwner
	case errors.Is(err, unix.EACCES):
		return nil, fmt.Errorf("%w: %s is for root and the group %s; use sudo", ErrRefused, c.path, armsGroup)
	case err != nil:
		return nil, err
	}
	l := newLine(conn)
	defer context.AfterFunc(ctx, l.hangUp)()
	if err := c.begin(l); err != nil {
		c.leave(l)
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			err = errors.New("there is one, and it does not answer")
		}
		if errors.Is(err, errHungUp) {
			err = ErrNoOwner // it was about to leave
		}
		return nil, err
	}
	return l, nil
}

func (c *client) begin(l *line) error {
	if err := l.greet(); err != nil {
		return err
	}
	c.use(l)
	if err := c.stayArmed(l); err != nil {
		return err
	}
	for {
		if shown, err := c.hear(l); err != nil || shown {
			return err
		}
	}
}

// stayArmed arms this client at the successor of the engine at which it was armed, for the same reason. It asks only: what
// becomes of it, the pictures show.
func (c *client) stayArmed(l *line) error {
	if c.seen == nil || c.seen.Handoff == nil || c.seen.Handoff.Over() {
		return nil
	}
	if a := c.seen.Armed; a != nil && a.Own && c.now().Before(a.Until) {
		return l.send(call{Verb: verbArm, Why: a.Why})
	}
	return nil
}

// use makes l the line for calls; nil where there is none.
func (c *client) use(l *line) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.line = l
}

// leave ends l and whatever waits for an answer on it.
func (c *client) leave(l *line) {
	c.use(nil)
	l.hangUp()
	l.lose()
}

// run reads what owners say, one after the other, until Close.
func (c *client) run(l *line) {
	defer close(c.changed)
	for l != nil {
		stop := context.AfterFunc(c.living, l.hangUp)
		var err error
		for err == nil {
			_, err = c.hear(l)
		}
		stop()
		c.leave(l)
		l = c.again(err)
	}
}

// again looks for the next owner; nil when Close came first.
func (c *client) again(why error) *line {
	since, pause := c.now(), firstPause
	expected := c.seen.Handoff != nil && !c.seen.Handoff.Over()
	if expected {
		pause = expectedPause
	}
	for ; c.living.Err() == nil; pause = min(2*pause, lastPause) {
		if !expected || c.now().Sub(since) > expectedWithin {
			c.show(orphaned(c.seen, since, why))
		}
		select {
		case <-c.living.Done():
			return nil
		case <-time.After(pause):
		}
		l, err := c.connect(c.living)
		if err == nil {
			return l
		}
		why = err
	}
	return nil
}

// orphaned is the last snapshot of an owner that went away.
func orphaned(last *State, since time.Time, why error) *State {
	what := fmt.Sprintf("the engine (pid %d) is gone; this is what it showed at %s", last.PID, last.Time.Format(time.TimeOnly))
	if !errors.Is(why, ErrNoOwner) && !errors.Is(why, errHungUp) {
		what += ": " + why.Error()
	}
	s := withProblem(last, Problem{Key: "engine gone", Severity: "crit", Since: since, What: what,
		Cure: `the data path goes on by itself; start an engine with "hairpin run"`})
	s.PID, s.Armed = 0, nil
	return s
}

// withProblem is a copy of s with p before its other problems.
func withProblem(s *State, p Problem) *State {
	c := *s
	c.Problems = append([]Problem{p}, s.Problems...)
	return &c
}

// hear takes one piece of news and tells whether it is something to show.
func (c *client) hear(l *line) (shown bool, err error) {
	n, err := l.next()
	if err != nil {
		return false, err
	}
	switch {
	case n.Answer != nil:
		l.answered(*n.Answer)
	case n.Spec != nil:
		l.read(*n.Spec)
	case n.Fault != nil:
		last := c.seen
		if last == nil {
			last = &State{Time: c.now(), Role: Observer, Generation: Generation{Active: -1, Confirmed: -1}}
		}
		c.show(withProblem(last, Problem{Key: "engine unreadable", Severity: "crit", Since: c.now(), What: "the engine runs and cannot be shown: " + n.Fault.Text}))
		return true, nil
	case n.Shown != nil:
		s, err := n.Shown.state()
		if err != nil {
			return false, err
		}
		s.Role, s.Spec, s.Barred = Observer, l.spec, l.hello.Barred
		if s.Armed != nil {
			s.Armed.Own = s.Armed.Party == l.hello.Party
		}
		if l.specFault != nil {
			s = withProblem(s, Problem{Key: "other version", Severity: "warn", Since: s.Time, Cure: "use the version that runs: " + s.Version,
				What: fmt.Sprintf("this version of hairpin cannot read the running spec: %v", l.specFault)})
		}
		c.seen = s
		c.show(s)
		return true, nil
	}
	return false, nil
}

func (c *client) show(s *State) {
	c.state.Store(s)
	select {
	case c.changed <- struct{}{}:
	default: // one is waiting
	}
}
