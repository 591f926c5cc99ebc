package bench

import (
	"errors"
	"net"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"hairpin/bpf"
	"hairpin/engine/datapath"
	"hairpin/engine/plan"
	"hairpin/engine/spec"
)

// node is a data path without a NIC: packets enter it by test runs only.
type node struct {
	*datapath.Kernel
	dir     string
	running *spec.Spec

	refills  []func() error // before each run
	snapshot datapath.Snapshot
}

// mountBPFFS is a bpffs of this test's own.
func mountBPFFS(t *testing.T) string {
	t.Helper()
	mount := t.TempDir()
	if err := unix.Mount("bpf", mount, "bpf", 0, ""); err != nil {
		t.Fatalf("mount bpffs (this needs root): %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(mount, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return mount
}

func newNode(t *testing.T, bpffs, name string) *node {
	t.Helper()
	n := &node{dir: datapath.Dir(bpffs, name)}
	var err error
	if n.Kernel, err = datapath.Create(n.dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	if err := n.LoadPrograms(); err != nil {
		t.Fatal(err)
	}
	if err := n.Take(); err != nil {
		t.Fatal(err)
	}
	inserts := n.words(t, bpf.LoadBalancer, "counters", "budget_used", 1<<16)
	n.refills = append(n.refills, func() error { return inserts.set(0) })
	return n
}

// apply makes s the running spec as the engine does, and returns how long that took from the look at what runs.
// While no generation number is free it waits, which is not counted.
func (n *node) apply(t *testing.T, s *spec.Spec) time.Duration {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		began := time.Now()
		p, generation, err := n.stage(s)
		if err == nil {
			n.Prepare(p, generation)
			err = n.Activate(int(n.Control().Active), generation, 0)
		}
		if err == nil {
			n.MarkAll(p)
			n.running = s
			took := time.Since(began)
			if err := n.Spare(); err != nil {
				t.Fatal(err)
			}
			return took
		}
		if !errors.Is(err, datapath.ErrNoGeneration) || time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func (n *node) stage(s *spec.Spec) (*plan.Plan, int, error) {
	world, err := n.World(n.running)
	if err != nil {
		return nil, 0, err
	}
	p, err := plan.Compute(world, s)
	if err != nil {
		return nil, 0, err
	}
	generation, err := n.Stage(p)
	return p, generation, err
}

// reach makes every backend reachable.
func (n *node) reach() {
	for _, b := range n.Backends() {
		n.SetNextHop(b.ID, nextHop(b.Address))
	}
}

const nic = "bench0"

func nextHop(backend netip.Addr) datapath.NextHop {
	source := netip.MustParseAddr("10.1.0.2")
	if backend.Is6() {
		source = netip.MustParseAddr("fd00:1::2")
	}
	return datapath.NextHop{Source: source, NIC: nic, MTU: 1600,
		MAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, NICMAC: net.HardwareAddr{2, 0, 0, 0, 0, 2}}
}

// pinned opens a map of the node by the name of its pin.
func (n *node) pinned(t *testing.T, name string) *ebpf.Map {
	t.Helper()
	m, err := ebpf.LoadPinnedMap(filepath.Join(n.dir, "maps", name), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

func parseSpec(t *testing.T, text string) *spec.Spec {
	t.Helper()
	s, err := spec.Parse("bench", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}
