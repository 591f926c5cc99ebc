package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"hairpin/engine/arms"
	"hairpin/engine/capture"
	"hairpin/engine/history"
	"hairpin/engine/spec"
)

// fake is a Node that does what a test tells it.
type fake struct {
	state   atomic.Pointer[State]
	changed chan struct{}
	plan    func(context.Context, *spec.Spec) (*Plan, error)
	apply   func(context.Context, ApplyRequest) (*Applied, error)
	err     error // of Confirm and Detach
	guard   *guard

	mu    sync.Mutex
	calls []string
}

func newFake() *fake {
	f := &fake{changed: make(chan struct{}, 1), guard: newGuard()}
	f.plan = func(context.Context, *spec.Spec) (*Plan, error) { return &Plan{Revision: "abc"}, nil }
	f.apply = func(context.Context, ApplyRequest) (*Applied, error) { return &Applied{Generation: 3}, nil }
	f.state.Store(&State{Node: "lb1", PID: 1, Role: Owner})
	return f
}

func (f *fake) publish(s *State) {
	f.state.Store(s)
	select {
	case f.changed <- struct{}{}:
	default:
	}
}

func (f *fake) called(what string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, what)
}

func (f *fake) all() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.calls...)
}

func (f *fake) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = nil
}

func (f *fake) State() *State            { return f.state.Load() }
func (f *fake) Changed() <-chan struct{} { return f.changed }
func (f *fake) Close() error             { return errors.New("a client closed the owner") }

func (f *fake) doors() *guard         { return f.guard }
func (f *fake) as(p arms.Party) Verbs { return fakeSeat{f, p} }

// fakeSeat is a fake for one party: it arms as an engine does, and publishes it.
type fakeSeat struct {
	*fake
	party arms.Party
}

func (f fakeSeat) Arm(_ context.Context, r ArmRequest) error {
	err := f.guard.arm(f.party, r.Why, r.Share)
	f.showArmed()
	return err
}

func (f fakeSeat) Disarm(context.Context) error {
	err := f.guard.disarm(f.party)
	f.showArmed()
	return err
}

func (f *fake) Arm(ctx context.Context, r ArmRequest) error { return f.as(arms.Party{}).Arm(ctx, r) }
func (f *fake) Disarm(ctx context.Context) error            { return f.as(arms.Party{}).Disarm(ctx) }

func (f *fake) showArmed() {
	s := *f.State()
	s.Armed = f.guard.armed(time.Now())
	f.publish(&s)
}

func (f *fake) Plan(ctx context.Context, s *spec.Spec) (*Plan, error) {
	f.called("plan")
	return f.plan(ctx, s)
}

func (f *fake) Apply(ctx context.Context, r ApplyRequest) (*Applied, error) {
	f.called("apply")
	return f.apply(ctx, r)
}

func (f *fake) Confirm(_ context.Context, who string) error {
	f.called("confirm by " + who)
	return f.err
}

func (f *fake) Capture(_ context.Context, r CaptureRequest) (int, error) {
	f.called("capture " + r.Filter)
	return 7, f.err
}

func (f *fake) Captured(_ context.Context, id int) (*Captured, error) {
	f.called("captured")
	return &Captured{Status: CaptureStatus{ID: id, Packets: 1}, Records: []CaptureRecord{{Time: time.Unix(1, 2), Packet: 3, Point: capture.Left, NIC: "eth0", Hook: "xdp",
		VIP: "web", Verdict: "forward", Code: 3, Reason: "forwarded", OneIn: 1, Bytes: 60, Frame: []byte{1, 2, 3}}}}, f.err
}

func (f *fake) Connections(_ context.Context, r ConnectionsRequest) (*Connections, error) {
	f.called("connections by " + r.By)
	return &Connections{OneIn: 3, Talkers: []Talker{{Name: "198.51.100.7", PPS: 5}}, Flows: []Flow{{Src: netip.MustParseAddrPort("198.51.100.7:1"), State: "open"}}}, f.err
}

func (f *fake) EndCapture(context.Context, int) error {
	f.called("end capture")
	return f.err
}

func (f *fake) WatchCosts(context.Context) error {
	f.called("watch costs")
	return f.err
}

func (f *fake) Handoff(_ context.Context, r HandoffRequest) error {
	f.called(fmt.Sprintf("hand over to %q for %s by %s: %s", r.Binary, r.Watch, r.Who, r.Why))
	return f.err
}

func (f *fake) DrainNode(_ context.Context, r DrainRequest) error {
	f.called(fmt.Sprintf("drain %+v", r))
	return nil
}

func (f *fake) AcceptFound(_ context.Context, r AcceptRequest) error {
	f.called(fmt.Sprintf("accept %+v", r))
	return f.err
}

func (f *fake) Fleet(_ context.Context, r FleetRequest) (*FleetAnswer, error) {
	f.called(fmt.Sprintf("fleet %s by %s", r.Do, r.Who))
	return &FleetAnswer{Number: 7}, f.err
}

func (f *fake) Detach(_ context.Context, who string) error {
	f.called("detach by " + who)
	return f.err
}

func (f *fake) History(context.Context) ([]Change, error) {
	f.called("history")
	return []Change{{Number: 7, Who: "eve", Outcome: history.Waits}}, f.err
}

func (f *fake) Past(_ context.Context, number int) (*spec.Spec, error) {
	f.called(fmt.Sprintf("past %d", number))
	return &spec.Spec{Version: spec.Version, NICs: []spec.NIC{{Name: "eth7"}}}, f.err
}

func (f *fake) At(_ context.Context, t time.Time) (*State, error) {
	f.called("at " + t.UTC().Format(time.DateTime))
	return &State{Time: t, Node: "lb1", Role: Owner, Span: time.Minute, Spec: exampleSpec(), NICs: []NIC{{Name: "eth0", History: []float64{1, 2}}}}, f.err
}

func (f *fake) Trace(_ context.Context, r TraceRequest) (*Trace, error) {
	f.called(fmt.Sprintf("trace %+v", *r.wire()))
	return &Trace{On: "generation 3, running"}, f.err
}

func (f *fake) Timeline(_ context.Context, from, to time.Time) (*Timeline, error) {
	f.called("timeline " + from.UTC().Format(time.DateTime) + " " + to.UTC().Format(time.DateTime))
	return &Timeline{Moments: []Moment{{Time: from, In: 5}}}, f.err
}

// stranger is a user who may not change the node.
const stranger = 54321

// uid makes a server take every client for that user.
func uid(n uint32) func(*server) {
	return func(s *server) {
		s.peer = func(*net.UnixConn) (peer, error) { return peer{pid: os.Getpid(), uid: n}, nil }
	}
}

func exampleSpec() *spec.Spec {
	return &spec.Spec{
		Version: spec.Version,
		NICs:    []spec.NIC{{Name: "eth0", XDP: spec.Stands(spec.Balancer)}},
		VIPs: []spec.VIP{{
			Name: "web", Addresses: []netip.Addr{netip.MustParseAddr("10.99.0.1"), netip.MustParseAddr("fd00:99::1")}, Port: 80,
			Protocol: spec.TCP, Encap: spec.GUE, EncapPort: spec.DefaultEncapPort, Ring: 65537, Settle: 15 * time.Minute,
			Backends: []spec.Backend{
				{Address: netip.MustParseAddr("10.1.1.11"), Weight: 100},
				{Address: netip.MustParseAddr("10.1.1.12"), Weight: 7, State: spec.Drain},
			},
		}},
	}
}
