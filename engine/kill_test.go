package engine

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hairpin/engine/datapath"
	"hairpin/engine/spec"
)

// soak tells whether the long counts are asked for.
func soak() bool { return os.Getenv("HAIRPIN_SOAK") != "" }

// TestKilledAtAnyMoment kills an engine that changes the node without end, again and again, at random moments. Each time
// packets go on, nothing that was not confirmed outlives its deadline, and the next engine finds all in order.
func TestKilledAtAnyMoment(t *testing.T) {
	t.Parallel()
	rounds := 25
	if soak() {
		rounds = 2000
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	d := rand.New(rand.NewPCG(seed, 0))
	p := privateNode(t)
	addNIC(t, "eth1", "")
	w := newWire(t, "eth0")
	o := running(t, p)
	mustApply(t, o, parse(t, lbSpec), 0)
	forwards(t, p, w)
	may := map[string]bool{o.State().Revision: true}
	o.Close()
	for round := range rounds {
		may = killOnce(t, p, may, d)
		settleDeadline(t, p, may)
		before := exits(t, p)
		forwards(t, p, w)
		o = running(t, p)
		consistent(t, p, o)
		if st := o.State(); !may[st.Revision] {
			t.Errorf("%s runs, only %v were confirmed", st.Revision, may)
		}
		for reason, n := range exits(t, p) {
			if n < before[reason] {
				t.Errorf("%s was %d and is %d", reason, before[reason], n)
			}
		}
		may = map[string]bool{o.State().Revision: true}
		o.Close()
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
}

// TestKilledWhileStarting kills engines that begin on an empty node, at any moment from their first instruction on.
func TestKilledWhileStarting(t *testing.T) {
	t.Parallel()
	rounds := 8
	if soak() {
		rounds = 500
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	d := rand.New(rand.NewPCG(seed, 0))
	p := privateNode(t)
	addNIC(t, "eth1", "")
	if err := os.WriteFile(p.SpecFile(), []byte(lbSpec), 0o644); err != nil {
		t.Fatal(err)
	}
	w := newWire(t, "eth0")
	for round := range rounds {
		said := runVictim(t, p, d, func(victim *exec.Cmd) *time.Timer {
			return time.AfterFunc(time.Duration(d.Int64N(int64(700*time.Millisecond))), func() { _ = victim.Process.Kill() })
		}, nil)
		o := running(t, p)
		if len(said) < 2 && o.State().Revision != spec.Revision(parse(t, lbSpec)) {
			t.Errorf("%s runs", o.State().Revision)
		}
		forwards(t, p, w)
		consistent(t, p, o)
		if err := o.Detach(t.Context(), "test"); err != nil {
			t.Fatal(err)
		}
		o.Close()
		if err := os.RemoveAll(filepath.Join(p.State, "generations")); err != nil {
			t.Fatal(err)
		}
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
}

// killOnce lets an engine work for a while and kills it. may are the revisions that may be live for good afterwards.
func killOnce(t *testing.T, p Paths, may map[string]bool, d *rand.Rand) map[string]bool {
	t.Helper()
	said := runVictim(t, p, d, nil, func(victim *exec.Cmd) *time.Timer {
		return time.AfterFunc(time.Duration(d.Int64N(int64(60*time.Millisecond))), func() { _ = victim.Process.Kill() })
	})
	if len(said) == 0 || said[0] != "open" {
		t.Fatalf("it did not come to work: %q", said)
	}
	return confirmable(said, may)
}

// runVictim runs an engine that one of the timers kills, the first set at its start, the other at its first line, and
// returns what it said.
func runVictim(t *testing.T, p Paths, d *rand.Rand, atStart, atOpen func(*exec.Cmd) *time.Timer) (said []string) {
	t.Helper()
	cmd, out := startVictim(t, victimWork{Paths: p, Seed: d.Uint64()})
	if atStart != nil {
		defer atStart(cmd).Stop()
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		said = append(said, lines.Text())
		if len(said) == 1 && atOpen != nil {
			defer atOpen(cmd).Stop()
		}
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("it was not killed: %v, %q", err, said)
	}
	return said
}

// startVictim begins an engine in a process of its own, which says on out what it does.
func startVictim(t *testing.T, w victimWork) (cmd *exec.Cmd, out io.Reader) {
	t.Helper()
	work, err := json.Marshal(w)
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), victimVariable+"="+string(work))
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
	if out, err = cmd.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, out
}

// confirmable are the revisions that may be live for good, once no deadline runs any more, after what an engine said.
func confirmable(said []string, may map[string]bool) map[string]bool {
	for _, line := range said {
		what, revision, _ := strings.Cut(line, " ")
		with := map[string]bool{revision: true}
		switch what {
		case "apply", "confirm": // it may or may not have come to it
			for r := range may {
				with[r] = true
			}
			may = with
		case "live", "confirmed":
			may = with
		case "waits", "late", "failed":
			delete(may, revision)
		}
	}
	return may
}

// settleDeadline waits until nothing waits for confirmation any more, and checks what the kernel then runs.
func settleDeadline(t *testing.T, p Paths, may map[string]bool) {
	t.Helper()
	k, err := datapath.Open(datapath.Dir(p.BPFFS, p.Node), false)
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	for limit := time.Now().Add(time.Minute); k.Control().Pending != 0; time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("it waits still: %+v", k.Control())
		}
	}
	c := k.Control()
	if c.Active != c.Confirmed || !may[k.Revision(int(c.Active))] {
		t.Fatalf("generation %d (%s) is live, %d confirmed; allowed %v", c.Active, k.Revision(int(c.Active)), c.Confirmed, fmt.Sprint(may))
	}
}
