package discover

import (
	"context"
	"sync"
	"time"

	"hairpin/engine/spec"
)

// Finder follows the sources of the VIPs of a spec, each in a goroutine of its own. Its methods may be called from any
// goroutine.
type Finder struct {
	enter   func() error
	source  func(*spec.VIP, func() error) Source // sourceOf
	changed chan struct{}
	all     sync.WaitGroup

	lock     sync.Mutex // below
	followed map[string]*followed
}

// followed is one VIP whose source is followed.
type followed struct {
	vip   spec.VIP // as it was when that began
	stop  context.CancelFunc
	judge *Judge
	gone  bool
}

// New is a finder that follows nothing yet. enter binds the calling goroutine to a thread in the network namespace from which
// sources are asked.
func New(enter func() error) *Finder {
	return &Finder{enter: enter, source: sourceOf, changed: make(chan struct{}, 1), followed: map[string]*followed{}}
}

// Changed is signalled when a source has said something; one signal stands for many.
func (f *Finder) Changed() <-chan struct{} { return f.changed }

// Follow makes the sources of s those that are followed. What is believed of one that goes on stays; another begins with what
// s has found.
func (f *Finder) Follow(s *spec.Spec) {
	f.lock.Lock()
	defer f.lock.Unlock()
	before := f.followed
	f.followed = map[string]*followed{}
	if s != nil {
		for i := range s.VIPs {
			v := &s.VIPs[i]
			if v.From == nil {
				continue
			}
			one := before[v.Name]
			if one == nil || !one.vip.AsksAsBefore(v) {
				one = f.begin(v)
			}
			one.judge.Heed(v.From)
			f.followed[v.Name] = one
		}
	}
	for name, old := range before {
		if f.followed[name] != old {
			old.gone = true
			old.stop()
		}
	}
}

func (f *Finder) begin(v *spec.VIP) *followed {
	ctx, stop := context.WithCancel(context.Background())
	one := &followed{vip: *v, stop: stop, judge: NewJudge(v.From, v.Discovered())}
	source := f.source(&one.vip, f.enter)
	f.all.Go(func() { source.Follow(ctx, func(a Answer) { f.hear(one, a) }) })
	return one
}

func (f *Finder) hear(one *followed, a Answer) {
	f.lock.Lock()
	defer f.lock.Unlock()
	if one.gone {
		return
	}
	one.judge.Hear(time.Now(), a)
	select {
	case f.changed <- struct{}{}:
	default:
	}
}

// Opinions are what is believed of the VIPs that are followed, by name.
func (f *Finder) Opinions(now time.Time) map[string]Opinion {
	f.lock.Lock()
	defer f.lock.Unlock()
	all := make(map[string]Opinion, len(f.followed))
	for name, one := range f.followed {
		all[name] = one.judge.Opinion(now)
	}
	return all
}

// Accept believes what the source of a VIP said last. It is false when none is followed of that name.
func (f *Finder) Accept(name string, now time.Time) (known bool, err error) {
	f.lock.Lock()
	defer f.lock.Unlock()
	one := f.followed[name]
	if one == nil {
		return false, nil
	}
	return true, one.judge.Accept(now)
}

// Close ends all, and waits for it.
func (f *Finder) Close() {
	f.Follow(nil)
	f.all.Wait()
}
