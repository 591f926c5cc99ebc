package datapath

import (
	"net"
	"net/netip"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"hairpin/engine/plan"
	"hairpin/engine/spec"
)

// newKernel is a data path of its own, on a bpffs of its own, with a NIC eth0 in a network namespace of its own.
func newKernel(t *testing.T) *Kernel {
	t.Helper()
	privateNIC(t)
	mount := t.TempDir()
	if err := unix.Mount("bpf", mount, "bpf", 0, ""); err != nil {
		t.Fatalf("mount bpffs (these tests need root): %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(mount, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	k, err := Create(Dir(mount, "test"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	if err := k.LoadPrograms(); err != nil {
		t.Fatal(err)
	}
	if err := k.Take(); err != nil {
		t.Fatal(err)
	}
	return k
}

// privateNIC puts the test's thread into a network namespace with a veth pair eth0, peer0.
func privateNIC(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	old, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	ns, err := netns.New()
	if err != nil {
		t.Fatalf("network namespace (these tests need root): %v", err)
	}
	t.Cleanup(func() {
		if err := netns.Set(old); err != nil {
			t.Fatalf("leave network namespace: %v", err)
		}
		_ = ns.Close()
		_ = old.Close()
		runtime.UnlockOSThread()
	})
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth0", MTU: 1600}, PeerName: "peer0"}
	if err := netlink.LinkAdd(veth); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"eth0", "peer0"} {
		l, err := netlink.LinkByName(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := netlink.LinkSetUp(l); err != nil {
			t.Fatal(err)
		}
	}
}

var (
	routerMAC = net.HardwareAddr{2, 0, 0, 0, 0, 1}
	nicMAC    = net.HardwareAddr{2, 0, 0, 0, 0, 2}
)

// apply makes s the running spec in one go, as the engine does, with every backend reachable.
func apply(t *testing.T, k *Kernel, old, s *spec.Spec, deadline time.Duration) *plan.Plan {
	t.Helper()
	p, generation := stageSpec(t, k, old, s)
	k.Prepare(p, generation)
	if err := k.Activate(int(k.Control().Active), generation, deadline); err != nil {
		t.Fatal(err)
	}
	k.MarkAll(p)
	return p
}

func stageSpec(t *testing.T, k *Kernel, old, s *spec.Spec) (*plan.Plan, int) {
	t.Helper()
	list, err := k.Attach(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range list {
		if a.Err != nil {
			t.Fatal(a.Err)
		}
	}
	world, err := k.World(old)
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.Compute(world, s)
	if err != nil {
		t.Fatal(err)
	}
	generation, err := k.Stage(p)
	for err != nil {
		runtime.Gosched() // numbers come free a second after they were left
		if generation, err = k.Stage(p); err != nil && time.Since(started) > time.Minute {
			t.Fatal(err)
		}
	}
	for _, b := range k.Backends() {
		k.SetNextHop(b.ID, reachable(b.Address))
	}
	return p, generation
}

var started = time.Now()

func reachable(backend netip.Addr) NextHop {
	source := netip.MustParseAddr("10.1.0.2")
	if backend.Is6() {
		source = netip.MustParseAddr("fd00:1::2")
	}
	return NextHop{Source: source, NIC: "eth0", MTU: 1600, MAC: routerMAC, NICMAC: nicMAC}
}

func parse(t *testing.T, text string) *spec.Spec {
	t.Helper()
	s, err := spec.Parse("test", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestCreateAndAdopt(t *testing.T) {
	k := newKernel(t)
	s := parse(t, `
version: 1
nics: {eth0: {xdp: [balancer]}}
vips:
  - {name: web, addresses: [10.99.0.1, "fd00:99::1"], port: 80, protocol: tcp, backends: [{address: 10.1.1.11}, {address: 10.1.1.12}]}
`)
	apply(t, k, nil, s, 0)
	dir, control := k.dir, k.Control()
	adopted, err := Open(dir, true)
	if err != nil {
		t.Fatal(err)
	}
	defer adopted.Close()
	if got := adopted.Control(); got != control {
		t.Errorf("control %+v, was %+v", got, control)
	}
	if err := adopted.LoadPrograms(); err != nil {
		t.Fatal(err)
	}
	world, err := adopted.World(s)
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.Compute(world, s)
	if err != nil {
		t.Fatal(err)
	}
	if text := p.Text(); text != nil {
		t.Errorf("what was adopted differs from what was applied: %q", text)
	}
	if got := filepath.Base(dir); got != "v1" {
		t.Errorf("pin folder %s does not name the ABI", got)
	}
}
