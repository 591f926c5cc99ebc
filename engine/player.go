package engine

import (
	"context"
	"fmt"
	"sync"
	"time"

	"hairpin/engine/spec"
)

// Bounds of Player.SetSpeed.
const (
	slowest = 0.1
	fastest = 3600
)

// Player is a Node that shows a recording as if it happened now, and changes nothing. Its clock is that of the recording.
type Player struct {
	recording   *Recording
	first, last time.Time
	wall        func() time.Time
	changed     chan struct{}
	stop        context.CancelFunc
	over        chan struct{}

	mu    sync.Mutex
	state *State
	from  time.Time // in the recording, where it was when the wall's clock showed since
	since time.Time
	speed float64
	seeks int
}

// Play begins to show r, from its start or, if it is not zero, from from on. Close ends it, and closes r.
func Play(r *Recording, from time.Time) (*Player, error) {
	p := &Player{recording: r, wall: time.Now, changed: make(chan struct{}, 1), over: make(chan struct{}), speed: 1}
	var err error
	if p.first, p.last, err = r.Bounds(); err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	if p.from, p.since = p.first, p.wall(); from.After(p.first) {
		p.from = p.within(from)
	}
	if p.state, err = p.At(context.Background(), p.from); err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	go p.run(ctx)
	return p, nil
}

func (p *Player) within(t time.Time) time.Time {
	switch {
	case t.Before(p.first):
		return p.first
	case t.After(p.last):
		return p.last
	}
	return t
}

// Now is the clock of the recording; it stands still at its end.
func (p *Player) Now() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now()
}

func (p *Player) now() time.Time {
	return p.within(p.from.Add(time.Duration(float64(p.wall().Sub(p.since)) * p.speed)))
}

// Last is where it ends.
func (p *Player) Last() time.Time { return p.last }

// Speed is how many seconds of the recording go by in one; 0 at its end.
func (p *Player) Speed() float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.now().Before(p.last) {
		return 0
	}
	return p.speed
}

// SetSpeed makes it go faster or slower from now on.
func (p *Player) SetSpeed(speed float64) error {
	if !(speed >= slowest && speed <= fastest) {
		return fmt.Errorf("%w: a speed of %g; it is from %g to %g", ErrInvalid, speed, slowest, float64(fastest))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.from, p.since, p.speed = p.now(), p.wall(), speed
	return nil
}

// Seek goes on from a State that At gave. It does not wait for the disk.
func (p *Player) Seek(s *State) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.from, p.since, p.state = p.within(s.Time), p.wall(), s
	p.seeks++
}

func (p *Player) run(ctx context.Context) {
	defer close(p.over)
	defer close(p.changed)
	ticks := time.NewTicker(tickEvery)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
			p.show()
		}
	}
}

// show makes the State of now the newest.
func (p *Player) show() {
	p.mu.Lock()
	now, seeks := p.now(), p.seeks
	p.mu.Unlock()
	s, err := p.At(context.Background(), now)
	if err != nil {
		s = withProblem(p.State(), Problem{Key: "recording", Severity: "crit", Since: now, What: err.Error()})
	}
	p.mu.Lock()
	if seeks == p.seeks {
		p.state = s
	}
	p.mu.Unlock()
	select {
	case p.changed <- struct{}{}:
	default: // one is waiting
	}
}

// State implements Node.
func (p *Player) State() *State {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state
}

// Changed implements Node.
func (p *Player) Changed() <-chan struct{} { return p.changed }

// Close implements Node.
func (p *Player) Close() error {
	p.stop()
	<-p.over
	p.recording.Close()
	return nil
}

// At implements Verbs.
func (p *Player) At(_ context.Context, t time.Time) (*State, error) {
	s, err := p.recording.At(t)
	if err != nil {
		return nil, err
	}
	s.Role, s.Armed, s.Barred = Recorded, nil, "this is a recording"
	if damage := p.recording.Damage(); len(damage) > 0 {
		return withProblem(s, Problem{Key: "damage", Severity: "warn", Since: p.last, What: damage[0]}), nil
	}
	return s, nil
}

// Timeline implements Verbs.
func (p *Player) Timeline(_ context.Context, from, to time.Time) (*Timeline, error) {
	return p.recording.Timeline(from, to), nil
}

var errRecording = fmt.Errorf("%w: this is a recording, and what was is not changed", ErrRefused)

// Arm implements Verbs.
func (p *Player) Arm(context.Context, ArmRequest) error { return errRecording }

// Disarm implements Verbs.
func (p *Player) Disarm(context.Context) error { return errRecording }

// Plan implements Verbs.
func (p *Player) Plan(context.Context, *spec.Spec) (*Plan, error) { return nil, errRecording }

// Apply implements Verbs.
func (p *Player) Apply(context.Context, ApplyRequest) (*Applied, error) { return nil, errRecording }

// Confirm implements Verbs.
func (p *Player) Confirm(context.Context, string) error { return errRecording }

// AcceptFound implements Verbs.
func (p *Player) AcceptFound(context.Context, AcceptRequest) error { return errRecording }

// DrainNode implements Verbs.
func (p *Player) DrainNode(context.Context, DrainRequest) error { return errRecording }

// WatchCosts implements Verbs.
func (p *Player) WatchCosts(context.Context) error { return errRecording }

// Capture implements Verbs.
func (p *Player) Capture(context.Context, CaptureRequest) (int, error) { return 0, errRecording }

// Captured implements Verbs.
func (p *Player) Captured(context.Context, int) (*Captured, error) { return nil, errRecording }

// EndCapture implements Verbs.
func (p *Player) EndCapture(context.Context, int) error { return errRecording }

// Connections implements Verbs.
func (p *Player) Connections(context.Context, ConnectionsRequest) (*Connections, error) {
	return nil, errRecording
}

// Fleet implements Verbs.
func (p *Player) Fleet(context.Context, FleetRequest) (*FleetAnswer, error) { return nil, errRecording }

// Handoff implements Verbs.
func (p *Player) Handoff(context.Context, HandoffRequest) error { return errRecording }

// Detach implements Verbs.
func (p *Player) Detach(context.Context, string) error { return errRecording }

// History implements Verbs.
func (p *Player) History(context.Context) ([]Change, error) { return nil, errRecording }

// Past implements Verbs.
func (p *Player) Past(context.Context, int) (*spec.Spec, error) { return nil, errRecording }

// Trace implements Verbs.
func (p *Player) Trace(context.Context, TraceRequest) (*Trace, error) { return nil, errRecording }
