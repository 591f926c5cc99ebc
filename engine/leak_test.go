package engine

import (
	"context"
	"encoding/json"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"hairpin/engine/datapath"
	"hairpin/engine/spec"
)

// resources are what an engine could lose some of with every change.
type resources struct {
	Descriptors map[string]int
	Goroutines  int
	Pins        int
	Segments    int // of stores, which grow to what was needed at a time; not among the pins and the maps
	Parts       int // of VIP tables, likewise: every version gets its own when it is first written, and keeps it
	Files       int
	Backends    int // ids in use
	Chains      int
	Numbers     int // of VIPs
}

// leaker changes the node many times, ends with the spec it began with, and prints what it had before and after.
func leaker(n Node, work victimWork) error {
	s, err := spec.Parse("first", []byte(lbSpec))
	if err != nil {
		return err
	}
	s.VIPs[0].Settle = time.Second
	o := n.(*owner)
	all := withEveryStage(s) // room that lasts is made when it is first needed
	addGuard(all, 1024)
	addProbe(all, "raw")
	all.NICs[0].TCXIngress = spec.Stands(spec.Firewall)
	if _, err := armAndApply(o, ApplyRequest{Spec: all}); err != nil {
		return err
	}
	before, err := quiet(o, s, work.Paths, func(_ resources, same time.Duration) bool { return same >= 3*tickEvery })
	if err != nil {
		return err
	}
	d := victimDice{rand.New(rand.NewPCG(work.Seed, 0))}
	for range work.Changes {
		r := ApplyRequest{Spec: d.spec()}
		if d.IntN(4) == 0 {
			r.Deadline = time.Minute
		}
		if _, err := armAndApply(n, r); err != nil {
			return err
		}
		if err := n.Confirm(context.Background(), ""); err != nil {
			return err
		}
	}
	after, err := quiet(o, s, work.Paths, func(now resources, _ time.Duration) bool { return leaked(before, now) == "" })
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode([]resources{before, after})
}

// restTime bounds the wait for what only passes: the kernel's late answers, a socket that is just open, what settles.
const restTime = 30 * time.Second

// quiet applies s, waits until nothing settles and what is not needed has come free, and counts until a count is enough,
// which is also told for how long it is the same. It gives up waiting for enough after a while.
func quiet(o *owner, s *spec.Spec, p Paths, enough func(now resources, same time.Duration) bool) (r resources, err error) {
	if _, err := armAndApply(o, ApplyRequest{Spec: s}); err != nil {
		return r, err
	}
	began := time.Now()
	last, since := r, began
	looks := time.NewTicker(tickEvery / 4) // a process is not told what it has
	defer looks.Stop()
	for now := range looks.C {
		r = resources{Descriptors: descriptors(), Goroutines: runtime.NumGoroutine()}
		if _, err := do(context.Background(), o, func() (struct{}, error) { return struct{}{}, o.count(p, &r) }); err != nil {
			return r, err
		}
		if !reflect.DeepEqual(r, last) {
			last, since = r, now
		}
		calm := o.State().VIPs[0].Settling == nil && r.Backends == 2 && r.Numbers == 1
		if calm && enough(r, now.Sub(since)) || now.Sub(began) > restTime {
			break
		}
	}
	return r, nil
}

// leaked is how after differs from before, empty when nothing was lost. What passes may have been there before and not be
// there after: goroutines, pins of what rests, and descriptors of other things than the data path. The record opens its
// files as time goes by.
func leaked(before, after resources) string {
	if after.Segments < before.Segments+8 {
		after.Segments = before.Segments
	}
	if after.Parts <= datapath.Generations { // one a version: so few VIPs, all of IPv4, take no more
		after.Parts = before.Parts
	}
	after.Goroutines, after.Pins = max(after.Goroutines, before.Goroutines), max(after.Pins, before.Pins)
	after.Descriptors = maps.Clone(after.Descriptors)
	for kind, n := range before.Descriptors {
		if !strings.HasPrefix(kind, "anon_inode:bpf") {
			after.Descriptors[kind] = max(after.Descriptors[kind], n)
		}
	}
	maps.DeleteFunc(after.Descriptors, func(kind string, n int) bool { // one a tier, as soon as there is something for it
		return strings.HasSuffix(kind, ".rec") && n <= len(recordTiers)
	})
	for kind, n := range before.Descriptors {
		if strings.HasSuffix(kind, ".rec") {
			after.Descriptors[kind] = max(after.Descriptors[kind], n)
		}
	}
	return cmp.Diff(before, after)
}

func (o *owner) count(p Paths, r *resources) error {
	world, err := o.kernel.World(o.spec)
	if err != nil {
		return err
	}
	r.Backends, r.Chains, r.Numbers = len(o.kernel.Backends()), len(o.kernel.Chains()), len(world.Nums)-1 // less the agent's
	err = filepath.Walk(datapath.Dir(p.BPFFS, p.Node), func(name string, _ os.FileInfo, err error) error {
		switch base := filepath.Base(name); {
		case strings.HasPrefix(base, "segment_"), strings.HasPrefix(base, "prefixes_"):
			r.Segments++
		case strings.HasPrefix(base, "vips4_"), strings.HasPrefix(base, "vips6_"):
			r.Parts++
		default:
			r.Pins++
		}
		return err
	})
	if err != nil {
		return err
	}
	r.Descriptors["anon_inode:bpf-map"] -= r.Segments + r.Parts
	files, err := filepath.Glob(filepath.Join(p.State, "generations", ".*"))
	r.Files = len(files)
	return err
}

// descriptors are this process's, by kind.
func descriptors() map[string]int {
	kinds := map[string]int{}
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		if name, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil {
			kinds[regexp.MustCompile(`[0-9]+`).ReplaceAllString(name, "N")]++
		}
	}
	return kinds
}

// TestNothingLeaks applies many random changes in a row.
func TestNothingLeaks(t *testing.T) {
	t.Parallel()
	p := privateNode(t)
	addNIC(t, "eth1", "")
	work := victimWork{Paths: p, Seed: uint64(time.Now().UnixNano()), Changes: 60}
	if soak() {
		work.Changes = 10_000
	}
	t.Logf("seed %d", work.Seed)
	text, err := json.Marshal(work)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), victimVariable+"="+string(text))
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	_, report, _ := strings.Cut(string(out), "\n")
	var both []resources
	if err := json.Unmarshal([]byte(report), &both); err != nil || len(both) != 2 {
		t.Fatalf("%v: %s", err, out)
	}
	if both[0].Pins < 20 || both[0].Descriptors["anon_inode:bpf-map"] < 20 || both[0].Chains != 1 {
		t.Errorf("they were not counted: %+v", both[0])
	}
	if diff := leaked(both[0], both[1]); diff != "" {
		t.Errorf("after %d changes (-before +after):\n%s", work.Changes, diff)
	}
}
