package bench

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"hairpin/engine/packet"
	"hairpin/engine/reason"
	"hairpin/engine/spec"
)

var report = flag.Bool("bench.report", false, "measure for most of a minute and print the table")

// TestMain starts the tests anew without Go's preemption signals: each would make the kernel begin a run again.
func TestMain(m *testing.M) {
	const calm = "asyncpreemptoff=1"
	if self, err := os.Executable(); err == nil && !strings.Contains(os.Getenv("GODEBUG"), calm) {
		_ = os.Setenv("GODEBUG", strings.Trim(os.Getenv("GODEBUG")+","+calm, ","))
		err = unix.Exec(self, os.Args, os.Environ())
		fmt.Fprintln(os.Stderr, "start anew:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// TestBench measures what PERFORMANCE.md has budgets for, and fails when a packet does not take the path that is meant.
// No figure makes it fail: they depend on the machine.
func TestBench(t *testing.T) {
	bpffs := mountBPFFS(t)
	unit, base, rows := packetPaths(t, bpffs)
	all := append(append([]*path{unit}, base...), rows...)
	for _, p := range all {
		p.load(t)
	}
	keepDispatched(t, all)
	for _, p := range rows {
		if err := p.dry(); err != nil {
			t.Error(err)
		}
	}
	if !*report {
		measureAll(t, all, 2, 0)
		control(t, bpffs, small)
		egress(t, bpffs, 2, 1000)
		steered(t, bpffs, 2, 1000)
		scale(t, bpffs, size{vips: 64, backends: 3, ring: 251, edits: 1, repeats: 1}, 20)
		return
	}
	printMachine(os.Stdout)
	if err := printMemory(os.Stdout); err != nil {
		t.Fatal(err)
	}
	measureAll(t, all, 25, 15*time.Second)
	printPackets(os.Stdout, unit, rows)
	printControl(os.Stdout, append(append(egress(t, bpffs, 200, 20_000), steered(t, bpffs, 200, 20_000)...), append(control(t, bpffs, large), scale(t, bpffs, huge, 1000)...)...))
}

// measureAll measures every path in turn, in so many rounds at least and for so long; with no time at all, cold.
func measureAll(t *testing.T, all []*path, rounds int, during time.Duration) {
	t.Helper()
	defer pin(t)()
	until := time.Now().Add(during)
	for i := 0; i < rounds || time.Now().Before(until); i++ {
		for _, p := range all {
			warmup := 0
			if during > 0 {
				warmup = p.warmup()
			}
			if err := p.measure(warmup, 16384); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestLaterChains: chains that get no direct jump reach their stages all the same.
func TestLaterChains(t *testing.T) {
	n := newNode(t, mountBPFFS(t), "later")
	s := small.spec()
	for i := range 4 {
		s.NICs = append(s.NICs, spec.NIC{Name: fmt.Sprintf("later%d", i), XDP: spec.Stands(spec.Balancer)})
	}
	n.apply(t, s)
	n.reach()
	for chain, want := range []string{"forwarded", "other_nic", "other_nic", "other_nic", "other_nic", "no_generation"} {
		frame := packet.Build(packet.Eth{}, packet.IPv4{Dst: s.VIPs[0].Addresses[0]}, packet.TCP{Flags: "S"})
		result, err := n.Dry(int(n.Control().Active), chain, frame)
		if err != nil {
			t.Fatal(err)
		}
		if r, _ := reason.ByID(int(result.Note.Reason)); r.Name != want {
			t.Errorf("a packet on chain %d leaves as %s, want %s", chain, r.Name, want)
		}
	}
}

// TestLeast: the unit does what it is said to do.
func TestLeast(t *testing.T) {
	object := loadWrap(t)
	only(object, "least")
	loaded, err := ebpf.NewCollection(object)
	if err != nil {
		t.Fatal(err)
	}
	defer loaded.Close()
	in := frame4(packet.TCP{Flags: "A"})
	run := ebpf.RunOptions{Data: in, DataOut: make([]byte, len(in)+64)}
	if verdict, err := loaded.Programs["least"].Run(&run); err != nil || verdict != 3 {
		t.Fatalf("verdict %d, %v", verdict, err)
	}
	got, err := packet.Parse(run.DataOut)
	if err != nil {
		t.Fatal(err)
	}
	if err := got.Check(); err != nil {
		t.Error(err)
	}
	if want := packet.Diff(run.DataOut[42:], in[14:]); want != "" || len(run.DataOut) != len(in)+28 {
		t.Errorf("the packet inside changed: %s", want)
	}
}

// pin keeps this test on one CPU, in front of other work, and free of garbage collection, until it is undone.
func pin(t *testing.T) (undo func()) {
	t.Helper()
	runtime.LockOSThread()
	var before, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		t.Fatal(err)
	}
	for cpu := 0; one.Count() == 0; cpu++ {
		if before.IsSet(cpu) {
			one.Set(cpu)
		}
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setpriority(unix.PRIO_PROCESS, 0, -10); err != nil {
		t.Fatal(err)
	}
	percent := debug.SetGCPercent(-1)
	return func() {
		debug.SetGCPercent(percent)
		_ = unix.Setpriority(unix.PRIO_PROCESS, 0, 0)
		_ = unix.SchedSetaffinity(0, &before) // it was allowed before
		runtime.UnlockOSThread()
	}
}
