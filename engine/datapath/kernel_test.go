package datapath

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"hairpin/engine/plan"
	"hairpin/engine/spec"
)

// newKernel is a data path of its own, on a bpffs of its own, with NICs eth0 and eth1 in namespaces of its own. Only the
// goroutine that asked for it reaches its pins and NICs; everybody reaches its maps and programs.
func newKernel(t testing.TB) *Kernel {
	t.Helper()
	k, err := Create(Dir(privateMount(t), "test"))
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

// privateMount puts the test's thread into namespaces of its own, with a bpffs whose place it returns and the NICs eth0
// and eth1. The thread is never unlocked: it ends with the test, and the namespaces with it, however the test ends.
func privateMount(t testing.TB) (bpffs string) {
	t.Helper()
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET | unix.CLONE_NEWNS); err != nil {
		t.Fatalf("own namespaces (these tests need root): %v", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	bpffs = t.TempDir()
	if err := unix.Mount("bpf", bpffs, "bpf", 0, ""); err != nil {
		t.Fatalf("mount bpffs: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(bpffs, unix.MNT_DETACH) })
	addNIC(t, "eth0", 1600)
	addNIC(t, "eth1", 1600)
	return bpffs
}

// addNIC makes a veth pair, NAME and NAMEpeer, and leaves it down: no packet of the kernel's own gets into the counters.
func addNIC(t testing.TB, name string, mtu int) netlink.Link {
	t.Helper()
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name, MTU: mtu}, PeerName: name + "peer"}
	if err := netlink.LinkAdd(veth); err != nil {
		t.Fatal(err)
	}
	return nicByName(t, name)
}

func nicByName(t testing.TB, name string) netlink.Link {
	t.Helper()
	nic, err := netlink.LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return nic
}

// apply makes s the running spec in one go, as the engine does, with every backend reachable as reach says.
func apply(t testing.TB, k *Kernel, old, s *spec.Spec, deadline time.Duration) *plan.Plan {
	t.Helper()
	p, generation := stageSpec(t, k, old, s)
	k.Prepare(p, generation)
	if err := k.Activate(int(k.Control().Active), generation, deadline); err != nil {
		t.Fatal(err)
	}
	k.MarkAll(p)
	return p
}

func stageSpec(t testing.TB, k *Kernel, old, s *spec.Spec) (*plan.Plan, int) {
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
	return stageUnattached(t, k, old, s)
}

// stageUnattached is for data paths that only test runs enter.
func stageUnattached(t testing.TB, k *Kernel, old, s *spec.Spec) (*plan.Plan, int) {
	t.Helper()
	world, err := k.World(old)
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.Compute(world, s)
	if err != nil {
		t.Fatal(err)
	}
	generation, err := k.Stage(p)
	for limit := time.Now().Add(time.Minute); errors.Is(err, ErrNoGeneration) && time.Now().Before(limit); {
		time.Sleep(10 * time.Millisecond) // numbers come free a second after they were left
		generation, err = k.Stage(p)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range k.Backends() {
		k.SetNextHop(b.ID, reach(b.Address))
	}
	return p, generation
}

var (
	routerMAC = net.HardwareAddr{2, 0, 0, 0, 0, 0xfe}
	nicMAC    = net.HardwareAddr{2, 0, 0, 0, 0, 0x01}
	source4   = netip.MustParseAddr("10.1.0.2")
	source6   = netip.MustParseAddr("fd00:1::2")
)

// reach is the way to a backend: over eth0, but for three networks.
func reach(backend netip.Addr) NextHop {
	hop := NextHop{Source: source4, NIC: "eth0", MTU: 1600, MAC: routerMAC, NICMAC: nicMAC}
	if backend.Is6() {
		hop.Source = source6
	}
	switch {
	case netip.MustParsePrefix("10.1.7.0/24").Contains(backend):
		hop.MTU = 1500
	case netip.MustParsePrefix("10.1.6.0/24").Contains(backend):
		hop.MTU = 1300
	case netip.MustParsePrefix("10.1.8.0/24").Contains(backend):
		hop.MAC, hop.Unknown = nil, "its neighbour does not answer"
	case netip.MustParsePrefix("10.1.9.0/24").Contains(backend):
		hop.NIC = "eth1"
	}
	return hop
}

func parse(t testing.TB, text string) *spec.Spec {
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
	if got := filepath.Base(dir); got != fmt.Sprintf("v%d", ABI) {
		t.Errorf("pin folder %s does not name the ABI", got)
	}
}
