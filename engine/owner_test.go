package engine

import (
	"context"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"hairpin/engine/spec"
)

// privateNode is a node of its own: network namespace with eth0 and a router behind it, bpffs, folders.
func privateNode(t *testing.T) Paths {
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
	addNIC(t, "eth0", "10.1.0.2/24")
	p := Paths{Config: t.TempDir(), State: t.TempDir(), Run: t.TempDir(), BPFFS: t.TempDir(), Node: "test"}
	if err := unix.Mount("bpf", p.BPFFS, "bpf", 0, ""); err != nil {
		t.Fatalf("mount bpffs: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(p.BPFFS, unix.MNT_DETACH) })
	return p
}

func addNIC(t *testing.T, name, address string) {
	t.Helper()
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name, MTU: 1600}, PeerName: name + "peer"}
	if err := netlink.LinkAdd(veth); err != nil {
		t.Fatal(err)
	}
	for _, n := range []string{name, name + "peer"} {
		l, err := netlink.LinkByName(n)
		if err != nil {
			t.Fatal(err)
		}
		if err := netlink.LinkSetUp(l); err != nil {
			t.Fatal(err)
		}
	}
	l, err := netlink.LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	a, err := netlink.ParseAddr(address)
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.AddrAdd(l, a); err != nil {
		t.Fatal(err)
	}
	for _, ip := range []string{"10.1.0.11", "10.1.0.12", "10.1.0.13"} {
		if err := netlink.NeighSet(&netlink.Neigh{LinkIndex: l.Attrs().Index, State: netlink.NUD_PERMANENT,
			IP: netip.MustParseAddr(ip).AsSlice(), HardwareAddr: []byte{2, 0, 0, 0, 0, 9}}); err != nil {
			t.Fatal(err)
		}
	}
}

const lbSpec = `
version: 1
nics: {eth0: {xdp: [balancer]}}
vips:
  - {name: web, addresses: [10.99.0.1], port: 80, protocol: tcp, ring: 4099, backends: [{address: 10.1.0.11}, {address: 10.1.0.12}]}
`

func parse(t *testing.T, text string) *spec.Spec {
	t.Helper()
	s, err := spec.Parse("test", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// open opens the engine of p. Its loop works in the test's network namespace only as far as it opens no socket, so
// everything that needs one is opened here.
func open(t *testing.T, p Paths) Node {
	t.Helper()
	n, err := Open(context.Background(), Options{Paths: p, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestApplyConfirmAndGoBack(t *testing.T) {
	p := privateNode(t)
	n := open(t, p)
	defer n.Close()
	ctx := context.Background()
	s := parse(t, lbSpec)
	first, err := n.Apply(ctx, ApplyRequest{Spec: s, Who: "test"})
	if err != nil {
		t.Fatal(err)
	}
	state := n.State()
	if state.Generation.Active != first.Generation || len(state.VIPs) != 1 || len(state.VIPs[0].Backends) != 2 {
		t.Fatalf("after the first apply: %+v", state)
	}
	drained, err := spec.SetState(s, "web", netip.MustParseAddr("10.1.0.11"), spec.Drain)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := n.Plan(ctx, drained)
	if err != nil || len(plan.Text) == 0 {
		t.Fatalf("plan %v, %v", plan, err)
	}
	if _, err := n.Apply(ctx, ApplyRequest{Spec: drained, Revision: plan.Revision, Deadline: 200 * time.Millisecond, Who: "test"}); err != nil {
		t.Fatal(err)
	}
	changed := n.Changed()
	limit := time.After(10 * time.Second)
	for n.State().Generation.Active != first.Generation || n.State().Spec.VIP("web").Backends[0].State != spec.Up {
		select {
		case <-changed:
		case <-limit:
			t.Fatalf("the kernel did not go back: %+v", n.State().Generation)
		}
	}
}
