package paths

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Ask sends one probe with a mark to an address, of port 0 a ping, and returns when it is answered, or why it was not.
// Sent is false where it could not be sent, which says nothing of the path.
type Ask func(ctx context.Context, to netip.AddrPort, mark uint32, timeout time.Duration) (took time.Duration, sent bool, err error)

// Group is paths that are measured by the same probe.
type Group struct {
	Key      string
	To       netip.AddrPort
	Interval time.Duration
	Timeout  time.Duration
	Fall     int
	Rise     int
	Marks    []uint32 // of the sockets by which each is measured
	Weights  []uint32 // as given
}

func (g Group) equal(o Group) bool {
	return g.Key == o.Key && g.To == o.To && g.Interval == o.Interval && g.Timeout == o.Timeout && g.Fall == o.Fall && g.Rise == o.Rise &&
		slices.Equal(g.Marks, o.Marks) && slices.Equal(g.Weights, o.Weights)
}

// Verdict is what a group's paths are worth.
type Verdict struct {
	Known   bool // enough was measured; else what was before stays
	Held    bool // no path is alive, so none is left
	Weights []uint32
	Facts   []Fact
}

// Prober measures paths. Its methods may be called from any goroutine.
type Prober struct {
	ask     Ask
	changed chan struct{}
	running sync.WaitGroup

	mu     sync.Mutex // below
	groups map[string]*group
}

// group is one that is measured. What stands behind mu is the prober's to lock.
type group struct {
	Group
	stop   context.CancelFunc
	meters []meter
	scales scales
	known  bool
	held   bool
}

// New is a prober that measures whatever Follow says.
func New(ask Ask) *Prober {
	return &Prober{ask: ask, changed: make(chan struct{}, 1), groups: map[string]*group{}}
}

// Changed is signalled when a verdict became another; one signal stands for many.
func (p *Prober) Changed() <-chan struct{} { return p.changed }

// Follow makes these the groups that are measured. What is known of one that was measured before in the same way stays.
func (p *Prober) Follow(groups []Group) {
	p.mu.Lock()
	defer p.mu.Unlock()
	next := map[string]*group{}
	for _, g := range groups {
		if have := p.groups[g.Key]; have != nil && have.equal(g) {
			next[g.Key] = have
			delete(p.groups, g.Key)
			continue
		}
		next[g.Key] = p.begin(g)
	}
	for _, old := range p.groups {
		old.stop()
	}
	p.groups = next
}

// Close ends all measuring.
func (p *Prober) Close() {
	p.Follow(nil)
	p.running.Wait()
}

func (p *Prober) begin(of Group) *group {
	ctx, stop := context.WithCancel(context.Background())
	g := &group{Group: of, stop: stop, meters: make([]meter, len(of.Marks))}
	for i := range g.meters {
		g.meters[i] = meter{fall: of.Fall, rise: of.Rise}
		p.running.Go(func() { p.measure(ctx, g, i) })
	}
	return g
}

// measure sends a probe by one path each interval, until ctx ends.
func (p *Prober) measure(ctx context.Context, g *group, path int) {
	ticks := time.NewTicker(g.Interval)
	defer ticks.Stop()
	for {
		took, sent, err := p.ask(ctx, g.To, g.Marks[path], g.Timeout)
		if ctx.Err() != nil {
			return
		}
		p.note(g, path, took, sent, err)
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return
		}
	}
}

func (p *Prober) note(g *group, path int, took time.Duration, sent bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := &g.meters[path]
	if !sent {
		m.fact.Why = err.Error()
		return
	}
	why := ""
	if err != nil {
		why = err.Error()
	}
	m.note(took, why)
	if g.weigh(time.Now()) {
		select {
		case p.changed <- struct{}{}:
		default:
		}
	}
}

// weigh tells whether the verdict is another since the last probe.
func (g *group) weigh(now time.Time) bool {
	facts := g.facts()
	states := make([]State, len(facts))
	for i, f := range facts {
		if states[i] = f.State; !f.Enough() {
			return false
		}
	}
	first := !g.known
	weights, held := Weights(g.Weights, facts)
	g.known, g.held = true, held
	return g.scales.weigh(now, g.Interval, weights, states) || first
}

func (g *group) facts() []Fact {
	facts := make([]Fact, len(g.meters))
	for i := range g.meters {
		facts[i] = g.meters[i].fact
	}
	return facts
}

// Verdicts are those of all groups, by key.
func (p *Prober) Verdicts() map[string]Verdict {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := map[string]Verdict{}
	for key, g := range p.groups {
		all[key] = Verdict{g.known, g.held, slices.Clone(g.scales.inForce), g.facts()}
	}
	return all
}
