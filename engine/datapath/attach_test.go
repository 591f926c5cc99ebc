package datapath

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"hairpin/engine/spec"
)

const bothSpec = `
version: 1
nics: {eth0: {xdp: [decap]}, eth1: {tcx_ingress: [decap]}}
agent: {vips: [10.99.0.1]}
`

// theirs is a program of somebody else's that lets everything pass.
func theirs(t *testing.T, kind ebpf.ProgramType, verdict int32) *ebpf.Program {
	t.Helper()
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Name: "theirs", Type: kind, License: "MIT",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, verdict), asm.Return()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// xdpOf is the id of the XDP program on a NIC and its mode, 0 when there is none.
func xdpOf(t *testing.T, nic string) (id, mode uint32) {
	t.Helper()
	if x := nicByName(t, nic).Attrs().Xdp; x != nil && x.Attached {
		return x.ProgId, x.AttachMode
	}
	return 0, 0
}

// attachOne attaches the chains of text and returns what became of the only one.
func attachOne(t *testing.T, k *Kernel, text string) Attachment {
	t.Helper()
	list, err := k.Attach(parse(t, text))
	if err != nil || len(list) != 1 {
		t.Fatalf("attach: %+v, %v", list, err)
	}
	return list[0]
}

func TestForeignXDPStays(t *testing.T) {
	t.Parallel()
	k := newKernel(t)
	program := theirs(t, ebpf.XDP, xdpPass)
	info, err := program.Info()
	if err != nil {
		t.Fatal(err)
	}
	id, _ := info.ID()
	byLink := func(nic netlink.Link, flags link.XDPAttachFlags) {
		l, err := link.AttachXDP(link.XDPOptions{Program: program, Interface: nic.Attrs().Index, Flags: flags})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
	}
	byNetlink := func(nic netlink.Link, flags int) {
		if err := netlink.LinkSetXdpFdWithFlags(nic, program.FD(), flags); err != nil {
			t.Fatal(err)
		}
	}
	for nic, attach := range map[string]func(netlink.Link){
		"a0": func(nic netlink.Link) { byLink(nic, link.XDPDriverMode) },
		"a1": func(nic netlink.Link) { byLink(nic, link.XDPGenericMode) },
		"a2": func(nic netlink.Link) { byNetlink(nic, unix.XDP_FLAGS_DRV_MODE) },
		"a3": func(nic netlink.Link) { byNetlink(nic, unix.XDP_FLAGS_SKB_MODE) },
	} {
		attach(addNIC(t, nic, 1500))
		a := attachOne(t, k, strings.ReplaceAll("version: 1\nnics: {NIC: {xdp: [decap]}}\nagent: {vips: [10.99.0.1]}", "NIC", nic))
		if !errors.Is(a.Err, ErrForeign) {
			t.Errorf("%s: attached beside a foreign program: %v", nic, a.Err)
			continue
		}
		for _, part := range []string{"nic " + nic, `XDP program "theirs"`, "ip link set dev " + nic + " xdp off"} {
			if !strings.Contains(a.Err.Error(), part) {
				t.Errorf("%s: %q does not say %q", nic, a.Err, part)
			}
		}
		if got, _ := xdpOf(t, nic); got != uint32(id) {
			t.Errorf("%s: program %d is attached now, theirs is %d", nic, got, id)
		}
	}
	if err := k.Remove(); err != nil {
		t.Error(err)
	}
	for _, nic := range []string{"a0", "a1", "a2", "a3"} {
		if got, _ := xdpOf(t, nic); got != uint32(id) {
			t.Errorf("%s: removing ours took theirs: program %d is attached", nic, got)
		}
	}
}

// TestAttachKeeps: what is attached stays as it is, also for another process.
func TestAttachKeeps(t *testing.T) {
	t.Parallel()
	n := newNode(t, bothSpec)
	id, mode := xdpOf(t, "eth0")
	if id == 0 || mode != attachedDriver {
		t.Errorf("eth0 runs program %d in mode %d, want native", id, mode)
	}
	adopted, err := Open(n.dir, true)
	if err != nil {
		t.Fatal(err)
	}
	defer adopted.Close()
	if err := adopted.LoadPrograms(); err != nil {
		t.Fatal(err)
	}
	list, err := adopted.Attach(n.spec)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []Mode{Native, TC} {
		if a := list[i]; a.Err != nil || a.New || a.Chain.Mode != want || (a.Why != "") != (a.Chain.Hook == ClsactIngress) {
			t.Errorf("attached again: %+v", a)
		}
	}
	if again, _ := xdpOf(t, "eth0"); again != id {
		t.Errorf("program %d was replaced by %d", id, again)
	}
	for _, a := range n.Attached() {
		if a.Err != nil {
			t.Errorf("not attached: %+v", a)
		}
	}
}

// TestNICComesBack: a NIC that is deleted and made anew, under another index or the same, gets its chain back.
func TestNICComesBack(t *testing.T) {
	t.Parallel()
	n := newNode(t, bothSpec)
	for _, same := range []bool{false, true} {
		for _, name := range []string{"eth0", "eth1"} {
			old := nicByName(t, name)
			if err := netlink.LinkDel(old); err != nil {
				t.Fatal(err)
			}
			for _, a := range n.Attached() {
				if gone := a.Chain.NIC == name; errors.Is(a.Err, ErrNoNIC) != gone || !gone && a.Err != nil {
					t.Errorf("while %s is gone: %+v", name, a)
				}
			}
			list, err := n.Attach(n.spec)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range list {
				if gone := a.Chain.NIC == name; errors.Is(a.Err, ErrNoNIC) != gone {
					t.Errorf("attach while %s is gone: %+v", name, a)
				}
			}
			veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name, MTU: 1500}, PeerName: name + "peer"}
			if same {
				veth.Index = old.Attrs().Index
			}
			if err := netlink.LinkAdd(veth); err != nil {
				t.Fatal(err)
			}
			if index := nicByName(t, name).Attrs().Index; same != (index == old.Attrs().Index) {
				t.Fatalf("%s came back under index %d, was %d", name, index, old.Attrs().Index)
			}
			if list, err = n.Attach(n.spec); err != nil {
				t.Fatal(err)
			}
			for _, a := range list {
				if a.Err != nil || a.New != (a.Chain.NIC == name) || a.Chain.Ifindex != nicByName(t, a.Chain.NIC).Attrs().Index {
					t.Errorf("attach when %s is back: %+v", name, a)
				}
			}
		}
		if id, _ := xdpOf(t, "eth0"); id == 0 {
			t.Error("eth0 came back without its program")
		}
		if got := atIngress(t, "eth1"); got != 1 {
			t.Errorf("eth1 came back with %d programs", got)
		}
	}
	if chains := n.Chains(); len(chains) != 2 {
		t.Errorf("a NIC that came back has two numbers: %+v", chains)
	}
}

// TestGenericMode: where the driver cannot, the kernel does, and it is said.
func TestGenericMode(t *testing.T) {
	t.Parallel()
	k := newKernel(t)
	for _, fresh := range []bool{true, false} {
		a := attachOne(t, k, "version: 1\nnics: {lo: {xdp: [decap]}}\nagent: {vips: [10.99.0.1]}")
		if a.Err != nil || a.Chain.Mode != Generic || a.New != fresh || !strings.HasPrefix(a.Why, "the driver refused native XDP") {
			t.Errorf("lo: %+v", a)
		}
	}
	if _, mode := xdpOf(t, "lo"); mode != attachedGeneric {
		t.Errorf("lo: mode %d", mode)
	}
}

// Values of IFLA_XDP_ATTACHED.
const (
	attachedDriver  = 1
	attachedGeneric = 2
)

// atIngress is how many programs a NIC has at ingress, by tcx or, where the kernel has none, by clsact.
func atIngress(t *testing.T, nic string) int {
	t.Helper()
	result, err := link.QueryPrograms(link.QueryOptions{Target: nicByName(t, nic).Attrs().Index, Attach: ebpf.AttachTCXIngress})
	if errors.Is(err, unix.EINVAL) {
		return len(filters(t, nic))
	}
	if err != nil {
		t.Fatal(err)
	}
	return len(result.Programs)
}

// TestRemove takes everything of ours away, and nothing else.
func TestRemove(t *testing.T) {
	t.Parallel()
	for what, remove := range map[string]func(*node) error{
		"what is open":       func(n *node) error { return n.Remove() },
		"pins that are left": func(n *node) error { n.Close(); return RemovePins(n.dir) },
	} {
		t.Run(what, func(t *testing.T) {
			n := newNode(t, bothSpec)
			their, err := link.AttachTCX(link.TCXOptions{Interface: nicByName(t, "eth1").Attrs().Index,
				Program: theirs(t, ebpf.SchedCLS, -1), Attach: ebpf.AttachTCXIngress})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = their.Close() })
			mount := filepath.Dir(filepath.Dir(filepath.Dir(n.dir)))
			neighbour := filepath.Join(mount, "hairpin", "neighbour")
			if err := os.Mkdir(neighbour, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := remove(n); err != nil {
				t.Fatal(err)
			}
			await(t, "the links go", func() bool {
				id, _ := xdpOf(t, "eth0")
				return id == 0 && atIngress(t, "eth1") == 1
			})
			if left, err := os.ReadDir(filepath.Join(mount, "hairpin")); err != nil || len(left) != 1 || left[0].Name() != "neighbour" {
				t.Errorf("beside the neighbour's pins there are %v, %v", left, err)
			}
			if _, err := Open(n.dir, false); !errors.Is(err, ErrNone) {
				t.Errorf("open what was removed: %v", err)
			}
			if err := os.Remove(neighbour); err != nil {
				t.Fatal(err)
			}
			if err := RemovePins(n.dir); err != nil {
				t.Errorf("removing what is not there: %v", err)
			}
		})
	}
}

// TestDetachUnused takes root off the NICs that a spec does not name any more, and off no others.
func TestDetachUnused(t *testing.T) {
	t.Parallel()
	n := newNode(t, bothSpec)
	s := n.spec.Clone()
	s.NICs = []spec.NIC{*s.NIC("eth1")}
	n.apply(t, s, 0)
	if err := n.DetachUnused(s); err != nil {
		t.Fatal(err)
	}
	await(t, "the link goes", func() bool { id, _ := xdpOf(t, "eth0"); return id == 0 })
	if got := atIngress(t, "eth1"); got != 1 {
		t.Errorf("eth1 has %d programs", got)
	}
	if chains := n.Chains(); len(chains) != 1 || chains[0].NIC != "eth1" {
		t.Errorf("chains %+v", chains)
	}
	if err := n.DetachUnused(nil); err != nil {
		t.Fatal(err)
	}
	await(t, "the link goes", func() bool { return atIngress(t, "eth1") == 0 })
}
