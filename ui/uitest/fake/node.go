package fake

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"hairpin/engine"
	"hairpin/engine/spec"
)

// Node is an engine that does in memory what it is asked, and remembers what that was.
type Node struct {
	mu        sync.Mutex
	state     *engine.State
	changed   chan struct{}
	hang      chan struct{}
	refuse    error
	applied   []engine.ApplyRequest
	confirms  []string
	detached  []string
	handoffs  []engine.HandoffRequest
	fleet     []engine.FleetRequest
	watched   int
	capturing capturing
	traces    []engine.TraceRequest
	trace     func(engine.TraceRequest) *engine.Trace // nil = nothing becomes of any packet
	changes   []engine.Change
	pasts     map[int]*spec.Spec // by change
	recorded  []*engine.State
	armed     *engine.Armed
	now       func() time.Time // nil = the time of the snapshot
}

// New is a node that shows s.
func New(s *engine.State) *Node { return &Node{state: s, changed: make(chan struct{}, 1)} }

// Show publishes another snapshot.
func (n *Node) Show(s *engine.State) {
	n.mu.Lock()
	if n.armed != nil && s.Armed == nil { // an engine shows it in every snapshot
		armed := *s
		armed.Armed = n.armed
		s = &armed
	}
	n.state = s
	n.mu.Unlock()
	select {
	case n.changed <- struct{}{}:
	default:
	}
}

// Hang makes every verb wait until its context ends, or until the returned function is called.
func (n *Node) Hang() (release func()) {
	c := make(chan struct{})
	n.mu.Lock()
	n.hang = c
	n.mu.Unlock()
	return sync.OnceFunc(func() {
		n.mu.Lock()
		n.hang = nil
		n.mu.Unlock()
		close(c)
	})
}

// Refuse makes every verb fail; nil ends it.
func (n *Node) Refuse(err error) {
	n.mu.Lock()
	n.refuse = err
	n.mu.Unlock()
}

// Applied, Confirmed and Detached are what was asked for so far.
func (n *Node) Applied() []engine.ApplyRequest { return copyOf(n, &n.applied) }

// Confirmed are the names of those who confirmed.
func (n *Node) Confirmed() []string { return copyOf(n, &n.confirms) }

// Handoffs are those that were asked for.
func (n *Node) Handoffs() []engine.HandoffRequest { return copyOf(n, &n.handoffs) }

// Detached are the names of those who detached.
func (n *Node) Detached() []string { return copyOf(n, &n.detached) }

func copyOf[T any](n *Node, list *[]T) []T {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]T(nil), *list...)
}

// answer is how every verb begins.
func (n *Node) answer(ctx context.Context) error {
	n.mu.Lock()
	hang, refuse := n.hang, n.refuse
	n.mu.Unlock()
	if hang != nil {
		select {
		case <-hang:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return refuse
}

// State is the snapshot of the last Show.
func (n *Node) State() *engine.State {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.state
}

// Changed is signalled by Show.
func (n *Node) Changed() <-chan struct{} { return n.changed }

// Plan moves as many slots as the shares of new flows change, and a few more.
func (n *Node) Plan(ctx context.Context, s *spec.Spec) (*engine.Plan, error) {
	if err := n.answer(ctx); err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	now := n.State()
	p := &engine.Plan{Revision: now.Revision}
	for i, v := range s.VIPs {
		vp := diff(now.Spec.VIPs[i], v)
		if vp.Moved == 0 && vp.Added == 0 && vp.Removed == 0 {
			continue
		}
		p.VIPs = append(p.VIPs, vp)
		p.Text = append(p.Text,
			fmt.Sprintf("%s: %d of %d slots move (minimum %d)", v.Name, vp.Moved, vp.Slots, vp.Minimum),
			fmt.Sprintf("%s: established connections stay where they are, except on %d removed backends", v.Name, vp.Removed))
	}
	for i, n := range s.NICs {
		if was := now.Spec.NICs[i]; !slices.Equal(was.XDP, n.XDP) {
			p.Text = append(p.Text, fmt.Sprintf("~ nic %s: %s → %s", n.Name, words(was.XDP), words(n.XDP)))
		}
	}
	for i, g := range s.Stages {
		for _, change := range spec.Differences(now.Spec.Stages[i], g) {
			p.Text = append(p.Text, fmt.Sprintf("~ stage %s: %s", g.Name, change))
		}
	}
	return p, nil
}

func words(list []spec.Position) string {
	var out []string
	for _, p := range list {
		name := p.Name
		if p.Disabled {
			name += " (disabled)"
		}
		if p.Shadow {
			name += " (shadow)"
		}
		out = append(out, name)
	}
	return strings.Join(out, "►")
}

func diff(before, after spec.VIP) engine.VIPPlan {
	vp := engine.VIPPlan{Name: after.Name, Slots: int(after.Ring)}
	was, is := shares(before), shares(after)
	moved := 0.0
	for a, share := range was {
		moved += max(0, share-is[a])
		if after.Backend(a) == nil {
			vp.Removed++
		}
	}
	for _, b := range after.Backends {
		if before.Backend(b.Address) == nil {
			vp.Added++
		}
	}
	vp.Minimum = int(moved * float64(vp.Slots))
	vp.Moved = vp.Minimum * 107 / 100
	return vp
}

// shares is the part of new flows that each backend takes.
func shares(v spec.VIP) map[netip.Addr]float64 {
	whole := 0.0
	for _, b := range v.Backends {
		if b.TakesNew() {
			whole += float64(b.Weight)
		}
	}
	out := map[netip.Addr]float64{}
	for _, b := range v.Backends {
		if b.TakesNew() {
			out[b.Address] = float64(b.Weight) / whole
		}
	}
	return out
}

// Apply makes the spec the running one under the next generation.
func (n *Node) Apply(ctx context.Context, r engine.ApplyRequest) (*engine.Applied, error) {
	if err := n.answer(ctx); err != nil {
		return nil, fmt.Errorf("apply: %w", err)
	}
	n.mu.Lock()
	if r.Revision != "" && r.Revision != n.state.Revision {
		defer n.mu.Unlock()
		return nil, fmt.Errorf("apply: the running spec is %s, the plan was made for %s", n.state.Revision, r.Revision)
	}
	n.applied = append(n.applied, r)
	s := *n.state
	s.Generation.Active++
	s.VIPs = nil
	for i, v := range r.Spec.VIPs {
		s.VIPs = append(s.VIPs, vip(v, n.state.VIPs[i].PPS))
	}
	s.NICs = slices.Clone(s.NICs)
	for i, n := range r.Spec.NICs {
		s.NICs[i].Stages = stages(n, s.NICs[i].In.PPS)
	}
	s.Spec, s.Revision = r.Spec, fmt.Sprintf("r%d-fake", s.Generation.Active)
	if s.Generation.Deadline = (time.Time{}); r.Deadline > 0 {
		s.Generation.Deadline = s.Time.Add(r.Deadline)
	} else {
		s.Generation.Confirmed = s.Generation.Active
	}
	n.mu.Unlock()
	n.Show(&s)
	return &engine.Applied{Generation: s.Generation.Active, Revision: s.Revision, Deadline: s.Generation.Deadline, Took: 31 * time.Millisecond}, nil
}

// Clock has the node go by a test's time.
func (n *Node) Clock(now func() time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.now = now
}

// Arm arms the console for ten minutes.
func (n *Node) Arm(ctx context.Context, r engine.ArmRequest) error {
	if err := n.answer(ctx); err != nil {
		return fmt.Errorf("arm: %w", err)
	}
	n.mu.Lock()
	s := *n.state
	now := s.Time
	if n.now != nil {
		now = n.now()
	}
	n.armed = &engine.Armed{Who: r.Who, From: "pts/3", Why: r.Why, Since: now, Until: now.Add(10 * time.Minute), Own: true}
	s.Armed = n.armed
	n.mu.Unlock()
	n.Show(&s)
	return nil
}

// Disarm takes back what Arm gave.
func (n *Node) Disarm(ctx context.Context) error {
	if err := n.answer(ctx); err != nil {
		return fmt.Errorf("disarm: %w", err)
	}
	n.mu.Lock()
	n.armed = nil
	s := *n.state
	n.mu.Unlock()
	s.Armed = nil
	n.Show(&s)
	return nil
}

// Confirm keeps the running generation.
func (n *Node) Confirm(ctx context.Context, who string) error {
	if err := n.answer(ctx); err != nil {
		return fmt.Errorf("confirm: %w", err)
	}
	n.mu.Lock()
	n.confirms = append(n.confirms, who)
	s := *n.state
	n.mu.Unlock()
	s.Generation.Confirmed, s.Generation.Deadline = s.Generation.Active, time.Time{}
	n.Show(&s)
	return nil
}

// Handoff writes down what was asked.
func (n *Node) Handoff(ctx context.Context, r engine.HandoffRequest) error {
	if err := n.answer(ctx); err != nil {
		return fmt.Errorf("hand over: %w", err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.handoffs = append(n.handoffs, r)
	return nil
}

// DrainNode writes down what was asked.
func (n *Node) DrainNode(ctx context.Context, r engine.DrainRequest) error {
	if err := n.answer(ctx); err != nil {
		return fmt.Errorf("drain: %w", err)
	}
	n.mu.Lock()
	s := *n.state
	n.mu.Unlock()
	s.Drained = nil
	if !r.Back {
		s.Drained = &engine.Drained{Who: r.Who, Why: r.Why, Since: s.Time}
	}
	n.Show(&s)
	return nil
}

// WatchCosts counts who looks.
func (n *Node) WatchCosts(ctx context.Context) error {
	if err := n.answer(ctx); err != nil {
		return fmt.Errorf("watch costs: %w", err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.watched++
	return nil
}

// Watched is how often somebody said that he looks at what stages cost.
func (n *Node) Watched() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.watched
}

// Detach empties the node.
func (n *Node) Detach(ctx context.Context, who string) error {
	if err := n.answer(ctx); err != nil {
		return fmt.Errorf("detach: %w", err)
	}
	n.mu.Lock()
	n.detached = append(n.detached, who)
	n.mu.Unlock()
	n.Show(Empty())
	return nil
}

// Record makes At and Timeline answer from states, oldest first.
func (n *Node) Record(states ...*engine.State) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.recorded = states
}

// At is the newest recorded state that is not after t.
func (n *Node) At(ctx context.Context, t time.Time) (*engine.State, error) {
	if err := n.answer(ctx); err != nil {
		return nil, fmt.Errorf("at: %w", err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for i := len(n.recorded) - 1; i >= 0; i-- {
		if s := n.recorded[i]; !s.Time.After(t) {
			return s, nil
		}
	}
	return nil, fmt.Errorf("at: %w: nothing is recorded", engine.ErrInvalid)
}

// Timeline is a moment for each recorded state, and the events of the last.
func (n *Node) Timeline(ctx context.Context, from, to time.Time) (*engine.Timeline, error) {
	if err := n.answer(ctx); err != nil {
		return nil, fmt.Errorf("timeline: %w", err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	t := &engine.Timeline{}
	for _, s := range n.recorded {
		if s.Time.Before(from) || s.Time.After(to) {
			continue
		}
		in, _, drop := s.Totals()
		t.Moments = append(t.Moments, engine.Moment{Time: s.Time, Span: time.Second, In: float32(in), InPeak: float32(in), Drop: float32(drop), DropPeak: float32(drop)})
		t.Events = s.Events
	}
	t.Events = slices.DeleteFunc(slices.Clone(t.Events), func(e engine.Event) bool { return e.Time.Before(from) || e.Time.After(to) })
	return t, nil
}

// Close does nothing: the console never closes the node it was given.
func (n *Node) Close() error { return nil }
