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

	"golang.org/x/sys/unix"
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
	undo := pin(t)
	for _, p := range rows {
		if err := p.dry(); err != nil {
			t.Error(err)
		}
	}
	n, packets, until := 2, 4096, time.Now()
	if *report {
		n, packets, until = minRounds, 65536, time.Now().Add(20*time.Second)
	}
	rounds := 0
	for ; rounds < n || time.Now().Before(until); rounds++ {
		for _, p := range all {
			if err := p.measure(packets); err != nil {
				t.Fatal(err)
			}
		}
	}
	undo()
	z := small
	if *report {
		printPackets(os.Stdout, unit, rows, rounds)
		z = large
	}
	figures := control(t, bpffs, z)
	if *report {
		printControl(os.Stdout, figures)
	}
}

// minRounds are needed before a minimum says something.
const minRounds = 25

// pin keeps this test on one CPU and free of garbage collection until it is undone.
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
	percent := debug.SetGCPercent(-1)
	return func() {
		debug.SetGCPercent(percent)
		_ = unix.SchedSetaffinity(0, &before) // it was allowed before
		runtime.UnlockOSThread()
	}
}
