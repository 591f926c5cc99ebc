package health

import (
	"container/heap"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"hairpin/engine/spec"
)

const (
	mostRunning = 4096 // checks at a time
	jitter      = 10   // an interval is up to one part of so many shorter
	spread      = 2 * time.Millisecond
)

// Options are how a Prober works.
type Options struct {
	Enter func() error // binds the calling goroutine to a thread in the network namespace of the checks
	Facts []Fact       // what is known already
}

// Prober checks backends. Its methods may be called from any goroutine.
type Prober struct {
	changed chan struct{}
	wake    chan struct{}
	results chan result
	asker   *asker
	stop    context.CancelFunc
	ended   chan struct{}

	lock    sync.Mutex // below
	targets map[Key]*target
	known   map[Key]Fact // of targets that are not checked yet
	queue   queue
	running int
	late    time.Duration // by which a check that was due last had to wait for others
	lateAt  time.Time
	checks  uint64
}

// result is what one check came to.
type result struct {
	probe   *probe
	started time.Time
	took    time.Duration
	err     error // nil = it succeeded
}

// New begins to check whatever Follow says.
func New(o Options) *Prober {
	ctx, stop := context.WithCancel(context.Background())
	p := &Prober{changed: make(chan struct{}, 1), wake: make(chan struct{}, 1), results: make(chan result, mostRunning), stop: stop,
		ended: make(chan struct{}), asker: newAsker(ctx, o.Enter), targets: map[Key]*target{}, known: map[Key]Fact{}}
	for _, f := range o.Facts {
		p.known[f.Key] = f
	}
	go p.run(ctx)
	return p
}

// Close ends all checks, those that are being carried out too.
func (p *Prober) Close() {
	p.stop()
	<-p.ended
	p.asker.wait()
}

// Changed is signalled when the state of a backend became another; one signal stands for many.
func (p *Prober) Changed() <-chan struct{} { return p.changed }

// Follow makes these the backends that are checked. What is known of one that was checked before stays.
func (p *Prober) Follow(targets []Target) {
	p.lock.Lock()
	defer p.lock.Unlock()
	now := time.Now()
	next := make(map[Key]*target, len(targets))
	var fresh []*probe
	for _, t := range targets {
		if have := p.targets[t.Key]; have != nil && have.same(t) {
			next[t.Key] = have
			continue
		}
		known := p.known[t.Key]
		if have := p.targets[t.Key]; have != nil {
			known = have.fact(now)
		}
		next[t.Key] = newTarget(t, known, now)
		fresh = append(fresh, next[t.Key].probes...)
	}
	for key, old := range p.targets {
		if next[key] == old {
			continue
		}
		for _, pr := range old.probes {
			pr.gone = true
			p.queue.drop(pr)
		}
	}
	p.targets, p.known = next, map[Key]Fact{}
	for _, pr := range fresh {
		within := pr.machine.check.Interval
		if pr.machine.state == Unknown { // whoever waits for the first answer waits for less
			within = min(within, time.Duration(len(fresh))*spread)
		}
		pr.due = now.Add(time.Duration(rand.Int64N(int64(within))))
		heap.Push(&p.queue, pr)
	}
	signal(p.wake)
	signal(p.changed) // whoever is followed since may be known to be down
}

// same tells whether t says nothing new.
func (t *target) same(o Target) bool {
	return t.Key == o.Key && t.Address == o.Address && t.Protocol == o.Protocol && t.Port == o.Port && t.Mark == o.Mark && t.Health == o.Health && t.Target.Unsent == o.Unsent &&
		slices.EqualFunc(t.Checks, o.Checks, spec.Check.Equal)
}

// Facts are what is known of all backends that are followed.
func (p *Prober) Facts() map[Key]Fact {
	p.lock.Lock()
	defer p.lock.Unlock()
	now := time.Now()
	all := make(map[Key]Fact, len(p.targets))
	for key, t := range p.targets {
		all[key] = t.fact(now)
	}
	return all
}

// Load is what checking costs.
type Load struct {
	Checks  uint64        // ever
	Running int           // now
	Late    time.Duration // by which checks are later than they should be, for want of room
}

// Load says how much there is to do, and whether it is too much.
func (p *Prober) Load() Load {
	p.lock.Lock()
	defer p.lock.Unlock()
	l := Load{Checks: p.checks, Running: p.running}
	if time.Since(p.lateAt) < time.Second {
		l.Late = p.late
	}
	return l
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// run begins checks when they are due, and takes what they come to.
func (p *Prober) run(ctx context.Context) {
	defer close(p.ended)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		timer.Reset(p.begin(ctx))
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-p.wake:
		case r := <-p.results:
			p.take(r)
		}
	}
}

// begin starts what is due, and says when to look again.
func (p *Prober) begin(ctx context.Context) time.Duration {
	p.lock.Lock()
	defer p.lock.Unlock()
	for len(p.queue) > 0 {
		next := p.queue[0]
		wait := time.Until(next.due)
		if wait > 0 {
			return wait
		}
		if p.running >= mostRunning {
			return time.Hour // a result comes first
		}
		if late := -wait; late > next.machine.check.Interval/2 {
			p.late, p.lateAt = late, time.Now()
		}
		heap.Pop(&p.queue)
		p.running++
		p.checks++
		go p.carryOut(ctx, next, next.machine.timeout())
	}
	return time.Hour
}

func (p *Prober) carryOut(ctx context.Context, next *probe, timeout time.Duration) {
	r := result{probe: next, started: time.Now()}
	r.err = p.asker.ask(ctx, next.of.Target, next.machine.check, timeout)
	r.took = time.Since(r.started)
	select {
	case p.results <- r:
	case <-ctx.Done():
	}
}

// take notes what a check came to, and when the next one is.
func (p *Prober) take(r result) {
	p.lock.Lock()
	defer p.lock.Unlock()
	p.running--
	now, pr := time.Now(), r.probe
	if pr.gone {
		return
	}
	var unsent *unsentError
	t := pr.of
	switch {
	case errors.As(r.err, &unsent):
		t.unsent = unsent.Error()
	case r.err != nil:
		t.unsent = ""
		pr.machine.fail(now, r.err.Error())
	default:
		t.unsent = ""
		pr.machine.succeed(now, r.took)
	}
	if t.settle(now) {
		signal(p.changed)
	}
	interval := pr.machine.check.Interval
	pr.due = r.started.Add(interval - time.Duration(rand.Int64N(int64(interval)/jitter)))
	if pr.due.Before(now) {
		pr.due = now
	}
	heap.Push(&p.queue, pr)
}
