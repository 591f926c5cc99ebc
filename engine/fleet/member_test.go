package fleet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hairpin/engine/spec"
)

// fakeNode takes whatever it is given, unless it is told not to.
type fakeNode struct {
	mu      sync.Mutex
	running *spec.Spec
	fresh   bool
	refuses error
	worse   string
	hold    chan struct{} // not nil: Apply waits for it
	took    []string      // numbers, with g for ground and w for watched
}

func (n *fakeNode) Running() (string, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return spec.Revision(n.running), n.fresh
}

func (n *fakeNode) Apply(ctx context.Context, s *spec.Spec, r Revision, o Options) error {
	n.mu.Lock()
	hold, err := n.hold, n.refuses
	n.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	word := fmt.Sprint(r.Number)
	if o.Ground {
		word += "g"
	}
	if o.Watch > 0 {
		word += "w"
	}
	n.running, n.fresh, n.took = s, false, append(n.took, word)
	return nil
}

func (n *fakeNode) Worse() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.worse
}

func (n *fakeNode) set(change func(*fakeNode)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	change(n)
}

// crew is a fleet of fake nodes.
type crew struct {
	t       *testing.T
	world   *world
	members map[string]*Member
	nodes   map[string]*fakeNode
	desks   map[string]*desk
	stops   map[string]context.CancelFunc
	dir     string
}

func newCrew(t *testing.T, names ...string) *crew {
	c := &crew{t, newWorld(), map[string]*Member{}, map[string]*fakeNode{}, map[string]*desk{}, map[string]context.CancelFunc{}, t.TempDir()}
	for _, name := range names {
		c.start(name, &fakeNode{})
	}
	return c
}

// start is an engine that begins at a node, with what the one before left on the disk.
func (c *crew) start(name string, node *fakeNode) *Member {
	c.t.Helper()
	return c.startOn(name, c.world.desk(name), node)
}

func (c *crew) startOn(name string, d *desk, node *fakeNode) *Member {
	c.t.Helper()
	m, err := New(Config{Name: name, File: filepath.Join(c.dir, name), Store: d, Node: node, Log: slog.New(slog.DiscardHandler), Changed: func() {}})
	if err != nil {
		c.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	c.members[name], c.nodes[name], c.desks[name], c.stops[name] = m, node, d, stop
	go m.Run(ctx)
	c.t.Cleanup(func() { stop(); m.Wait() })
	return m
}

// await waits until why is empty.
func await(t *testing.T, why func() string) {
	t.Helper()
	last := ""
	for limit := time.Now().Add(time.Minute); time.Now().Before(limit); time.Sleep(5 * time.Millisecond) {
		if last = why(); last == "" {
			return
		}
	}
	t.Fatal(last)
}

// reaches waits until the named nodes have a revision, and the fleet stands so.
func (c *crew) reaches(number int, phase Phase, names ...string) {
	c.t.Helper()
	await(c.t, func() string {
		for _, name := range names {
			if v := c.members[name].View(); v.Own != number || v.Head.Number != number || v.Head.Phase != phase {
				return fmt.Sprintf("%s: %+v", name, v)
			}
		}
		return ""
	})
}

func (c *crew) joined(names ...string) {
	c.t.Helper()
	await(c.t, func() string {
		for _, name := range names {
			if v := c.members[name].View(); !v.Reached || v.Leader == "" {
				return fmt.Sprintf("%s: %+v", name, v)
			}
		}
		return ""
	})
}

func (c *crew) apply(at string, text string) {
	c.t.Helper()
	if _, err := c.members[at].Apply(c.t.Context(), Ask{Who: "ann", Why: "test"}, []byte(text), 0); err != nil {
		c.t.Fatal(err)
	}
}

const plainDocument = `version: 1
nics: {eth0: {xdp: [balancer]}}
vips:
  - name: web
    addresses: [10.99.0.1]
    port: 80
    protocol: tcp
    backends: [{address: 10.1.1.11}, {address: 10.1.1.12}]
`

// agreed is a crew that has its first revision.
func agreed(t *testing.T, names ...string) *crew {
	t.Helper()
	c := newCrew(t, names...)
	c.joined(names...)
	c.apply(names[0], plainDocument)
	c.reaches(1, Done, names...)
	return c
}

func weighed(weight int) string {
	return strings.Replace(plainDocument, "10.1.1.12}", fmt.Sprintf("10.1.1.12, weight: %d}", weight), 1)
}

func TestOneAfterTheOther(t *testing.T) {
	t.Parallel()
	c := agreed(t, "a", "b", "c")
	hold := make(chan struct{})
	for _, n := range c.nodes {
		n.set(func(n *fakeNode) { n.hold = hold })
	}
	c.apply("c", weighed(7))
	for range 3 { // each once the one before has it
		hold <- struct{}{}
	}
	c.reaches(2, Done, "a", "b", "c")
	for name, n := range c.nodes {
		if fmt.Sprint(n.took) != "[1w 2w]" || n.running.VIPs[0].Backends[1].Weight != 7 {
			t.Errorf("%s took %v", name, n.took)
		}
	}
}

// TestBackTogether: where one node does worse, all go back to what they had, and those that come later never see it.
func TestBackTogether(t *testing.T) {
	t.Parallel()
	c := agreed(t, "a", "b", "c")
	c.nodes["b"].set(func(n *fakeNode) { n.refuses = errors.New("it drops more") })
	c.apply("a", weighed(7))
	c.reaches(3, Returned, "a", "b", "c")
	if v := c.members["a"].View(); v.Head.Reason != "b: it drops more" || v.Head.Of != 1 {
		t.Errorf("%+v", v.Head)
	}
	if a, b := fmt.Sprint(c.nodes["a"].took), fmt.Sprint(c.nodes["c"].took); a != "[1w 2w 3w]" || b != "[1w]" {
		t.Errorf("a took %s and c %s: c had it all the time", a, b)
	}
	if w := c.nodes["a"].running.VIPs[0].Backends[1].Weight; w != spec.DefaultWeight {
		t.Errorf("weight %d runs", w)
	}
}

// TestWorseLater: a node that has kept a revision may still end it while others take it.
func TestWorseLater(t *testing.T) {
	t.Parallel()
	c := agreed(t, "a", "b")
	c.nodes["b"].set(func(n *fakeNode) { n.hold = make(chan struct{}) })
	c.apply("a", weighed(7))
	c.reaches(2, Running, "a")
	c.nodes["a"].set(func(n *fakeNode) { n.worse = "no VIP has a backend" })
	c.reaches(3, Returning, "a")
	c.nodes["a"].set(func(n *fakeNode) { n.worse = "" })
	c.nodes["b"].set(func(n *fakeNode) { close(n.hold) })
	c.reaches(3, Returned, "a", "b")
}

func TestSilentNode(t *testing.T) {
	t.Parallel()
	c := agreed(t, "a", "b", "c")
	c.nodes["b"].set(func(n *fakeNode) { n.hold = make(chan struct{}) })
	c.apply("a", weighed(7))
	await(t, func() string { return c.members["b"].View().Step[:0] + stillWithout(c.members["b"].View().Step) })
	c.desks["b"].cut(true)
	c.reaches(3, Returned, "a", "c")
	if v := c.members["a"].View(); !strings.HasPrefix(v.Head.Reason, "b fell silent") {
		t.Errorf("%+v", v.Head)
	}
	v := c.members["b"].View()
	if v.Reached || v.Why == "" || v.Own != 1 {
		t.Errorf("b does not say that it is alone: %+v", v)
	}
	c.desks["b"].cut(false)
	c.nodes["b"].set(func(n *fakeNode) { close(n.hold) })
	c.reaches(3, Returned, "b")
}

func stillWithout(step string) string {
	if step == "" {
		return "it was not asked"
	}
	return ""
}

// TestLeaderGone: another goes on where it was.
func TestLeaderGone(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "a", "b", "c")
	c.joined("a", "b", "c")
	leader := c.members["a"].View().Leader
	rest := slices.DeleteFunc([]string{"a", "b", "c"}, func(n string) bool { return n == leader })
	hold := make(chan struct{})
	c.nodes[rest[0]].set(func(n *fakeNode) { n.hold = hold })
	c.apply(rest[0], plainDocument)
	c.stops[leader]() // it leaves in the middle, which is no fault: it had not to take anything, or has
	c.members[leader].Wait()
	close(hold)
	await(t, func() string {
		v := c.members[rest[0]].View()
		if v.Leader == leader || v.Own != v.Head.Number && v.Head.Phase != Stopped {
			return fmt.Sprintf("%+v", v)
		}
		return ""
	})
}

// TestTwoConsoles: of two edits of one revision, one becomes the next, and the other is told whose it was.
func TestTwoConsoles(t *testing.T) {
	t.Parallel()
	c := agreed(t, "a", "b")
	var wrong []error
	var both sync.WaitGroup
	errs := make(chan error, 2)
	for i, name := range []string{"a", "b"} {
		both.Go(func() {
			next, err := spec.SetWeight(c.nodes[name].running, "web", netip.MustParseAddr("10.1.1.11"), uint32(10+i))
			if err == nil {
				_, err = c.members[name].Edit(t.Context(), Ask{Who: "at " + name, Why: "both"}, next)
			}
			errs <- err
		})
	}
	both.Wait()
	for range 2 {
		if err := <-errs; err != nil {
			wrong = append(wrong, err)
		}
	}
	if len(wrong) != 1 || !errors.Is(wrong[0], ErrMoved) && !errors.Is(wrong[0], ErrBusy) || !strings.Contains(wrong[0].Error(), "2 by at ") {
		t.Fatalf("%v", wrong)
	}
	c.reaches(2, Done, "a", "b")
	if !c.nodes["a"].running.Equal(c.nodes["b"].running) {
		t.Error("they differ")
	}
}

func TestStopResumeBack(t *testing.T) {
	t.Parallel()
	c := agreed(t, "a", "b")
	hold := make(chan struct{})
	c.nodes["a"].set(func(n *fakeNode) { n.hold = hold })
	c.apply("a", weighed(7))
	ask := Ask{Who: "bob", Why: "it is 3 in the morning"}
	if err := c.members["b"].Stop(t.Context(), ask); err != nil {
		t.Fatal(err)
	}
	close(hold)
	await(t, func() string {
		if v := c.members["b"].View(); v.Head.Phase != Stopped || v.Head.By != "bob" {
			return fmt.Sprintf("%+v", v)
		}
		return ""
	})
	if err := c.members["a"].Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.reaches(2, Done, "a", "b")
	if err := c.members["b"].Back(t.Context(), ask); err != nil {
		t.Fatal(err)
	}
	c.reaches(3, Returned, "a", "b")
	if w := c.nodes["b"].running.VIPs[0].Backends[1].Weight; w != spec.DefaultWeight {
		t.Errorf("weight %d runs", w)
	}
	if err := c.members["b"].Back(t.Context(), ask); !errors.Is(err, ErrBusy) {
		t.Errorf("back from a return: %v", err)
	}
}

// TestOutOfTheFleet: whoever took a node out has it alone, until it comes back.
func TestOutOfTheFleet(t *testing.T) {
	t.Parallel()
	c := agreed(t, "a", "b")
	if err := c.members["b"].Leave(Ask{Who: "ann", Why: "incident 7"}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.members["b"].Edit(t.Context(), Ask{}, c.nodes["b"].running); !errors.Is(err, ErrBusy) {
		t.Errorf("it speaks for the fleet: %v", err)
	}
	mine, err := spec.SetWeight(c.nodes["b"].running, "web", netip.MustParseAddr("10.1.1.11"), 1)
	if err != nil {
		t.Fatal(err)
	}
	c.nodes["b"].set(func(n *fakeNode) { n.running = mine })
	await(t, func() string {
		nodes, err := c.members["a"].Nodes(t.Context())
		if err != nil || len(nodes) != 2 || nodes[1].Status.Left != "ann: incident 7" || nodes[1].Status.Drift == "" {
			return fmt.Sprintf("%+v %v", nodes, err)
		}
		return ""
	})
	c.apply("a", weighed(7))
	c.reaches(2, Done, "a")
	if v := c.members["b"].View(); v.Own != 1 {
		t.Errorf("it was not left alone: %+v", v)
	}
	if err := c.members["b"].Rejoin(false); err != nil {
		t.Fatal(err)
	}
	c.reaches(2, Done, "a", "b")
	if !c.nodes["a"].running.Equal(c.nodes["b"].running) {
		t.Error("they differ")
	}
}

// TestCatchUp: a node without the store keeps what it has, and then goes through what it missed; one whose data path is new
// begins with what all had.
func TestCatchUp(t *testing.T) {
	t.Parallel()
	c := agreed(t, "a", "b")
	c.desks["b"].cut(true)
	await(t, func() string {
		if v := c.members["b"].View(); v.Reached {
			return fmt.Sprintf("%+v", v)
		}
		return ""
	})
	for n := 2; n < 5; n++ {
		c.apply("a", weighed(n))
		c.reaches(n, Done, "a")
	}
	if v := c.members["b"].View(); v.Own != 1 {
		t.Errorf("%+v", v)
	}
	if _, err := c.members["b"].Edit(t.Context(), Ask{}, c.nodes["b"].running); err == nil || !strings.Contains(err.Error(), "hairpin fleet leave") {
		t.Errorf("an edit without the store: %v", err)
	}
	c.desks["b"].cut(false)
	c.reaches(4, Done, "b")
	if took := fmt.Sprint(c.nodes["b"].took); took != "[1w 2 3 4w]" {
		t.Errorf("it took %s", took)
	}
	c.stops["b"]()
	c.members["b"].Wait()
	b := &fakeNode{running: c.nodes["b"].running, fresh: true}
	c.start("b", b)
	await(t, func() string {
		b.mu.Lock()
		defer b.mu.Unlock()
		if fmt.Sprint(b.took) != "[1g 2 3 4]" { // none of them is older than a settle time
			return fmt.Sprint(b.took)
		}
		return ""
	})
}

// TestEndedWhileWatching: what an engine did not live to keep, the next one says failed.
func TestEndedWhileWatching(t *testing.T) {
	t.Parallel()
	c := agreed(t, "a")
	c.nodes["a"].set(func(n *fakeNode) { n.hold = make(chan struct{}) })
	c.apply("a", weighed(7))
	await(t, func() string { return stillWithout(c.members["a"].View().Step) })
	c.stops["a"]()
	c.members["a"].Wait()
	c.start("a", &fakeNode{running: c.nodes["a"].running})
	c.reaches(3, Returned, "a")
	if v := c.members["a"].View(); !strings.Contains(v.Head.Reason, "the engine ended while it watched revision 2") {
		t.Errorf("%+v", v.Head)
	}
}

// TestAnotherFleet: a store with another fleet in it, or with none any more, changes nothing here.
func TestAnotherFleet(t *testing.T) {
	t.Parallel()
	c := agreed(t, "a")
	c.stops["a"]()
	c.members["a"].Wait()
	c.world = newWorld()
	m := c.start("a", c.nodes["a"])
	says := func(want string) {
		t.Helper()
		await(t, func() string {
			if v := m.View(); v.Reached || !strings.Contains(v.Why, want) {
				return fmt.Sprintf("%+v", v)
			}
			return ""
		})
	}
	says("it was emptied, or is another")
	c.start("other", &fakeNode{})
	c.joined("other")
	says("are endpoints and prefix right?")
	if err := m.Rejoin(true); err != nil {
		t.Fatal(err)
	}
	c.joined("a")
}

func TestForget(t *testing.T) {
	t.Parallel()
	c := agreed(t, "a", "b")
	if err := c.members["a"].Forget(t.Context(), "b"); !errors.Is(err, ErrBusy) {
		t.Errorf("one that is there was forgotten: %v", err)
	}
	c.stops["b"]()
	c.members["b"].Wait()
	if err := c.members["a"].Forget(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	nodes, err := c.members["a"].Nodes(t.Context())
	if err != nil || len(nodes) != 1 {
		t.Errorf("%+v %v", nodes, err)
	}
}
