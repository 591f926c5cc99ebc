package engine

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hairpin/engine/spec"
)

// walker is an engine that goes a fixed way through everything that changes a node, says each step, and kills itself when it
// has done step Die for the Nth time.
type walker struct {
	Way string // one of ways
	Die string
	Nth int
}

// ways are what walkers do, each with what it begins on.
var ways = map[string]struct {
	empty bool // on a node without a data path
	do    func(Node) error
}{
	"start":  {true, func(Node) error { return nil }},
	"change": {false, walkChanges},
	"back":   {false, walkBack},
	"detach": {false, func(n Node) error {
		return errors.Join(n.Arm(context.Background(), ArmRequest{Why: "test"}), n.Detach(context.Background(), "walker"))
	}},
}

// stepper is the Options.Step of a walker.
func (w walker) stepper() func(string) {
	seen := 0
	return func(name string) {
		fmt.Println("step", name)
		if name != w.Die {
			return
		}
		if seen++; seen == w.Nth {
			_ = unix.Kill(os.Getpid(), unix.SIGKILL)
			select {} // until it takes effect
		}
	}
}

// walkSpecs are what runs first, and one that differs from it in all that a switch has to do with.
func walkSpecs() (s, changed *spec.Spec) {
	s, err := spec.Parse("first", []byte(lbSpec))
	if err != nil {
		panic(err) // it is part of this program
	}
	changed = withEveryStage(s)
	addGuard(changed, 1024)
	addProbe(changed, "raw")
	changed.NICs = append(changed.NICs, spec.NIC{Name: "eth1", XDP: spec.Stands(spec.Balancer), TCXIngress: spec.Stands(spec.Firewall)})
	changed.VIPs[0].Backends = changed.VIPs[0].Backends[1:]
	return s, changed
}

func walkChanges(n Node) error {
	s, changed := walkSpecs()
	if err := walkApply(n, changed, 0); err != nil {
		return err
	}
	if err := walkApply(n, s, time.Minute); err != nil {
		return err
	}
	if err := tell("confirm", spec.Revision(s)); err != nil {
		return err
	}
	if err := n.Confirm(context.Background(), "walker"); err != nil {
		return err
	}
	return tell("confirmed", spec.Revision(s))
}

func walkBack(n Node) error {
	_, changed := walkSpecs()
	if err := walkApply(n, changed, shortly); err != nil && !errors.Is(err, ErrLate) {
		return err
	}
	for range n.Changed() {
		if n.State().Revision != spec.Revision(changed) {
			return nil
		}
	}
	return errors.New("the engine ended")
}

func walkApply(n Node, s *spec.Spec, deadline time.Duration) error {
	if err := tell("apply", spec.Revision(s)); err != nil {
		return err
	}
	if _, err := armAndApply(n, ApplyRequest{Spec: s, Deadline: deadline, Who: "walker"}); err != nil {
		return err
	}
	if deadline != 0 {
		return tell("waits", spec.Revision(s))
	}
	return tell("live", spec.Revision(s))
}

// walk runs a walker to its end and returns what it said.
func walk(t *testing.T, p Paths, w walker) (said []string) {
	t.Helper()
	cmd, out := startVictim(t, victimWork{Paths: p, Walk: w})
	for lines := bufio.NewScanner(out); lines.Scan(); {
		said = append(said, lines.Text())
	}
	err := cmd.Wait()
	killed := err != nil && strings.Contains(err.Error(), "killed")
	if wanted := w.Die != ""; killed != wanted && (err != nil || w.Nth < 2) { // how often some steps come depends on what rests still
		t.Fatalf("%+v: %v, %q", w, err, said)
	}
	return said
}

// TestKilledAtEveryStep kills an engine behind each effect on the kernel and the disk that starting, changing, confirming,
// going back and detaching have. The steps are those that a walk in peace names, so none can be forgotten. Each time packets
// go on by what was confirmed or what was to come, and the next engine finds all in order by itself.
func TestKilledAtEveryStep(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	dice := rand.New(rand.NewPCG(seed, 0))
	p := privateNode(t)
	addNIC(t, "eth1", "")
	w := newWire(t, "eth0")
	if err := os.WriteFile(p.SpecFile(), []byte(lbSpec), 0o644); err != nil {
		t.Fatal(err)
	}
	killed := map[string]bool{}
	for _, way := range []string{"change", "back", "detach", "start"} {
		walkFrom(t, p, way, open(t, p))
		times := map[string]int{}
		for _, line := range walk(t, p, walker{Way: way}) {
			if name, is := strings.CutPrefix(line, "step "); is {
				times[name]++
			}
		}
		walkFrom(t, p, way, open(t, p))
		for _, name := range slices.Sorted(maps.Keys(times)) {
			for nth := 1; nth <= times[name]; nth++ {
				if soak() || !killed[name] || dice.IntN(20) == 0 {
					killedAt(t, p, w, walker{way, name, nth})
				}
				killed[name] = true
			}
		}
	}
	t.Logf("%d steps: %q", len(killed), slices.Sorted(maps.Keys(killed)))
}

// walkFrom brings the node to where a way begins, and lets go of it.
func walkFrom(t *testing.T, p Paths, way string, n Node) {
	t.Helper()
	if s, _ := walkSpecs(); ways[way].empty {
		if err := n.Detach(t.Context(), "test"); err != nil {
			t.Fatal(err)
		}
	} else if n.State().Revision != spec.Revision(s) {
		mustApply(t, n, s, 0)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if !ways[way].empty {
		return
	}
	for _, folder := range []string{"generations", "history"} {
		if err := os.RemoveAll(filepath.Join(p.State, folder)); err != nil {
			t.Fatal(err)
		}
	}
}

// killedAt lets a walker kill itself, and leaves the node where its way begins.
func killedAt(t *testing.T, p Paths, w *wire, victim walker) {
	t.Helper()
	s, _ := walkSpecs()
	said := walk(t, p, victim)
	may := confirmable(said, map[string]bool{spec.Revision(s): true})
	if victim.Way == "change" || victim.Way == "back" {
		forwards(t, p, w)
	}
	if victim.Way == "back" {
		settleDeadline(t, p, may)
		forwards(t, p, w)
	}
	o := open(t, p).(*owner)
	defer o.Close()
	if !o.State().Generation.Deadline.IsZero() { // that of "change" is long
		consistent(t, p, o)
		inside(t, o, func() {
			if err := o.kernel.Revert(); err != nil {
				t.Error(err)
			}
		})
		until(t, o, "back", func(st *State) bool { return st.Generation.Deadline.IsZero() })
	}
	if !may[o.State().Revision] {
		t.Errorf("%s runs, only %v may", o.State().Revision, may)
	}
	consistent(t, p, o)
	forwards(t, p, w)
	if t.Failed() {
		t.Fatalf("killed at %+v", victim)
	}
	walkFrom(t, p, victim.Way, o)
}
