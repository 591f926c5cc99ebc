package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hairpin/engine/spec"
)

// partnerVariable holds, in JSON, what a test program does that stands in for "hairpin run".
const partnerVariable = "HAIRPIN_TEST_PARTNER"

// partner is an engine that hands over to others like it.
type partner struct {
	Paths   Paths
	Succeed bool // takes over; else it opens the node
	Version string
	Node    string // that it believes to be for; empty = the right one
	Die     string // the step at which it kills itself
	Before  string // the step at which whoever starts it kills itself
	Tell    bool   // its steps
}

// partnerMain is a partner's process. It ends when its engine does.
func partnerMain(text string) error {
	var p partner
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return err
	}
	p.Paths.Node = cmp.Or(p.Node, p.Paths.Node)
	d := &stepper{tell: p.Tell}
	d.dieAt(p.Die)
	options := Options{Paths: p.Paths, Version: p.Version, Step: d.step, Successor: func(work string) *exec.Cmd {
		d.dieAt(p.heir(work).Before)
		return p.successor(work)
	}}
	var n Node
	var err error
	if p.Succeed {
		n, err = Succeed(context.Background(), options, 3)
	} else {
		n, err = Start(context.Background(), options)
	}
	if err != nil {
		return err
	}
	for range n.Changed() {
	}
	return n.Close()
}

// stepper tells the steps of a process, and kills it at one of them.
type stepper struct {
	tell bool
	die  atomic.Pointer[string]
}

func (d *stepper) dieAt(step string) { d.die.Store(&step) }

func (d *stepper) step(name string) {
	if d.tell {
		fmt.Println("step", name)
	}
	if name == *d.die.Load() {
		_ = unix.Kill(os.Getpid(), unix.SIGKILL)
		select {} // until it takes effect
	}
}

// heir is the partner that a request for a handoff describes, in JSON where it names the binary.
func (p partner) heir(work string) partner {
	heir := partner{Version: p.Version + "'"}
	if work != "" {
		if err := json.Unmarshal([]byte(work), &heir); err != nil {
			panic(err) // the tests write it
		}
	}
	heir.Paths, heir.Succeed, heir.Tell = p.Paths, true, p.Tell
	return heir
}

func (p partner) successor(work string) *exec.Cmd { return p.heir(work).command() }

// as is how a request names the heir.
func as(p partner) string {
	text, err := json.Marshal(p)
	if err != nil {
		panic(err) // it is plain data
	}
	return string(text)
}

func (p partner) command() *exec.Cmd {
	work, err := json.Marshal(p)
	if err != nil {
		panic(err) // it is plain data
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), partnerVariable+"="+string(work))
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd
}

// owns starts a partner that owns the node, and reaches it. Whoever owns the node at the end of the test is ended.
func owns(t *testing.T, p partner) (Node, *exec.Cmd) {
	t.Helper()
	cmd := p.command()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	n := reach(t, p.Paths)
	t.Cleanup(func() {
		_ = n.Close()
		endOwner(t, p.Paths)
		_ = cmd.Wait()
	})
	return n, cmd
}

func reach(t *testing.T, p Paths) Node {
	t.Helper()
	for limit := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		n, err := Dial(t.Context(), p)
		if err == nil {
			return n
		}
		if !errors.Is(err, ErrNoOwner) || time.Now().After(limit) {
			t.Fatal(err)
		}
	}
}

// endOwner kills every partner of the node, also one that waits for another to stay, until nobody is left who owns it or may.
func endOwner(t *testing.T, p Paths) {
	t.Helper()
	for limit := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		left := partners(t, p)
		for _, pid := range left {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
		if by := lockedBy(t, p); len(left) == 0 && by <= 0 {
			return
		} else if time.Now().After(limit) {
			t.Fatalf("partners %v are left, the lock names %d", left, by)
		}
	}
}

// partners are the processes of a node's partners that run.
func partners(t *testing.T, p Paths) (pids []int) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range all {
		env, _ := os.ReadFile(file) // of what is gone by now, or only remains, nothing can be read
		if strings.Contains(string(env), partnerVariable+"=") && strings.Contains(string(env), p.State) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file))) // the pattern is a number
			pids = append(pids, pid)
		}
	}
	return pids
}

// handOver asks for a handoff and waits for its end.
func handOver(t *testing.T, n Node, r HandoffRequest) *Handoff {
	t.Helper()
	r.Who = "test"
	rearm(t, n)
	began := time.Now()
	if err := n.Handoff(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	s := until(t, n, "the end of a handoff", func(s *State) bool {
		return s.PID != 0 && s.Handoff != nil && s.Handoff.Over() && s.Handoff.Ended.After(began)
	})
	return s.Handoff
}

func steps(h *Handoff) string {
	var b strings.Builder
	for _, s := range h.Steps {
		fmt.Fprintf(&b, "%s %v %v; ", s.Name, s.Took, s.Done)
	}
	return b.String()
}

// TestHandoff: another process takes the node over and stays, and what the first one knew goes on.
func TestHandoff(t *testing.T) {
	p := privateNode(t)
	w := newWire(t, "eth0")
	n, cmd := owns(t, partner{Paths: p, Version: "v1"})
	mustApply(t, n, parse(t, lbSpec), 0)
	forwards(t, p, w)
	before := until(t, n, "a snapshot", func(s *State) bool { return len(s.VIPs) == 1 && s.VIPs[0].Packets == 20 && len(s.VIPs[0].History) > 0 })
	h := handOver(t, n, HandoffRequest{Binary: as(partner{Version: "v2"}), Watch: 100 * time.Millisecond, Why: "upgrade"})
	if h.Outcome != HandoffConfirmed || h.From.Version != "v1" || h.To.Version != "v2" || h.From.PID != cmd.Process.Pid || h.Why != "upgrade" {
		t.Fatalf("%+v", h)
	}
	t.Log(steps(h))
	for _, s := range h.Steps {
		if !s.Done {
			t.Errorf("step %s is not done", s.Name)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the predecessor: %v", err)
	}
	now := n.State()
	if now.PID != h.To.PID || now.Version != "v2" || now.Epoch != before.Epoch+1 || now.Generation.Active == before.Generation.Active ||
		now.Generation.Confirmed != now.Generation.Active || now.Revision != before.Revision {
		t.Errorf("before %+v %d, now %+v %d of pid %d %s", before.Generation, before.Epoch, now.Generation, now.Epoch, now.PID, now.Version)
	}
	if lockedBy(t, p) != h.To.PID {
		t.Errorf("the lock names %d", lockedBy(t, p))
	}
	if now.VIPs[0].Packets != 20 || len(now.VIPs[0].History) < len(before.VIPs[0].History) {
		t.Errorf("%d packets, history %v, before %v", now.VIPs[0].Packets, now.VIPs[0].History, before.VIPs[0].History)
	}
	if first := now.Events[0]; first.Seq != before.Events[0].Seq || !first.Time.Equal(before.Events[0].Time) {
		t.Errorf("events began with %+v and begin with %+v", before.Events[0], first)
	}
	forwards(t, p, w)
	changed := setWeight(t, parse(t, lbSpec), "10.1.0.12", 50)
	mustApply(t, n, changed, 0)
	if got := n.State().Revision; got != spec.Revision(changed) {
		t.Errorf("revision %s", got)
	}
}
