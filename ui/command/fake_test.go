package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"hairpin/engine"
	"hairpin/engine/capture"
	"hairpin/engine/packet"
	"hairpin/engine/spec"
)

// noon is when everything in these tests happens.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// fake is a node and the three ways to it. It writes down what it is asked to change.
type fake struct {
	asked    io.Writer
	now      *engine.State // nil = nothing of hairpin's is on the node
	runs     bool          // an engine runs
	opened   bool          // in this process
	openErr  error
	applyErr error
	readings int
	armed    bool
	dies     bool // in a handoff, with the successor
	traced   []engine.TraceRequest
	trace    func(engine.TraceRequest) *engine.Trace // nil = of no packet anything is known
	caught   bool                                    // what there is to capture
}

// fakes are the nodes that a transcript may name.
func fakes(name string, asked io.Writer) (*fake, error) {
	f := &fake{asked: asked, now: balanced(), runs: true}
	switch name {
	case "balanced":
	case "traced":
		f.trace = traced
	case "limited":
		f.now = limited()
	case "shared":
		f.now = shared()
	case "counted":
		f.now = counted()
	case "hosted":
		f.now = hosted()
	case "unwrapping":
		f.now = hosted()
		f.now.Hosting.Translates, f.now.Hosting.Orphans, f.now.Hosting.Strangers = false, false, nil
		f.now.Spec.Agent.Mode, f.runs, f.now.Role = spec.DSR, false, engine.Pins
	case "fleeted":
		f.now = fleeted()
	case "routed":
		f.now = routed()
	case "found":
		f.now = found()
	case "settling":
		f.now = settling()
	case "pins":
		f.runs, f.now.PID, f.now.Role, f.now.Version = false, 0, engine.Pins, ""
	case "empty":
		f.now = &engine.State{Time: noon, Node: "lb1", PID: 4711, Role: engine.Observer, Version: "v1.0.0", Generation: engine.Generation{Active: -1, Confirmed: -1}}
	case "bare":
		f.runs, f.now = false, &engine.State{Time: noon, Node: "lb1", Role: engine.Pins, Generation: engine.Generation{Active: -1, Confirmed: -1}}
	case "moved":
		f.applyErr = engine.ErrStale
	case "forked":
		f.now = forked()
	case "eventful":
		f.now = eventful()
	case "dying":
		f.dies = true
	case "owned":
		f.openErr = fmt.Errorf("%w: hairpin with pid 4711 owns this node", engine.ErrRefused)
	case "broken":
		f.applyErr = errors.New("pin program: permission denied")
	default:
		return nil, fmt.Errorf("no node %q", name)
	}
	return f, nil
}

func (f *fake) open(context.Context, engine.Options) (engine.Node, error) {
	if f.openErr != nil {
		return nil, f.openErr
	}
	fmt.Fprintln(f.asked, "open")
	f.opened = true
	return f, nil
}

func (f *fake) join(ctx context.Context, o engine.Options) (engine.Node, error) {
	return f.dial(ctx, o.Paths)
}

func (f *fake) succeed(ctx context.Context, o engine.Options, stream uintptr) (engine.Node, error) {
	fmt.Fprintln(f.asked, "succeed by", stream)
	return f.open(ctx, o)
}

func (f *fake) dial(context.Context, engine.Paths) (engine.Node, error) {
	if !f.runs {
		return nil, fmt.Errorf("dial /run/hairpin/engine.sock: %w", engine.ErrNoOwner)
	}
	return f, nil
}

func (f *fake) observe(engine.Paths) (*engine.State, error) {
	s := *f.now
	s.NICs = []engine.NIC{}
	for _, n := range f.now.NICs {
		n.In = engine.Counter{Packets: n.In.Packets + uint64(500*f.readings)}
		s.NICs = append(s.NICs, n)
	}
	s.Time = s.Time.Add(time.Duration(f.readings) * 2 * time.Second)
	f.readings++
	return &s, nil
}

// diagnose finds the same on every machine.
func (f *fake) diagnose(_ engine.Paths, s *spec.Spec) *engine.Diagnosis {
	d := &engine.Diagnosis{Time: noon, Findings: []engine.Finding{
		{Check: "lro", On: "eth0", Level: engine.FindingCrit, What: "LRO of eth0 merges packets", Means: "drivers refuse XDP beside it", Cure: "ethtool -K eth0 lro off"},
		{Check: "unread", Level: engine.FindingUnknown, What: "what the kernel can do could not be read: only root may ask", Cure: "sudo hairpin doctor"},
		{Check: "rings", On: "eth0", Level: engine.FindingInfo, What: "eth0 holds 256 packets a queue"},
		{Check: "btf", Level: engine.FindingOK, What: "the kernel describes its types"}}}
	if s != nil {
		d.Role = "load balancer"
	}
	return d
}

// recorded is a file of forty seconds of a node that never was, up to noon.
var recorded = func() string {
	dir, err := os.Getwd() // before a test goes elsewhere
	if err != nil {
		panic(err)
	}
	return filepath.Join(dir, "../../testdata/incidents/backends.rec")
}()

func (f *fake) recording(engine.Paths) (*engine.Recording, error) {
	if !f.runs && f.now.VIPs == nil {
		return nil, fmt.Errorf("%w: nothing is recorded", engine.ErrInvalid)
	}
	return engine.OpenIncident(recorded)
}

func (f *fake) remove(engine.Paths) error {
	if f.openErr != nil {
		return f.openErr
	}
	fmt.Fprintln(f.asked, "remove")
	return nil
}

func (f *fake) State() *engine.State     { return f.now }
func (f *fake) Changed() <-chan struct{} { return nil }

func (f *fake) Close() error {
	if f.opened {
		fmt.Fprintln(f.asked, "close")
	}
	return nil
}

func (f *fake) Plan(_ context.Context, s *spec.Spec) (*engine.Plan, error) {
	p := &engine.Plan{Revision: f.now.Revision}
	if !s.Equal(f.now.Spec) {
		p.Text = []string{fmt.Sprintf("%d VIPs change", len(s.VIPs))}
	}
	return p, nil
}

func (f *fake) Arm(_ context.Context, r engine.ArmRequest) error {
	f.armed = r.Why != "" && r.Share
	return nil
}

func (f *fake) Disarm(context.Context) error {
	fmt.Fprintln(f.asked, "disarm")
	return nil
}

// refusal refuses what only the armed may do.
func (f *fake) refusal() error {
	if !f.armed {
		return fmt.Errorf("%w: not armed, or not as a command", engine.ErrRefused)
	}
	return nil
}

func (f *fake) Apply(_ context.Context, r engine.ApplyRequest) (*engine.Applied, error) {
	if err := f.refusal(); err != nil {
		return nil, err
	}
	if f.applyErr != nil {
		return nil, f.applyErr
	}
	fmt.Fprintf(f.asked, "apply on revision %q, back after %v, for %s, because %q\n", r.Revision, r.Deadline, r.Who, r.Why)
	a := &engine.Applied{Generation: f.now.Generation.Active + 1, Took: 4 * time.Millisecond}
	if r.Deadline > 0 {
		a.Deadline = noon.Add(r.Deadline)
	}
	return a, nil
}

func (f *fake) Confirm(_ context.Context, who string) error {
	fmt.Fprintln(f.asked, "confirm for", who)
	return nil
}

// Handoff is over by the time it returns: confirmed, or not where applying fails too.
func (f *fake) Handoff(_ context.Context, r engine.HandoffRequest) error {
	if err := f.refusal(); err != nil {
		return err
	}
	fmt.Fprintf(f.asked, "hand over to %q, watched for %v, for %s, because %q\n", r.Binary, r.Watch, r.Who, r.Why)
	if f.applyErr != nil && errors.Is(f.applyErr, engine.ErrStale) {
		return fmt.Errorf("hand over: %w: a change waits for confirmation", engine.ErrRefused)
	}
	f.now = handedOver(*f.now, r, f.applyErr)
	if f.dies {
		f.now.PID, f.now.Handoff.Outcome = 0, engine.HandoffGoesOn
	}
	return nil
}

// Capture says what it was asked.
func (f *fake) Capture(_ context.Context, r engine.CaptureRequest) (int, error) {
	f.caught = false
	fmt.Fprintf(f.asked, "capture %+v\n", r)
	return 1, engine.CheckCaptureFilter(r.Filter)
}

// Captured is over with two frames of one packet.
func (f *fake) Captured(_ context.Context, id int) (*engine.Captured, error) {
	c := captured(id)
	if f.caught {
		c.Records = nil
	}
	f.caught = true
	return c, nil
}

// captured is a packet that was forwarded, and is over.
func captured(id int) *engine.Captured {
	came := packet.Build(packet.Eth{}, packet.IPv4{}, packet.TCP{Flags: "S"})
	left := packet.Build(packet.Eth{Src: packet.NodeMAC, Dst: packet.RouterMAC}, packet.IPv4{Src: packet.VIP4}, packet.UDP{Dst: packet.GUEPort}, packet.IPv4{}, packet.TCP{Flags: "S"})
	r := engine.CaptureRecord{Time: noon, Packet: 1, Point: capture.Came, NIC: "eth0", Hook: "xdp", Stage: "balancer", VIP: "web", Verdict: "forward", Code: 3,
		Reason: "forwarded", OneIn: 1, Bytes: len(came), Frame: came}
	behind := r
	behind.Point, behind.Bytes, behind.Frame = capture.Left, len(left), left
	return &engine.Captured{Status: engine.CaptureStatus{ID: id, Packets: 1, Bytes: 200, Over: "it has its 1 records", Seen: 7, NS: 41.3},
		Records: []engine.CaptureRecord{r, behind}}
}

// Connections knows two talkers and a socket.
func (f *fake) Connections(_ context.Context, r engine.ConnectionsRequest) (*engine.Connections, error) {
	fmt.Fprintf(f.asked, "connections %+v\n", r)
	src, dst := netip.MustParseAddrPort("198.51.100.7:40000"), netip.MustParseAddrPort("10.99.0.1:80")
	return &engine.Connections{Time: noon, Over: 12 * time.Second, OneIn: 100, OneInNew: 4, PPS: 400_000, NS: 52.4, Known: 3, Wanted: 1, Settling: 17,
		Talkers: []engine.Talker{{Name: "198.51.100.7", PPS: 19_400, PPSOff: 812.4, BPS: 2_000_000, BPSOff: 90_000, New: 12, NewOff: 3},
			{Name: "203.0.113.9", PPS: 1200, PPSOff: 300, BPS: 90_000, BPSOff: 9_000}},
		Flows: []engine.Flow{{Flows: 1, Protocol: 6, Src: src, Dst: dst, NIC: "eth0", VIP: "web", Backend: netip.MustParseAddr("10.1.1.11"), State: "open", Verdict: "forward",
			Reason: "forwarded", First: noon.Add(-8 * time.Second), Last: noon, Packets: 1200, Bytes: 90_000}},
		Sockets:     []engine.Socket{{Local: dst, Remote: src, State: "established", Received: 1000, Acked: 50_000, Retransmits: 3, RTT: 1200 * time.Microsecond}},
		SocketsOpen: 1}, nil
}

func (f *fake) EndCapture(_ context.Context, id int) error {
	fmt.Fprintf(f.asked, "end capture %d\n", id)
	return nil
}

func (f *fake) DrainNode(_ context.Context, r engine.DrainRequest) error {
	fmt.Fprintf(f.asked, "drain back %t by %s: %s\n", r.Back, r.Who, r.Why)
	s := *f.now
	if s.Drained = nil; !r.Back {
		s.Drained = &engine.Drained{Who: r.Who, Why: r.Why, Since: s.Time.Add(-time.Minute), Quiet: s.Time.Add(-10 * time.Second)}
	}
	f.now = &s
	return nil
}

func (f *fake) AcceptFound(_ context.Context, r engine.AcceptRequest) error {
	fmt.Fprintf(f.asked, "accept %s by %s: %s\n", r.VIP, r.Who, r.Why)
	return nil
}

// Fleet knows two nodes.
func (f *fake) Fleet(_ context.Context, r engine.FleetRequest) (*engine.FleetAnswer, error) {
	fmt.Fprintf(f.asked, "fleet %s by %s: %s%s\n", r.Do, r.Who, r.Why, r.Node)
	if f.now.Fleet == nil {
		return nil, fmt.Errorf("fleet: %w: this node has its spec for itself", engine.ErrRefused)
	}
	return &engine.FleetAnswer{Number: 12, Document: "version: 1\n", Nodes: []engine.FleetNode{
		{Name: "lb1", Number: 12, State: "has it", Spec: "0123456789ab", Version: "v1", Since: noon.Add(-time.Minute)},
		{Name: "lb2", Number: 11, State: "out", Why: "ann: incident 7", Spec: "aa23456789ab", Version: "v1", Since: noon.Add(-time.Hour)}}}, nil
}

func (f *fake) WatchCosts(context.Context) error {
	fmt.Fprintln(f.asked, "watch costs")
	return nil
}

func (f *fake) History(context.Context) ([]engine.Change, error) { return changes(f.now.Revision), nil }

func (f *fake) kept(engine.Paths) ([]engine.Change, string, error) {
	switch all := changes(f.now.Revision); {
	case f.now.Spec == nil:
		return nil, "", nil
	default:
		return all[:3], "1 of 4 lines of /var/lib/hairpin/history/changes are damaged and left out", nil
	}
}

func (f *fake) Past(_ context.Context, number int) (*spec.Spec, error) {
	if number > 3 {
		return f.now.Spec, nil
	}
	s := f.now.Spec.Clone()
	s.VIPs = nil
	return s, nil
}

func (f *fake) At(_ context.Context, t time.Time) (*engine.State, error) {
	s := *f.now
	s.Time, s.Span = t.Truncate(time.Minute), time.Minute
	return &s, nil
}

func (f *fake) Trace(_ context.Context, r engine.TraceRequest) (*engine.Trace, error) {
	f.traced = append(f.traced, r)
	if f.trace == nil {
		return &engine.Trace{}, nil
	}
	return f.trace(r), nil
}

func (f *fake) Timeline(context.Context, time.Time, time.Time) (*engine.Timeline, error) {
	return &engine.Timeline{}, nil
}

// changes are what led to the running spec: one that stayed, one that went back, one by another, and what runs.
func changes(running string) []engine.Change {
	at := func(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }
	return []engine.Change{
		{Number: 2, Time: at(-90), Who: "engine", Why: "first start", Generation: 1, Revision: "aaaa", Outcome: engine.ChangeConfirmed, Ended: at(-90)},
		{Number: 3, Time: at(-60), Who: "ops", Why: "INC-7", Generation: 2, Revision: "bbbb", Before: "aaaa", Outcome: engine.ChangeConfirmed,
			Deadline: at(-59), Ended: at(-60), By: "eve", Text: []string{"~ vip web", "  - backend 10.1.1.14 removed"}},
		{Number: 4, Time: at(-30), Who: "ops", Generation: 3, Revision: "cccc", Before: "bbbb", Outcome: engine.ChangeWentBack,
			Deadline: at(-29), Ended: at(-29)},
		{Number: 5, Time: at(-1), Who: "eve", Why: "more room", Generation: 4, Revision: running, Before: "bbbb", Outcome: engine.ChangeWaits,
			Deadline: at(1)},
	}
}

func (f *fake) Detach(_ context.Context, who string) error {
	if err := f.refusal(); err != nil {
		return err
	}
	fmt.Fprintln(f.asked, "detach for", who)
	return nil
}

// handedOver is a node after a handoff.
func handedOver(s engine.State, r engine.HandoffRequest, err error) *engine.State {
	h := &engine.Handoff{Who: r.Who, Why: r.Why, From: engine.Party{PID: s.PID, Version: s.Version}, To: engine.Party{PID: 5000, Version: "v1.1.0"},
		Began: noon, Ended: noon.Add(4 * time.Second), Watch: r.Watch, Steps: engine.HandoffSteps(), Outcome: engine.HandoffConfirmed,
		Figures: []engine.HandoffFigure{{Name: "dropped", Before: 0.01, Now: 0.011, Limit: 0.022}}}
	for i := range h.Steps {
		h.Steps[i].Began, h.Steps[i].Took, h.Steps[i].Done = noon, time.Duration(1+i)*7*time.Millisecond, err == nil || i < 5
	}
	if err != nil {
		h.Outcome, h.Fault = engine.HandoffWentBack, "the successor: "+err.Error()
		h.Steps[6].Began = time.Time{}
	}
	s.Handoff = h
	return &s
}
