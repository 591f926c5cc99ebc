package engine_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hairpin/engine"
	"hairpin/engine/lab"
	"hairpin/engine/spec"
)

var labs atomic.Int32

// network is a lab with engines, for one test.
type network struct {
	*lab.Lab
	ctx context.Context
}

// beside lets a test under load run beside others; with long counts it has the machine for itself.
func beside(t *testing.T) {
	t.Helper()
	if os.Getenv("HAIRPIN_SOAK") == "" {
		t.Parallel()
	}
}

// up is a lab with the engine of lb and those of all backends. On lb only the first few backends are in the spec.
func up(t *testing.T, backends, inSpec int) *network {
	t.Helper()
	return upAs(t, backends, inSpec, func(*lab.Lab, *spec.Spec) error { return nil })
}

// upAs is up with specs as edit leaves them.
func upAs(t *testing.T, backends, inSpec int, edit func(*lab.Lab, *spec.Spec) error) *network {
	t.Helper()
	n := newNetwork(t, lab.Config{Backends: backends})
	l, ctx := n.Lab, n.ctx
	s := l.LBSpec()
	for i := range s.VIPs {
		s.VIPs[i].Backends = s.VIPs[i].Backends[:inSpec]
	}
	engines := []string{lab.LB}
	errs := []error{edit(l, s), l.WriteSpec(lab.LB, s)}
	for i := 1; i <= backends; i++ {
		engines = append(engines, lab.Backend(i))
		s := l.BackendSpec()
		errs = append(errs, edit(l, s), l.WriteSpec(lab.Backend(i), s))
	}
	if err := errors.Join(append(errs, l.StartEngine(ctx, engines...))...); err != nil {
		t.Fatal(err)
	}
	return n
}

// newNetwork is a lab without engines, which goes with the test.
func newNetwork(t *testing.T, c lab.Config) *network {
	t.Helper()
	binary, err := engine.Program()
	if err != nil {
		t.Fatal(err)
	}
	patience := 10 * time.Minute
	if os.Getenv("HAIRPIN_SOAK") != "" {
		patience = time.Hour
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	name := fmt.Sprintf("e%d-%d", os.Getpid(), labs.Add(1))
	c.Name, c.Binary = name, binary
	t.Cleanup(func() {
		if err := lab.Down(context.Background(), name); err != nil {
			t.Error(err)
		}
		nothingLeft(t, name)
	})
	if err := lab.Down(ctx, name); err != nil { // what a run left that was killed and had the same number
		t.Fatal(err)
	}
	l, err := lab.Up(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	return &network{l, ctx}
}

// nothingLeft looks for what a lab could leave behind, without asking the code that removes it.
func nothingLeft(t *testing.T, name string) {
	t.Helper()
	for _, dir := range []string{"/run/netns", lab.Root} {
		entries, err := os.ReadDir(dir)
		if err != nil && !os.IsNotExist(err) {
			t.Error(err)
		}
		for _, e := range entries {
			if strings.HasPrefix(strings.TrimPrefix(e.Name(), "hairpin-"), name) {
				t.Errorf("%s/%s is left", dir, e.Name())
			}
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil || strings.Contains(string(mounts), "/"+name+"/") {
		t.Errorf("mounts are left: %v\n%s", err, mounts)
	}
	processes, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, p := range processes {
		if env, _ := os.ReadFile(p); strings.Contains(string(env), "HAIRPIN_LAB="+name+"\x00") {
			t.Errorf("process %s is left", p)
		}
	}
}

// dial reaches the engine of lb.
func (n *network) dial(t *testing.T) engine.Node {
	t.Helper()
	return n.dialAt(t, lab.LB)
}

func (n *network) dialAt(t *testing.T, name string) engine.Node {
	t.Helper()
	node, err := engine.Dial(n.ctx, n.Paths(name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			events := node.State().Events
			for _, e := range events[max(0, len(events)-10):] {
				t.Log(e.Time.Format(time.StampMilli), e.Severity, e.Who, e.What, e.Detail)
			}
		}
		_ = node.Close()
	})
	return node
}

// observe reads a node from its pins.
func (n *network) observe(t *testing.T, node string) *engine.State {
	t.Helper()
	var s *engine.State
	err := n.Do(node, func() (err error) {
		s, err = engine.Observe(n.Paths(node))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// decapsulated is how many packets a backend has taken from lb.
func (n *network) decapsulated(t *testing.T, backend string) uint64 {
	t.Helper()
	for _, r := range n.observe(t, backend).Reasons {
		if r.Name == "decapsulated" {
			return r.Packets
		}
	}
	return 0
}

// rests waits until a backend has no connection left and has taken no packet for a moment.
func (n *network) rests(t *testing.T, backend string) {
	t.Helper()
	const still = 300 * time.Millisecond
	last, since := n.decapsulated(t, backend), time.Now()
	for open := n.connections(t, backend); open > 0 || time.Since(since) < still; open = n.connections(t, backend) {
		time.Sleep(still / 10)
		if now := n.decapsulated(t, backend); now != last {
			last, since = now, time.Now()
		}
		if n.ctx.Err() != nil {
			t.Fatalf("%s never rests: %d connections", backend, open)
		}
	}
}

// connections are those of a backend that have not ended, however long they have been silent.
func (n *network) connections(t *testing.T, backend string) (open int) {
	t.Helper()
	const listening, ended, state = "0A", "06", 3 // TCP_LISTEN, TCP_TIME_WAIT, a column
	err := n.Do(backend, func() error {
		for _, file := range []string{"tcp", "tcp6"} {
			text, err := os.ReadFile("/proc/thread-self/net/" + file)
			if err != nil {
				return err
			}
			for line := range strings.Lines(string(text)) {
				f := strings.Fields(line)
				if len(f) > state && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", lab.HTTPPort)) && f[state] != listening && f[state] != ended {
					open++
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return open
}

func (n *network) address(i int) netip.Addr { return n.Addresses(lab.Backend(i))[0] }

// load is one that goes on beside the test.
type load struct {
	count  bool // it ends by itself
	stop   context.CancelFunc
	over   chan struct{}
	result lab.LoadResult
	err    error
}

func (n *network) start(t *testing.T, c lab.LoadConfig) *load {
	t.Helper()
	l := &load{count: c.Count > 0, over: make(chan struct{})}
	c.Timeout = 30 * time.Second // the machine may be busy for some
	ctx, stop := context.WithCancel(n.ctx)
	l.stop = stop
	t.Cleanup(stop)
	go func() {
		defer close(l.over)
		l.result, l.err = n.Load(ctx, c)
	}()
	return l
}

// end waits for the end of a load that counts, ends any other, and returns what it met with.
func (l *load) end(t *testing.T) lab.LoadResult {
	t.Helper()
	if !l.count {
		l.stop()
	}
	<-l.over
	if l.err != nil {
		t.Fatal(l.err)
	}
	return l.result
}

func (l *load) isOver() bool {
	select {
	case <-l.over:
		return true
	default:
		return false
	}
}

// perfect checks that a load met with no trouble, and that these backends and no others answered.
func perfect(t *testing.T, what string, r lab.LoadResult, backends ...int) {
	t.Helper()
	t.Logf("%s: %d new (p99 %v, %d resent), %d on kept connections, %d datagrams", what, r.New.Answered, r.New.Latency.P99,
		r.New.Resent, r.Kept.Answered, r.Echo.Answered)
	for kind, tally := range map[string]lab.Tally{"new": r.New, "kept": r.Kept, "echo": r.Echo} {
		if tally.Failed != 0 || tally.Asked != tally.Answered || kind != "new" && tally.Moved != 0 {
			t.Errorf("%s: %s: %d of %d failed, %d moved: %q", what, kind, tally.Failed, tally.Asked, tally.Moved, tally.Errors)
		}
		if tally.Asked == 0 || len(backends) == 0 {
			continue
		}
		for _, i := range backends {
			if tally.Answers[lab.Backend(i)] == 0 && kind == "new" {
				t.Errorf("%s: %s: %s never answered: %v", what, kind, lab.Backend(i), tally.Answers)
			}
		}
		if kind == "new" && len(tally.Answers) != len(backends) {
			t.Errorf("%s: %s: others answered: %v", what, kind, tally.Answers)
		}
	}
	if r.Reset != 0 {
		t.Errorf("%s: %d connections were reset", what, r.Reset)
	}
}

func apply(t *testing.T, ctx context.Context, n engine.Node, s *spec.Spec) *engine.Applied {
	t.Helper()
	arm(t, ctx, n)
	a, err := n.Apply(ctx, engine.ApplyRequest{Spec: s, Who: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// arm lets the test change the node through n, also where it has done so through another connection.
func arm(t *testing.T, ctx context.Context, n engine.Node) {
	t.Helper()
	if err := n.Arm(ctx, engine.ArmRequest{Why: "test", Share: true}); err != nil {
		t.Fatal(err)
	}
}

// edited is s after edits of one VIP after the other.
func edited(t *testing.T, s *spec.Spec, edit func(s *spec.Spec, vip string) (*spec.Spec, error)) *spec.Spec {
	t.Helper()
	for _, v := range s.VIPs {
		var err error
		if s, err = edit(s, v.Name); err != nil {
			t.Fatal(err)
		}
	}
	return s
}
