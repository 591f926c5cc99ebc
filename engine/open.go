package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"hairpin/engine/datapath"
	"hairpin/engine/handoff"
	"hairpin/engine/nexthop"
	"hairpin/engine/privilege"
	"hairpin/engine/spec"
)

// Open makes this process the owner of the node: it adopts what is pinned, or brings back what was confirmed last, or
// else starts with what the spec file says. The engine ends with ctx or Close, and leaves the data path running.
func Open(ctx context.Context, options Options) (Node, error) {
	o := newOwner(options)
	if err := o.open(ctx); err != nil {
		return nil, err
	}
	return o, nil
}

func (o *owner) open(ctx context.Context) error {
	if err := o.acquire(); err != nil {
		return fmt.Errorf("open engine: %w", err)
	}
	if err := o.start(ctx); err != nil {
		o.abandon()
		return fmt.Errorf("open engine: %w", errors.Join(err, o.lock.Close()))
	}
	go o.listen(o.begin(ctx), nil)
	return nil
}

func newOwner(options Options) *owner {
	o := &owner{
		options: options, log: options.Log, requests: make(chan request), done: make(chan struct{}), silent: make(chan struct{}), since: time.Now(), glances: glances{last: time.Now()},
		reached: map[netip.Addr]nexthop.NextHop{}, downAt: map[uint16]time.Time{}, meters: newMeters(),
		rings: map[uint16]ringView{}, troubles: troubles{}, watchers: watchers{}, guard: newGuard(), pace: newPace(), talkPace: newPace(),
	}
	o.seat = seat{engine: o, party: ownConsole()}
	if o.log == nil {
		o.log = slog.New(slog.DiscardHandler)
	}
	o.journal.log = o.log
	o.guard.operators.spec = func() *spec.Spec {
		if s := o.State(); s != nil {
			return s.Spec
		}
		return nil
	}
	return o
}

// begin starts the loop, and returns the context of all that lives as long as the engine.
func (o *owner) begin(ctx context.Context) context.Context {
	o.recorder = newRecorder(o.options.Paths, o.options.Version)
	o.publish(time.Now())
	ctx, o.stop = context.WithCancel(ctx)
	o.turned.Store(time.Now().UnixNano())
	o.joinFleet(ctx)
	go o.run(ctx)
	go o.watchLoop(ctx)
	return ctx
}

// acquire makes the folders and takes the lock.
func (o *owner) acquire() (err error) {
	if err := privilege.Check(); err != nil {
		return err
	}
	p := o.options.Paths
	if err := errors.Join(makeFolder(p.State, 0o750), makeFolder(p.Run, 0o755)); err != nil {
		return err
	}
	if err := datapath.CheckBPFFS(p.BPFFS); err != nil {
		return err
	}
	o.lock, err = handoff.Acquire(p.Lock())
	return ownership(err)
}

// abandon lets go of everything but the lock.
func (o *owner) abandon() {
	if o.kernel != nil {
		o.kernel.Close()
	}
	o.meters.nics.close()
	if o.hops != nil {
		_ = o.hops.Close() // nothing was kept yet that the next engine would miss
	}
	if o.ns.handle.IsOpen() {
		_ = o.ns.handle.Close()
	}
}

func (o *owner) start(ctx context.Context) (err error) {
	if o.ns, err = currentNamespace(); err != nil {
		return err
	}
	o.store = storeOf(o.options.Paths.State)
	if err := o.store.make(); err != nil {
		return err
	}
	o.step("start: store made")
	o.resumeJournal()
	o.openHistory()
	o.readHealth()
	o.step("start: history opened")
	if o.hops, err = nexthop.New(); err != nil {
		return err
	}
	o.findShells(time.Now())
	o.readDrained()
	o.readFound()
	dir := datapath.Dir(o.options.Paths.BPFFS, o.options.Paths.Node)
	o.kernel, err = datapath.TakeOver(dir, o.options.Step)
	if errors.Is(err, datapath.ErrNone) {
		o.kernel, err = datapath.Create(dir)
	}
	if err != nil {
		return byABI(err)
	}
	o.kernel.Step = o.options.Step
	o.step("start: data path opened")
	if err := o.kernel.KeepPrefixCopies(filepath.Join(o.options.Paths.State, "prefixes")); err != nil {
		return err
	}
	o.meters.nics = newReceived(o.options.Paths.State, o.kernel, true)
	if err := o.kernel.LoadPrograms(); err != nil {
		return err
	}
	o.step("start: programs loaded")
	if err := o.kernel.Take(); err != nil {
		return err
	}
	o.step("start: epoch taken")
	if err := o.kernel.Sign(o.options.Version); err != nil {
		return err
	}
	if err := o.takeBack(); err != nil {
		return err
	}
	if !o.guarded {
		if err := o.kernel.RemoveOtherPrograms(); err != nil {
			return err
		}
	}
	o.kernel.Watch(false) // whoever looked, looked through the engine before
	o.kernel.EndCaptures()
	if o.kernel.Control().Active != 0 {
		return o.adopt()
	}
	return o.bringUp(ctx)
}

// adopt goes on with what the kernel runs. Nothing of it is touched but what the spec says should be there and is not.
func (o *owner) adopt() error {
	o.holdOn()
	control := o.kernel.Control()
	o.routers.adopted = true
	o.active = int(control.Active)
	o.carryAccounts()
	o.step("adopt: accounts carried")
	o.kernel.Retire()
	o.step("adopt: retired")
	if err := o.recall(); err != nil {
		// The data path goes on by itself; only its spec is not known here.
		o.journal.add(time.Now(), "crit", "engine", fmt.Sprintf("the spec of generation %d cannot be read, so the data path runs "+
			"on as it is and cannot be compared: %v; apply the spec again", o.active, err))
		return nil
	}
	o.holdAbsent()
	if control.Pending == 0 {
		_ = o.confirmOnDisk() // a problem, and no reason not to look after what runs
	}
	o.step("adopt: confirmed on disk")
	o.catchUp()
	o.step("adopt: history caught up")
	o.restore()
	var err error
	if o.attached, err = o.kernel.Attach(o.spec); err != nil {
		return err
	}
	o.step("adopt: attached")
	o.refresh()
	o.step("adopt: next hops written")
	o.kernel.LookAtPrefixFiles(o.spec, time.Now())
	o.journal.add(time.Now(), "info", "engine", fmt.Sprintf("adopted generation %d, applied by %s at %s", o.active, o.running.Who,
		o.running.Time.Format(time.DateTime)))
	if o.guarded {
		return nil // its programs follow when their way back is armed
	}
	if !o.kernel.OwnPrograms(o.active) {
		return o.upgrade()
	}
	return nil
}

// upgrade puts this build's programs into a new generation of the same spec.
func (o *owner) upgrade() error {
	if o.kernel.Control().Pending != 0 {
		o.journal.add(time.Now(), "warn", "engine", "programs of another build run until the waiting change is confirmed or back")
		return nil
	}
	_, err := o.change(ApplyRequest{Spec: o.spec, Who: engineItself, Why: "programs of this build", Force: true})
	if errors.Is(err, datapath.ErrObject) {
		o.journal.add(time.Now(), "crit", "engine", "programs of another build run on: "+err.Error())
		return nil
	}
	return err
}

// bringUp brings a node without a data path to the spec that was confirmed last, or else to the operator's file.
func (o *owner) bringUp(context.Context) error {
	o.fleet.fresh.Store(true)
	o.holdBack(hasBooted)
	s, why, err := o.firstSpec()
	if err != nil || s == nil {
		o.detachUnused()
		return err
	}
	if err := o.kernel.LoadPrefixCopies(s, time.Now()); err != nil {
		return err
	}
	_, err = o.change(ApplyRequest{Spec: s, Who: engineItself, Why: why, Force: true})
	return err
}

func (o *owner) firstSpec() (*spec.Spec, string, error) {
	confirmed, err := o.store.confirmed()
	if err == nil && confirmed != 0 {
		var r record
		var s *spec.Spec
		if r, s, err = o.store.read(confirmed); err == nil {
			return s, fmt.Sprintf("confirmed last, by %s at %s", r.Who, r.Time.Format(time.DateTime)), nil
		}
	}
	if err != nil {
		s, c, ok := o.confirmedLast()
		if !ok {
			return nil, "", fmt.Errorf("%w; remove %s to start with %s", err, o.store.confirmedFile(), o.options.Paths.SpecFile())
		}
		o.journal.add(time.Now(), "warn", "engine", "what was confirmed last is taken from the history: "+err.Error())
		return s, fmt.Sprintf("change %d of the history, by %s at %s", c.Number, c.Who, c.Time.Format(time.DateTime)), nil
	}
	name := o.options.Paths.SpecFile()
	data, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	s, err := spec.Parse(name, data)
	return s, "first start with " + name, err
}

// listen answers front ends in other processes, on l or, where that is nil, on a socket of its own.
func (o *owner) listen(ctx context.Context, l *listener) {
	defer close(o.silent)
	s := o.server()
	var err error
	if l == nil {
		err = s.serve(ctx, o.options.Paths.Socket())
	} else {
		err = s.serveOn(ctx, l)
	}
	if err != nil && ctx.Err() == nil {
		o.log.Error("the socket for other processes is closed", "error", err)
	}
}

func (o *owner) server() *server {
	s := newServer(o)
	s.observers = o.options.Observers
	return s
}
