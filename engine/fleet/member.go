package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"time"

	"hairpin/engine/spec"
)

// Node is what a member does at its own node.
type Node interface {
	// Running names the spec that runs by content. fresh: no packet was forwarded here before this process began.
	Running() (revision string, fresh bool)
	// Apply makes s the running spec, or leaves everything as it was and says why. ErrWait when it can be tried again.
	Apply(ctx context.Context, s *spec.Spec, r Revision, o Options) error
	// Worse says how the node does worse than before the last Apply; empty when it does not.
	Worse() string
}

// Options are how a spec is applied.
type Options struct {
	Watch  time.Duration // it is kept only if the node does not do worse for so long; 0 = at once
	Ground bool          // no flow here is older than it: nothing settles because of it
}

// ErrWait: a node cannot take a revision just now.
var ErrWait = errors.New("it waits")

// Config is what a member is made of.
type Config struct {
	Name, Version string // of the node, and of the program
	File          string // in which it remembers what it has
	Store         Store
	Node          Node
	Log           *slog.Logger
	Changed       func() // there is something new to show; it must not wait, nor ask the member
	Silence       time.Duration
}

// DefaultSilence is how long a node may be silent before others take it for gone.
const DefaultSilence = 10 * time.Second

// Member is one node of a fleet.
type Member struct {
	Config
	kick chan struct{} // one signal: look again
	done chan struct{}

	mu      sync.Mutex
	memory  memory
	view    View
	target  Target
	mark    int64 // of the head
	working bool
	rejoins bool // whatever it has, it takes its target again
	served  bool // it has come to a target since this process began

	recalled bool // it has gone through what it had before it booted
}

// View is what a member knows, for whoever shows it.
type View struct {
	Store   string
	Reached bool
	Since   time.Time // the store is reached, or is not
	Why     string    // it is not
	Leader  string
	Head    Head // the last that is known
	Own     int  // the revision that this node has
	Spec    string
	Left    *Left
	Failed  int
	Waits   string // why the node has not what it shall have
	Step    string // what it does now; empty = nothing
	Caught  bool   // it has what all others have at least, or will get no closer
}

// New is a member that remembers what it had. It does nothing before Run.
func New(c Config) (*Member, error) {
	m := &Member{Config: c, kick: make(chan struct{}, 1), done: make(chan struct{})}
	if m.Silence == 0 {
		m.Silence = DefaultSilence
	}
	if err := m.memory.read(c.File); err != nil {
		return nil, fmt.Errorf("fleet: %w", err)
	}
	if n := m.memory.Trying; n != 0 {
		m.memory.fail(n, m.memory.Attempt, fmt.Sprintf("the engine ended while it watched revision %d, and the kernel went back", n))
	}
	m.view = View{Store: c.Store.Name(), Since: time.Now(), Why: "it was not asked yet", Head: Head{Fleet: m.memory.Fleet}}
	return m, nil
}

// Run takes part in the fleet until ctx ends, whether the store is there or not.
func (m *Member) Run(ctx context.Context) {
	defer close(m.done)
	defer m.depart()
	if err := m.recall(ctx); err != nil {
		m.Log.Warn("fleet: what this node had is not known", "error", err)
	}
	first, last := m.Silence/10, m.Silence*3/2 // before a store that is away is asked again
	for pause := first; ctx.Err() == nil; pause = min(2*pause, last) {
		began := time.Now()
		m.away(m.stay(ctx))
		if time.Since(began) > last {
			pause = first
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause/2 + rand.N(pause)): // many lose the store at once, and must not come back at once
		}
	}
}

// Wait returns when Run has.
func (m *Member) Wait() { <-m.done }

// depart has others see at once that this node is gone.
func (m *Member) depart() {
	ctx, stop := context.WithTimeout(context.Background(), time.Second)
	defer stop()
	_ = m.Store.Leave(ctx) // else its lease runs out
	_ = m.Store.Close()
}

// away notes that the store cannot be had.
func (m *Member) away(why error) {
	m.mu.Lock()
	if m.view.Reached {
		m.view.Reached, m.view.Since = false, time.Now()
	}
	if why != nil {
		m.view.Why = strings.ReplaceAll(why.Error(), "\n", "; ")
	}
	m.mu.Unlock()
	m.Changed()
}

// stay takes part for as long as the store is there.
func (m *Member) stay(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	lost, err := m.Store.Join(ctx, m.Silence)
	if err != nil {
		return err
	}
	at, err := m.enter(ctx)
	if err != nil {
		return err
	}
	all, targets := m.Store.Follow(ctx, "all/", at), m.Store.Follow(ctx, m.targetKey(m.Name), at)
	m.wake()
	ticks := time.NewTicker(time.Second)
	defer ticks.Stop()
	go m.lead(ctx)
	var said Status
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-lost:
			return errors.New("the store has not answered for too long")
		case b, ok := <-all:
			err = m.hear(b, ok)
		case b, ok := <-targets:
			err = m.hear(b, ok)
		case <-m.kick:
		case <-ticks.C:
		}
		if err == nil {
			m.look(ctx)
			err = m.say(ctx, &said)
		}
		if err != nil {
			return err
		}
	}
}

// enter reads what there is, founds the fleet where there is none, and refuses another one.
func (m *Member) enter(ctx context.Context) (at int64, err error) {
	items, at, err := m.Store.List(ctx, "all/")
	if err != nil {
		return 0, err
	}
	if len(items) == 0 && m.known() == "" {
		first, err := json.Marshal(Head{Fleet: fmt.Sprintf("%016x", rand.Uint64()), Phase: Done})
		if err == nil {
			err = m.Store.Write(ctx, []When{{headKey, 0}}, []Put{{Key: headKey, Value: first}})
		}
		if err != nil && !errors.Is(err, ErrMoved) { // somebody else was quicker
			return 0, err
		}
		if items, at, err = m.Store.List(ctx, "all/"); err != nil {
			return 0, err
		}
	}
	if err := m.hear(Batch{Items: items}, true); err != nil {
		return 0, err
	}
	if err := m.same(len(items) == 0); err != nil {
		return 0, err
	}
	target, err := m.Store.Get(ctx, m.targetKey(m.Name))
	if err == nil {
		err = m.hear(Batch{Items: []Item{target}}, true)
	}
	if err == nil {
		err = m.Store.Write(ctx, []When{{membersKey + m.Name, 0}}, []Put{{Key: membersKey + m.Name, Value: []byte(time.Now().Format(time.RFC3339))}})
	}
	if err != nil && !errors.Is(err, ErrMoved) { // it is one already
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.view.Reached, m.view.Since, m.view.Why = true, time.Now(), ""
	return at, nil
}

func (m *Member) targetKey(node string) string { return targetsKey + node + "/" }

func (m *Member) known() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.memory.Fleet
}

// same refuses a store with another fleet than this node has been in: that would replace what runs by somebody else's.
func (m *Member) same(empty bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	const cure = `; if it is meant to be there: hairpin fleet rejoin --new`
	switch {
	case empty:
		return fmt.Errorf("%w: the store has no fleet below this prefix any more, and this node belongs to fleet %s: it was emptied, or is another"+cure,
			ErrOther, m.memory.Fleet)
	case m.memory.Fleet != "" && m.memory.Fleet != m.view.Head.Fleet:
		return fmt.Errorf("%w: fleet %s is in the store, and this node belongs to fleet %s: are endpoints and prefix right?"+cure,
			ErrOther, m.view.Head.Fleet, m.memory.Fleet)
	case m.memory.Fleet == "":
		if err := os.RemoveAll(string(m.had())); err != nil { // of a fleet before
			return err
		}
		m.memory.Fleet = m.view.Head.Fleet
		return m.memory.write(m.File)
	}
	return nil
}

// hear takes what changed in the store.
func (m *Member) hear(b Batch, ok bool) error {
	if b.Err != nil {
		return b.Err
	}
	if !ok {
		return errors.New("the store tells no changes any more")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, i := range b.Items {
		var err error
		switch i.Key {
		case headKey:
			var h Head
			if err = json.Unmarshal(i.Value, &h); err == nil {
				m.view.Head, m.mark = h, i.Mark
			}
		case leaderKey:
			m.view.Leader = string(i.Value)
		case m.targetKey(m.Name):
			m.target = Target{}
			if i.Mark != 0 {
				err = json.Unmarshal(i.Value, &m.target)
			}
		}
		if err != nil {
			return fmt.Errorf("what the store says is not understood: %s: %w", i.Key, err)
		}
	}
	m.Changed()
	return nil
}

// wake has the loop look again.
func (m *Member) wake() {
	select {
	case m.kick <- struct{}{}:
	default:
	}
}

// say tells the others how this node stands, where that is new.
func (m *Member) say(ctx context.Context, said *Status) error {
	now := m.status()
	now.Since = said.Since
	if now == *said {
		return nil
	}
	now.Since = time.Now()
	text, err := json.Marshal(now)
	if err == nil {
		err = m.Store.Write(ctx, nil, []Put{{Key: nodesKey + m.Name, Value: text, Leased: true}})
	}
	if err == nil {
		*said = now
	}
	return err
}

func (m *Member) status() Status {
	running, _ := m.Node.Running()
	m.mu.Lock()
	defer m.mu.Unlock()
	s := Status{Node: m.Name, Version: m.Version, Number: m.memory.Number, Trying: m.memory.Trying, Failed: m.memory.Failed, Attempt: m.memory.Attempt,
		Why: m.memory.Why, Spec: running, Host: m.memory.Host}
	if m.memory.Left != nil {
		s.Left = m.memory.Left.String()
	}
	if s.Why == "" {
		s.Why = m.view.Waits
	}
	s.Drift = drift(m.memory, running)
	return s
}

// drift says why what runs is not what the node's revision says.
func drift(m memory, running string) string {
	switch {
	case m.Number == 0 || m.Spec == running || m.Trying != 0:
		return ""
	case m.Left != nil:
		return "changed here while it is out of the fleet"
	}
	return fmt.Sprintf("spec %s runs, revision %d says %s", running, m.Number, m.Spec)
}

// View is what is known now.
func (m *Member) View() View {
	m.mu.Lock()
	defer m.mu.Unlock()
	v := m.view
	v.Own, v.Spec, v.Left, v.Failed = m.memory.Number, m.memory.Spec, m.memory.Left, m.memory.Failed
	if v.Failed != 0 {
		v.Waits = m.memory.Why
	}
	if m.memory.Trying != 0 {
		v.Spec = ""
	}
	v.Caught = m.caught()
	return v
}

// caught tells whether nothing is to be waited for before this node is used. What it remembers of a revision is not enough: where its
// data path is new, it passes through those that others may still settle.
func (m *Member) caught() bool {
	k, h := m.memory, m.view.Head
	switch {
	case k.Left != nil:
		return true
	case !m.view.Reached && !m.served:
		return false
	case h.Number == 0, k.Failed == h.Number, m.target.Number == 0 && k.Number == h.Number:
		return true
	}
	return m.served && k.Number >= h.ground()
}
