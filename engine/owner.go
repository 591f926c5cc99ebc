package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"

	"hairpin/engine/datapath"
	"hairpin/engine/events"
	"hairpin/engine/handoff"
	"hairpin/engine/history"
	"hairpin/engine/nexthop"
	"hairpin/engine/spec"
)

// Options are how an engine is opened.
type Options struct {
	Paths   Paths
	Version string
	Log     *slog.Logger // nil: silent
	// Step is called after each effect on the kernel or the disk, with its name, and may end the process: whatever is done
	// by then must be enough to go on from. nil in production.
	Step func(name string)

	// Store is where the node's spec comes from, as of all nodes of its fleet. nil: it has its spec for itself.
	Store *Store
	// Observers lets every user of the machine look at the node. Without it, only those may who may also be armed.
	Observers bool

	// Successor is the command by which a process begins that is to take the node over: the program at binary, or the one
	// that this process was started from where that is empty. It inherits a stream as its descriptor 3, for Succeed. nil:
	// this engine cannot start one.
	Successor func(binary string) *exec.Cmd
	Contained bool     // none would outlive this process
	Arguments []string // further ones, with which a successor of this process begins
	// Stays makes a process that has handed the node over go on as an observer of its successor.
	Stays bool
	// Drop gives up what an owner does not need, before a process that has observed takes the node over. nil: it keeps all.
	Drop func()
}

// tickEvery is how often counters are read and a snapshot is made.
const tickEvery = time.Second

// owner is the engine of the process that owns the node. One goroutine, run, owns everything below loop; the others send
// it requests and read snapshots.
type owner struct {
	seat     // of this process's own console
	guard    *guard
	pace     *pace // of traces
	talkPace *pace // of answers who talks
	options  Options
	log      *slog.Logger
	lock     *handoff.Lock
	ns       namespace
	requests chan request
	done     chan struct{} // closed when run has returned
	silent   chan struct{} // closed when the socket is
	stop     context.CancelFunc
	closing  sync.Once
	state    atomic.Pointer[State]
	turned   atomic.Int64 // when the loop last came round, in ns since 1970
	recorder *recorder

	subscribers subscribers

	// loop
	kernel       *datapath.Kernel
	hops         *nexthop.Resolver
	store        store
	past         *history.Log // nil: it cannot be kept
	running      record       // of the active generation
	spec         *spec.Spec   // of the active generation; nil = nothing runs
	active       int          // the generation this engine last knew to be active
	since        time.Time    // when this process took over
	attached     []datapath.Attachment
	reached      map[netip.Addr]nexthop.NextHop // of backends
	answers      answers
	ways         wayfinder
	happened     happenings
	downAt       map[uint16]time.Time // backends that are down and still keep their flows
	journal      journal
	lists        lists // of prefixes, in files
	meters       meters
	pasts        pasts
	usuals       usuals
	senders      senders
	glances      glances
	rings        map[uint16]ringView // by VIP number
	named        vipNames
	problems     map[string]Problem // by key, of the last snapshot
	troubles     troubles
	swept        time.Time
	sshPorts     []uint16  // on which SSH servers listened when it was last looked
	shellsHidden bool      // it could not be seen, and port 22 is a guess
	watched      time.Time // when somebody last looked at what stages cost; zero = nobody does
	detached     bool

	handoff   *Handoff   // that goes on, or went on last; nil = none did
	handing   *handing   // this engine gives the node to another
	guarded   bool       // this engine has taken over, and the kernel goes back unless that is confirmed
	returns   bool       // what the successor did that failed is to be taken back
	asked     chan error // somebody wants the predecessor back, and why; nil = there is none
	comparing bool       // how clients fare is counted for a handoff
	parting   *parting   // what follows the loop; nil = nothing does
	seated    bool       // somebody sees to what follows

	probes       datapath.Probes // of the running spec
	probeTrouble error           // why some of them are not attached
	watchers     watchers
	examiner     examiner
	captures     captures  // of packets
	reporting    reporting // of connections, to load balancers
	mirroring    mirroring // of packets, to collectors
	steering     steering
	reported     reported // by agents
	checking     checking // of backends
	draining     draining
	heardBy      *spec.Spec // that both are of
	finding      finding    // of backends
	routers      routers
	drained      *Drained  // as it was asked for; nil = it was not
	quiet        time.Time // since when a drained node gets no packets
	fleet        fleeting
}

// run is the loop: requests, ticks, and what the kernel tells.
func (o *owner) run(ctx context.Context) {
	defer close(o.done)
	defer o.release()
	defer o.subscribers.hangUp()
	if err := o.ns.enter(); err != nil {
		o.log.Error("engine stops", "error", err)
		return
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ticks := time.NewTicker(tickEvery)
	defer ticks.Stop()
	changed := o.hops.Watch(ctx)
	drops := o.readDrops(ctx)
	o.followAgents(time.Now())
	o.followMirrors()
	o.followSteers()
	o.startExaminer(ctx)
	defer o.startExceptions()()
	defer func() { <-o.examiner.done }()
	defer stop()
	o.followChecks(true)
	o.followFound(time.Now())
	for {
		o.turn(time.Now())
		select {
		case <-ctx.Done():
			return
		case r := <-o.requests:
			r.carryOut()
			o.followAgents(time.Now())
			o.followMirrors()
			o.followSteers()
			o.followChecks(false)
			o.followFound(time.Now())
			o.publish(time.Now())
			close(r.finished)
			if o.parting != nil {
				return
			}
			o.getReady()
			continue
		case <-changed:
			o.refresh()
		case <-o.guard.news: // publish writes it down
		case <-o.fleet.news:
		case d := <-drops:
			if o.detached {
				continue // nothing is left that could say whose it was
			}
			o.journal.dropped(time.Now(), d, o.chainName(d.Chain), o.vipName(d.VIP))
			o.senders.note(time.Now(), d)
			continue
		case h, ok := <-o.reported.parts():
			o.hear(h, ok, time.Now())
			continue
		case now := <-o.reported.due():
			o.countAgents(now)
			continue
		case d := <-o.examiner.found:
			o.examined(time.Now(), d)
			continue
		case <-o.finding.changed():
			o.applyFound(time.Now(), "")
		case <-o.steering.changed():
			o.applyMeasures(time.Now())
		case <-o.checking.changed():
			o.heal(time.Now())
			continue
		case now := <-o.checking.due():
			o.heal(now)
			continue
		case now := <-o.reporting.due():
			o.report(now)
			continue
		case now := <-ticks.C:
			o.upkeep(now)
		}
		o.publish(time.Now())
	}
}

// release lets go of everything; the data path goes on.
func (o *owner) release() {
	o.recorder.close()
	o.mirroring.close()
	o.steering.close()
	if err := o.hops.Close(); err != nil {
		o.log.Warn("close next hops", "error", err)
	}
	if !o.detached {
		o.kernel.Watch(false)
		if o.captures.any() {
			o.kernel.EndCaptures()
		}
		o.kernel.Close()
	}
	o.meters.nics.close()
	o.reporting.close()
	o.reported.close()
	o.checking.close()
	o.finding.close()
	o.routers.stop(true)
	_ = o.ns.handle.Close()
	if o.parting != nil {
		return // the lock goes to somebody
	}
	if err := o.lock.Close(); err != nil {
		o.log.Warn("release ownership", "error", err)
	}
}

// readDrops reads sampled drops in a goroutine of its own. While the loop has no time they wait in the ring buffer, which counts
// those for which it has no room.
func (o *owner) readDrops(ctx context.Context) <-chan events.Drop {
	out := make(chan events.Drop, 64)
	reader, err := events.Open(o.kernel)
	if err != nil {
		o.journal.add(time.Now(), "warn", "engine", fmt.Sprintf("events cannot be read: %v", err))
		return out
	}
	context.AfterFunc(ctx, func() { _ = reader.Close() })
	go func() {
		for {
			d, err := reader.Read()
			if err != nil {
				return
			}
			select {
			case out <- d:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

// request is one thing for the loop to do. It is finished when a snapshot shows what it did.
type request struct {
	carryOut func()
	finished chan struct{}
}

// step says that an effect on the kernel or the disk is done.
func (o *owner) step(name string) { o.options.step(name) }

func (options Options) step(name string) {
	if options.Step != nil {
		options.Step(name)
	}
}

// do runs f in the loop and waits for it.
func do[T any](ctx context.Context, o *owner, f func() (T, error)) (value T, err error) {
	r := request{func() { value, err = f() }, make(chan struct{})}
	select {
	case o.requests <- r:
	case <-o.done:
		if o.parting != nil {
			return value, fmt.Errorf("%w: the node is being handed over; ask again in a moment", ErrRefused)
		}
		return value, fmt.Errorf("engine: %w", ErrNoOwner)
	case <-ctx.Done():
		return value, fmt.Errorf("engine: %w", ctx.Err())
	}
	<-r.finished // a request that was taken is carried out, and quickly
	return value, err
}

// State implements Node.
func (o *owner) State() *State { return o.state.Load() }

// Changed implements Node.
func (o *owner) Changed() <-chan struct{} { return o.subscribers.add() }

// Close implements Node.
func (o *owner) Close() error {
	o.closing.Do(o.stop)
	<-o.done
	<-o.silent
	o.fleet.leave()
	return nil
}

// ownership explains why the node cannot be owned.
func ownership(err error) error {
	if errors.Is(err, handoff.ErrHeld) {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return err
}
