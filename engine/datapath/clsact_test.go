package datapath

import (
	"errors"
	"fmt"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"hairpin/engine/spec"
)

// clsactNode is an agent whose chain on eth1 is attached by clsact, as below the kernels that have tcx.
func clsactNode(t *testing.T) (n *node, chain int) {
	t.Helper()
	n = newNode(t, bothSpec)
	return n, n.byClsact(t, "eth1", TCXIngress, ClsactIngress)
}

// byClsact attaches a chain anew.
func (n *node) byClsact(t *testing.T, nic string, hook, instead Hook) (chain int) {
	t.Helper()
	chain = n.chain(t, nic, hook)
	if err := n.DetachChain(chain); err != nil {
		t.Fatal(err)
	}
	n.apply(t, n.spec, 0)
	if err := n.at(t, nic, instead).attach(n.roots[chain]); err != nil {
		t.Fatal(err)
	}
	c := &n.chains.all[chain]
	c.Hook, c.Ifindex = instead, uint32(nicByName(t, nic).Attrs().Index)
	return chain
}

// at is the place of the node's filter at a NIC.
func (n *node) at(t *testing.T, nic string, hook Hook) clsact {
	t.Helper()
	return n.clsact(hook, nicByName(t, nic).Attrs().Index)
}

// filters are the names of the filters at a NIC's ingress, in their order.
func filters(t *testing.T, nic string) []string {
	t.Helper()
	return filtersAt(t, nic, netlink.HANDLE_MIN_INGRESS)
}

func filtersAt(t *testing.T, nic string, parent uint32) (names []string) {
	t.Helper()
	list, err := netlink.FilterList(nicByName(t, nic), parent)
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
	if err := n.at(t, "eth1", ClsactIngress).attach(n.roots[chain]); err != nil {
		t.Errorf("attach a second time: %v", err)
	}
	if got := filters(t, "eth1"); len(got) != 1 || got[0] != "hairpin test" {
		t.Errorf("filters %q", got)
	}
	if err := n.DetachChain(chain); err != nil {
		t.Fatal(err)
	}
	if got := filters(t, "eth1"); len(got) != 0 {
		t.Errorf("filters %q are left", got)
	}
	if err := n.at(t, "eth1", ClsactIngress).detach(); err != nil {
		t.Errorf("detach what is not there: %v", err)
	}
	if err := n.clsact(ClsactIngress, 9999).detach(); err != nil {
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
		if err := n.at(t, "eth1", ClsactIngress).attach(n.roots[chain]); err != nil {
			t.Fatal(err)
		}
		if got := filters(t, "eth1"); len(got) != 2 || got[0] == got[1] {
			t.Fatalf("filters %q", got)
		}
	}
	if err := n.at(t, "eth1", ClsactIngress).detach(); err != nil {
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
	if err := n.at(t, "eth1", ClsactIngress).attach(n.roots[chain]); !errors.Is(err, unix.EEXIST) {
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

// TestClsactEgress: what a NIC sends is seen at its other side.
func TestClsactEgress(t *testing.T) {
	t.Parallel()
	n := newNode(t, wallSpec)
	chain := n.byClsact(t, "eth0", TCXEgress, ClsactEgress)
	if got := filtersAt(t, "eth0", netlink.HANDLE_MIN_EGRESS); len(got) != 1 || len(filters(t, "eth0")) != 0 {
		t.Errorf("filters %q on the way out, %q on the way in", got, filters(t, "eth0"))
	}
	if c := n.Chains()[chain]; c.Hook.String() != "clsact_egress" || c.Hook.Spec() != spec.TCXEgress || !c.Hook.Egress() {
		t.Errorf("%+v", c)
	}
	list, err := n.Attach(n.spec)
	for _, a := range list {
		if err != nil || a.Err != nil || a.New {
			t.Errorf("attached again: %+v, %v", a, err)
		}
	}
	if err := netlink.LinkSetUp(nicByName(t, "eth0")); err != nil {
		t.Fatal(err)
	}
	before := n.ledger(t)
	if err := send(t, "eth0", frame(from4("192.0.2.7"), syn)); !errors.Is(err, unix.ENOBUFS) { // it was dropped on its way
		t.Errorf("sent: %v", err)
	}
	what := fmt.Sprintf("chain %d firewall_source", chain)
	if got := n.ledger(t)[what]; got.Packets != before[what].Packets+1 {
		t.Errorf("%s: %d packets, were %d", what, got.Packets, before[what].Packets)
	}
	if err := n.DetachChain(chain); err != nil {
		t.Fatal(err)
	}
	if got := filtersAt(t, "eth0", netlink.HANDLE_MIN_EGRESS); len(got) != 0 {
		t.Errorf("filters %q are left", got)
	}
}

// send has a NIC send a frame.
func send(t *testing.T, nic string, frame []byte) error {
	t.Helper()
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	return unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: nicByName(t, nic).Attrs().Index})
}

// TestClsactOfAnotherNode: two nodes of one network namespace leave each other's filters alone.
func TestClsactOfAnotherNode(t *testing.T) {
	t.Parallel()
	n, chain := clsactNode(t)
	other := n.at(t, "eth1", ClsactIngress)
	other.name = "hairpin other"
	if err := other.attach(n.roots[chain]); !errors.Is(err, unix.EEXIST) {
		t.Errorf("another node attached over ours: %v", err)
	}
	if err := errors.Join(other.detach(), removeFilters(other.name)); err != nil {
		t.Error(err)
	}
	if got := filters(t, "eth1"); len(got) != 1 {
		t.Errorf("filters %q", got)
	}
}

// TestRemovePinsTakesFilters: a data path that cannot be opened leaves nothing either.
func TestRemovePinsTakesFilters(t *testing.T) {
	t.Parallel()
	n, _ := clsactNode(t)
	theirFilter(t, "eth1", theirs(t, ebpf.SchedCLS, -1), 1)
	n.Close()
	if err := RemovePins(n.dir); err != nil {
		t.Fatal(err)
	}
	if got := filters(t, "eth1"); len(got) != 1 || got[0] != "theirs" {
		t.Errorf("filters %q are left", got)
	}
}

// TestLostOfAnotherChain: a chain number that is used again does not bring along what root counted for the last chain.
func TestLostOfAnotherChain(t *testing.T) {
	t.Parallel()
	n := newNode(t, bothSpec)
	chain := n.chain(t, "eth1", TCXIngress)
	seen := func() Count {
		var s Snapshot
		if err := n.Snapshot(&s); err != nil {
			t.Fatal(err)
		}
		return s.Exits[chain][noGeneration]
	}
	if err := n.clearRow(int(n.Control().Active), chain); err != nil {
		t.Fatal(err)
	}
	before := seen()
	n.run(t, chain, frame(ip4{}, syn), 0)
	if got := seen(); got.Packets != before.Packets+1 {
		t.Fatalf("%d packets without a row, were %d", got.Packets, before.Packets)
	}
	if err := n.DetachChain(chain); err != nil {
		t.Fatal(err)
	}
	n.apply(t, n.spec, 0)
	if got := seen(); got != (Count{}) {
		t.Errorf("the next chain begins with %+v", got)
	}
}
