package datapath

import (
	"errors"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// clsactNode is an agent whose chain on eth1 is attached by clsact, as below the kernels that have tcx.
func clsactNode(t *testing.T) (n *node, chain int) {
	t.Helper()
	n = newNode(t, bothSpec)
	chain = n.chain(t, "eth1", TCXIngress)
	if err := n.DetachChain(chain); err != nil {
		t.Fatal(err)
	}
	n.apply(t, n.spec, 0)
	if err := attachClsact(n.roots[chain], nicByName(t, "eth1")); err != nil {
		t.Fatal(err)
	}
	n.chains.all[chain].Hook = ClsactIngress
	return n, chain
}

// filters are the names of the filters at a NIC's ingress, in their order.
func filters(t *testing.T, nic string) (names []string) {
	t.Helper()
	list, err := netlink.FilterList(nicByName(t, nic), netlink.HANDLE_MIN_INGRESS)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range list {
		if b, ok := f.(*netlink.BpfFilter); ok {
			names = append(names, b.Name)
		}
	}
	return names
}

// theirFilter is a filter of somebody else's at our priority.
func theirFilter(t *testing.T, nic string, program *ebpf.Program, handle uint32) {
	t.Helper()
	index := nicByName(t, nic).Attrs().Index
	if err := netlink.QdiscAdd(&netlink.Clsact{QdiscAttrs: netlink.QdiscAttrs{LinkIndex: index,
		Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_CLSACT}}); err != nil && !errors.Is(err, unix.EEXIST) {
		t.Fatal(err)
	}
	if err := netlink.FilterAdd(&netlink.BpfFilter{FilterAttrs: netlink.FilterAttrs{LinkIndex: index,
		Parent: netlink.HANDLE_MIN_INGRESS, Handle: handle, Priority: clsactPriority, Protocol: unix.ETH_P_ALL},
		Fd: program.FD(), Name: "theirs", DirectAction: true}); err != nil {
		t.Fatal(err)
	}
}

func TestClsact(t *testing.T) {
	t.Parallel()
	n, chain := clsactNode(t)
	n.check(t, chain, row{in: frame(outer4, udp{}, ip4{}, syn), want: unwrapped}, 0)
	for _, a := range n.Attached() {
		if a.Err != nil || a.Chain.NIC == "eth1" && a.Why != "tcx needs Linux 6.6; attached by clsact" {
			t.Errorf("attached: %+v", a)
		}
	}
	list, err := n.Attach(n.spec)
	if err != nil || len(list) != 2 || list[0].New || list[1].New {
		t.Errorf("attached again: %+v, %v", list, err)
	}
	if err := attachClsact(n.roots[chain], nicByName(t, "eth1")); err != nil {
		t.Errorf("attach a second time: %v", err)
	}
	if got := filters(t, "eth1"); len(got) != 1 || got[0] != clsactName {
		t.Errorf("filters %q", got)
	}
	if err := n.DetachChain(chain); err != nil {
		t.Fatal(err)
	}
	if got := filters(t, "eth1"); len(got) != 0 {
		t.Errorf("filters %q are left", got)
	}
	if err := detachClsact(nicByName(t, "eth1").Attrs().Index); err != nil {
		t.Errorf("detach what is not there: %v", err)
	}
	if err := detachClsact(9999); err != nil {
		t.Errorf("detach from a NIC that is gone: %v", err)
	}
}

// TestClsactBesideOthers: a filter of somebody else's stays, before and after.
func TestClsactBesideOthers(t *testing.T) {
	t.Parallel()
	n := newNode(t, bothSpec)
	chain := n.chain(t, "eth1", TCXIngress)
	theirFilter(t, "eth1", theirs(t, ebpf.SchedCLS, -1), 1)
	for range 2 {
		if err := attachClsact(n.roots[chain], nicByName(t, "eth1")); err != nil {
			t.Fatal(err)
		}
		if got := filters(t, "eth1"); len(got) != 2 || got[0] == got[1] {
			t.Fatalf("filters %q", got)
		}
	}
	if err := detachClsact(nicByName(t, "eth1").Attrs().Index); err != nil {
		t.Fatal(err)
	}
	if got := filters(t, "eth1"); len(got) != 1 || got[0] != "theirs" {
		t.Errorf("filters %q are left", got)
	}
}

// TestClsactPlaceTaken: at our own place a filter of somebody else's stays too.
func TestClsactPlaceTaken(t *testing.T) {
	t.Parallel()
	n := newNode(t, bothSpec)
	chain := n.chain(t, "eth1", TCXIngress)
	if err := n.DetachChain(chain); err != nil {
		t.Fatal(err)
	}
	theirFilter(t, "eth1", theirs(t, ebpf.SchedCLS, -1), clsactHandle)
	if err := attachClsact(n.roots[chain], nicByName(t, "eth1")); !errors.Is(err, unix.EEXIST) {
		t.Errorf("attached at a place that is taken: %v", err)
	}
	if got := filters(t, "eth1"); len(got) != 1 || got[0] != "theirs" {
		t.Errorf("filters %q are left", got)
	}
}

// TestClsactNICComesBack: the filter goes with the NIC, and is attached anew.
func TestClsactNICComesBack(t *testing.T) {
	t.Parallel()
	n, chain := clsactNode(t)
	if err := netlink.LinkDel(nicByName(t, "eth1")); err != nil {
		t.Fatal(err)
	}
	addNIC(t, "eth1", 1600)
	list, err := n.Attach(n.spec)
	if err != nil || list[1].Err != nil || !list[1].New || list[1].Chain.Number != chain {
		t.Errorf("attach when eth1 is back: %+v, %v", list, err)
	}
}
