package engine

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"hairpin/engine/datapath"
	"hairpin/engine/handoff"
	"hairpin/engine/packet"
	"hairpin/engine/reason"
	"hairpin/engine/spec"
)

// TestMain lets the test program stand in for an engine that is killed, and removes what all tests share.
func TestMain(m *testing.M) {
	if work := os.Getenv(victimVariable); work != "" {
		if err := victim(work); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if work := os.Getenv(partnerVariable); work != "" {
		if err := partnerMain(work); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	manyAtATime()
	code := m.Run()
	for _, undo := range undoAll {
		undo()
	}
	os.Exit(code)
}

// manyAtATime lets two tests more run at a time than there are CPUs, unless somebody has said how many: most of them wait most of
// the time.
func manyAtATime() {
	flag.Parse()
	if cpus := runtime.GOMAXPROCS(0); flag.Lookup("test.parallel").Value.String() == fmt.Sprint(cpus) {
		_ = flag.Set("test.parallel", fmt.Sprint(cpus+2)) // a number is what it takes
	}
}

// undoAll is what remains to be done after the last test.
var undoAll []func()

// AfterAll has undo called after the last test of the package.
func AfterAll(undo func()) { undoAll = append(undoAll, undo) }

// Program is the path of hairpin, built once.
var Program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "hairpin-endtoend-")
	if err != nil {
		return "", err
	}
	AfterAll(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { // ordinary users run it too
		return "", err
	}
	path := filepath.Join(dir, "hairpin")
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", path, "hairpin") // as make build does: its cache serves here
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build hairpin: %w\n%s", err, out)
	}
	return path, nil
})

// privateNode is a node of its own: network namespace with eth0 and a wire behind it, bpffs, folders.
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

// neighbours are the backends that every node of a test can reach.
var neighbours = []string{"10.1.0.11", "10.1.0.12", "10.1.0.13", "10.1.0.14", "10.1.0.15"}

func addNIC(t *testing.T, name, address string) {
	t.Helper()
	addVeth(t, netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name}}, address)
}

// addVeth adds a NIC and the wire behind it.
func addVeth(t *testing.T, veth netlink.Veth, address string) {
	t.Helper()
	name := veth.Name
	veth.MTU, veth.PeerName = 1600, name+"peer"
	if err := netlink.LinkAdd(&veth); err != nil {
		t.Fatal(err)
	}
	for _, n := range []string{name, name + "peer"} {
		if err := netlink.LinkSetUp(nic(t, n)); err != nil {
			t.Fatal(err)
		}
	}
	if address == "" {
		return
	}
	a, err := netlink.ParseAddr(address)
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.AddrAdd(nic(t, name), a); err != nil {
		t.Fatal(err)
	}
	for _, ip := range neighbours {
		if err := netlink.NeighSet(&netlink.Neigh{LinkIndex: nic(t, name).Attrs().Index, State: netlink.NUD_PERMANENT,
			IP: netip.MustParseAddr(ip).AsSlice(), HardwareAddr: []byte{2, 0, 0, 0, 0, 9}}); err != nil {
			t.Fatal(err)
		}
	}
}

func nic(t *testing.T, name string) netlink.Link {
	t.Helper()
	l, err := netlink.LinkByName(name)
	if err != nil {
		t.Fatalf("nic %s: %v", name, err)
	}
	return l
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

// open opens the engine of p, which the test closes.
func open(t *testing.T, p Paths) Node {
	t.Helper()
	for limit := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		n, err := Open(context.Background(), Options{Paths: p, Version: "test"})
		if err == nil {
			rearm(t, n)
			return n
		}
		var held *handoff.HeldError // by nobody: a child that another test starts has a copy of all descriptors for a moment
		if !errors.As(err, &held) || held.By.PID != 0 || time.Now().After(limit) {
			t.Fatal(err)
		}
	}
}

// rearm lets the test change the node through n for ten minutes more.
func rearm(t *testing.T, n Node) {
	t.Helper()
	if err := n.Arm(t.Context(), ArmRequest{Why: "test"}); err != nil {
		t.Fatal(err)
	}
}

// running opens the engine of p until the end of the test.
func running(t *testing.T, p Paths) *owner {
	t.Helper()
	n := open(t, p)
	t.Cleanup(func() { n.Close() })
	return n.(*owner)
}

func mustApply(t *testing.T, n Node, s *spec.Spec, deadline time.Duration) *Applied {
	t.Helper()
	return mustRequest(t, n, ApplyRequest{Spec: s, Deadline: deadline, Who: "test"})
}

// mustForce applies also what leaves a VIP without backends.
func mustForce(t *testing.T, n Node, s *spec.Spec, deadline time.Duration) *Applied {
	t.Helper()
	return mustRequest(t, n, ApplyRequest{Spec: s, Deadline: deadline, Who: "test", Force: true})
}

func mustRequest(t *testing.T, n Node, r ApplyRequest) *Applied {
	t.Helper()
	rearm(t, n)
	a, err := n.Apply(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// inside runs f in the loop of o, where everything of the engine may be looked at.
func inside(t *testing.T, o *owner, f func()) {
	t.Helper()
	if _, err := do(t.Context(), o, func() (struct{}, error) { f(); return struct{}{}, nil }); err != nil {
		t.Fatal(err)
	}
}

// until waits for a snapshot in which is holds.
func until(t *testing.T, n Node, what string, is func(*State) bool) *State {
	t.Helper()
	changed := n.Changed()
	limit := time.After(time.Minute)
	for {
		s := n.State()
		if is(s) {
			return s
		}
		select {
		case <-changed:
		case <-limit:
			t.Fatalf("%s did not happen: %+v", what, s)
		}
	}
}

// setState is s with a backend of web in another state.
func setState(t *testing.T, s *spec.Spec, address string, state spec.State) *spec.Spec {
	t.Helper()
	changed, err := spec.SetState(s, "web", netip.MustParseAddr(address), state)
	if err != nil {
		t.Fatal(err)
	}
	return changed
}

func setWeight(t *testing.T, s *spec.Spec, address string, weight uint32) *spec.Spec {
	t.Helper()
	changed, err := spec.SetWeight(s, "web", netip.MustParseAddr(address), weight)
	if err != nil {
		t.Fatal(err)
	}
	return changed
}

// wire is the far end of a NIC.
type wire struct {
	fd   int
	sent uint16
}

func newWire(t *testing.T, nicName string) *wire {
	t.Helper()
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	to := unix.SockaddrLinklayer{Ifindex: nic(t, nicName+"peer").Attrs().Index}
	if err := unix.Bind(fd, &to); err != nil {
		t.Fatal(err)
	}
	return &wire{fd: fd}
}

// send puts SYNs of n clients that were never seen before on the wire.
func (w *wire) send(t *testing.T, nicName, vip string, n int) {
	t.Helper()
	w.sendTCP(t, nicName, vip, n, "S")
}

// sendTCP puts packets with these flags on the wire, each of another client.
func (w *wire) sendTCP(t *testing.T, nicName, vip string, n int, flags string) {
	t.Helper()
	for range n {
		w.sent++
		frame := packet.Build(packet.Eth{Dst: packet.MAC(nic(t, nicName).Attrs().HardwareAddr)},
			packet.IPv4{Src: netip.MustParseAddr("192.0.2.9"), Dst: netip.MustParseAddr(vip)},
			packet.TCP{Src: packet.Is(1024 + w.sent), Dst: packet.Is(80), Flags: flags})
		if _, err := unix.Write(w.fd, frame); err != nil {
			t.Fatal(err)
		}
	}
}

// exits are the packets that left the chain of eth0, by reason, as they are in the kernel now.
func exits(t *testing.T, p Paths) map[string]uint64 {
	t.Helper()
	k, err := datapath.Open(datapath.Dir(p.BPFFS, p.Node), false)
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	var snap datapath.Snapshot
	if err := k.Snapshot(&snap); err != nil {
		t.Fatal(err)
	}
	all := map[string]uint64{}
	for _, chain := range k.Chains() {
		if chain.NIC != "eth0" {
			continue
		}
		for id, c := range snap.Exits[chain.Number] {
			if r, ok := reason.ByID(id); ok && c.Packets > 0 {
				all[r.Name] += c.Packets
			}
		}
	}
	return all
}

// forwards sends packets and waits until the data path has forwarded all of them, whoever runs it.
func forwards(t *testing.T, p Paths, w *wire) {
	t.Helper()
	const n = 20
	before := exits(t, p)
	w.send(t, "eth0", "10.99.0.1", n)
	for limit := time.Now().Add(time.Minute); ; {
		now := exits(t, p)
		if now["forwarded"] == before["forwarded"]+n {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("%d packets sent: before %v, now %v", n, before, now)
		}
		runtime.Gosched()
	}
}

// pins are the files below the pin folder of a node.
func pins(t *testing.T, p Paths) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	root := filepath.Join(p.BPFFS, "hairpin")
	err := filepath.Walk(root, func(path string, info os.FileInfo, err error) error {
		if os.IsNotExist(err) {
			return nil
		}
		if err == nil && !info.IsDir() {
			all[strings.TrimPrefix(path, root+"/")] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// xdpOf is the id of the XDP program on a NIC, 0 when there is none.
func xdpOf(t *testing.T, name string) uint32 {
	t.Helper()
	if x := nic(t, name).Attrs().Xdp; x != nil && x.Attached {
		return x.ProgId
	}
	return 0
}

// lockedBy is the process that the lock names as its holder, 0 when nobody holds it.
func lockedBy(t *testing.T, p Paths) int {
	t.Helper()
	by, held, err := handoff.Holder(p.Lock())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return -1 // it is being written
	}
	if !held {
		return 0
	}
	return by.PID
}
