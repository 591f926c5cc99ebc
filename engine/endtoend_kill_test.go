package engine_test

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"hairpin/engine"
	"hairpin/engine/lab"
	"hairpin/engine/spec"
)

// totals are what a State has counted, by name.
func totals(s *engine.State) map[string]uint64 {
	all := map[string]uint64{}
	for _, r := range s.Reasons {
		all["reason "+r.Name] = r.Packets
	}
	for _, n := range s.NICs {
		all["nic "+n.Name] = n.In.Packets
	}
	for _, v := range s.VIPs {
		all["vip "+v.Name] = v.Packets
		for _, b := range v.Backends {
			all["vip "+v.Name+" "+b.Address.String()] = b.Packets
		}
	}
	return all
}

// goOn checks that nothing of before is less now.
func goOn(t *testing.T, what string, before, now map[string]uint64) {
	t.Helper()
	for name, n := range before {
		if now[name] < n {
			t.Errorf("%s: %s was %d and is %d", what, name, n, now[name])
		}
	}
}

// TestKilledUnderLoad kills lb's engine again and again, mostly while it changes something, and starts it again. No request
// notices, and no counter goes back.
func TestKilledUnderLoad(t *testing.T) {
	beside(t)
	kills := 10
	if os.Getenv("HAIRPIN_SOAK") != "" {
		kills = 50
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	d := rand.New(rand.NewPCG(seed, 0))
	n := up(t, 4, 4)
	received, counted := n.accounts(t)
	requests := n.start(t, lab.LoadConfig{For: 3 * time.Minute, New: 1000, Kept: 64, Pace: 50 * time.Millisecond, Datagrams: 200})
	var last map[string]uint64 // as the pins said after the last kill
	for round := range kills {
		node := n.dial(t)
		goOn(t, "a new engine", last, totals(node.State()))
		if problems := node.State().Problems; len(problems) > 0 {
			t.Errorf("in round %d: %+v", round, problems)
		}
		s := edited(t, node.State().Spec, func(s *spec.Spec, vip string) (*spec.Spec, error) {
			return spec.SetWeight(s, vip, n.address(1+d.IntN(4)), 50+d.Uint32N(100))
		})
		arm(t, n.ctx, node)
		changed := make(chan error, 1)
		go func() {
			_, err := node.Apply(n.ctx, engine.ApplyRequest{Spec: s, Who: "test"})
			changed <- err
		}()
		time.Sleep(time.Duration(d.Int64N(int64(30 * time.Millisecond))))
		if err := n.KillEngine(n.ctx, lab.LB); err != nil {
			t.Fatal(err)
		}
		if err := <-changed; err != nil && n.ctx.Err() != nil {
			t.Fatal(err)
		}
		seen := n.observe(t, lab.LB)
		if seen.PID != 0 {
			t.Errorf("pid %d is shown, and it was killed", seen.PID)
		}
		goOn(t, "without an engine", last, totals(seen))
		last = totals(seen)
		if err := n.StartEngine(n.ctx, lab.LB); err != nil {
			t.Fatal(err)
		}
	}
	goOn(t, "at the end", last, totals(n.dial(t).State()))
	perfect(t, "requests", requests.end(t), 1, 2, 3, 4)
	nowReceived, nowCounted := n.accounts(t)
	if nowReceived-received != nowCounted-counted {
		t.Errorf("eth0 received %d packets, %d left for a reason", nowReceived-received, nowCounted-counted)
	}
	n.statusEitherWay(t)
}

// status is the part of "hairpin status -o json" that is looked at.
type status struct {
	PID      *int   `json:"pid"`
	Revision string `json:"revision"`
	VIPs     []struct {
		Name    string `json:"name"`
		Packets uint64 `json:"packets"`
	} `json:"vips"`
	Generation struct {
		Active, Confirmed int
		Deadline          *time.Time
		Fallbacks         uint64
	} `json:"generation"`
}

func (n *network) status(t *testing.T) (s status) {
	t.Helper()
	out, err := n.Command(lab.LB, "hairpin", "status", "-o", "json").Output()
	if err != nil {
		t.Fatalf("status: %v", complaint(err))
	}
	if err := json.Unmarshal(out, &s); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return s
}

// complaint is the error of a command with what it wrote.
func complaint(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return errors.New(err.Error() + ": " + string(exit.Stderr))
	}
	return err
}

// statusEitherWay: the command shows the same totals with an engine and without one.
func (n *network) statusEitherWay(t *testing.T) {
	t.Helper()
	pid, node := n.EnginePID(lab.LB), n.dial(t)
	atRest := totals(n.observe(t, lab.LB))
	for changed := node.Changed(); totals(node.State())["vip web"] != atRest["vip web"]; { // it reads once a second
		<-changed
	}
	with := n.status(t)
	if err := n.KillEngine(n.ctx, lab.LB); err != nil {
		t.Fatal(err)
	}
	without := n.status(t)
	if with.PID == nil || *with.PID != pid || without.PID != nil {
		t.Errorf("the engine is %d; pid %v with it, %v without", pid, with.PID, without.PID)
	}
	if with.Revision == "" || with.Revision != without.Revision || with.Generation != without.Generation {
		t.Errorf("with %+v, without %+v", with, without)
	}
	if len(with.VIPs) != 2 || len(without.VIPs) != 2 {
		t.Fatalf("with %+v, without %+v", with, without)
	}
	for i, v := range with.VIPs {
		if v.Packets == 0 || without.VIPs[i] != v {
			t.Errorf("with an engine %+v, without %+v", v, without.VIPs[i])
		}
	}
}

// TestGoesBackByItself: a change that nobody confirms goes back though the engine is dead, under load, and cannot be
// confirmed any more.
func TestGoesBackByItself(t *testing.T) {
	n := up(t, 3, 3)
	node := n.dial(t)
	first := node.State()
	requests := n.start(t, lab.LoadConfig{For: time.Minute, New: 1000, Kept: 32, Pace: 50 * time.Millisecond, Datagrams: 100})
	s := edited(t, first.Spec, func(s *spec.Spec, vip string) (*spec.Spec, error) {
		return spec.SetState(s, vip, n.address(2), spec.Drain)
	})
	file := filepath.Join(n.Dir(), "drained.yaml")
	if err := os.WriteFile(file, spec.Marshal(s), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := n.Command(lab.LB, "hairpin", "apply", "-f", file, "--confirm", "8s").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := n.KillEngine(n.ctx, lab.LB); err != nil {
		t.Fatal(err)
	}
	if seen := n.observe(t, lab.LB); seen.Revision != spec.Revision(s) || seen.Generation.Deadline.IsZero() {
		t.Errorf("waiting: %+v %s", seen.Generation, seen.Revision)
	}
	for seen := n.observe(t, lab.LB); seen.Revision != first.Revision; seen = n.observe(t, lab.LB) {
		if n.ctx.Err() != nil {
			t.Fatalf("it did not go back: %+v", seen.Generation)
		}
		time.Sleep(10 * time.Millisecond)
	}
	if out, err := n.Command(lab.LB, "hairpin", "confirm").CombinedOutput(); err == nil {
		t.Errorf("it was confirmed: %s", out)
	}
	if err := n.StartEngine(n.ctx, lab.LB); err != nil {
		t.Fatal(err)
	}
	if now := n.status(t); now.PID == nil || now.Revision != first.Revision || now.Generation.Fallbacks != 1 || now.Generation.Deadline != nil {
		t.Errorf("%+v", now)
	}
	perfect(t, "requests", requests.end(t), 1, 2, 3)
}
