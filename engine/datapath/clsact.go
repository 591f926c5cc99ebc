package datapath

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// clsact stands in for tcx below Linux 6.6: a qdisc, and a direct-action filter at one of its two sides, found again by
// its name, which says whose it is.
type clsact struct {
	index  int // of the NIC
	parent uint32
	name   string
}

const (
	clsactPriority = 1
	clsactHandle   = 0x6870 // "hp": low ones are taken first by everybody
)

// clsactName is what the filters of the node are called whose pins are in dir.
func clsactName(dir string) string { return "hairpin " + filepath.Base(filepath.Dir(dir)) }

func (k *Kernel) clsact(h Hook, index int) clsact {
	c := clsact{index, netlink.HANDLE_MIN_INGRESS, clsactName(k.dir)}
	if h.Egress() {
		c.parent = netlink.HANDLE_MIN_EGRESS
	}
	return c
}

func (c clsact) attach(root *ebpf.Program) error {
	qdisc := &netlink.Clsact{QdiscAttrs: netlink.QdiscAttrs{LinkIndex: c.index, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_CLSACT}}
	if err := netlink.QdiscAdd(qdisc); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("clsact: %w", err)
	}
	filter := &netlink.BpfFilter{
		FilterAttrs: netlink.FilterAttrs{LinkIndex: c.index, Parent: c.parent, Handle: c.handle(),
			Priority: clsactPriority, Protocol: unix.ETH_P_ALL},
		Fd: root.FD(), Name: c.name, DirectAction: true,
	}
	put := netlink.FilterAdd // refuses where another filter is
	if c.alive() {
		put = netlink.FilterReplace
	}
	if err := put(filter); err != nil {
		return fmt.Errorf("clsact filter: %w", err)
	}
	return nil
}

// handle is another for the filter of checks, which stands beside that of a chain.
func (c clsact) handle() uint32 {
	if strings.HasSuffix(c.name, checkFilter("")) {
		return clsactHandle - 1
	}
	return clsactHandle
}

// filter is ours, nil when there is none.
func (c clsact) filter() (*netlink.BpfFilter, error) {
	nic, err := netlink.LinkByIndex(c.index)
	if err != nil {
		return nil, nil // the NIC is gone, and its filters with it
	}
	filters, err := netlink.FilterList(nic, c.parent)
	if err != nil {
		return nil, fmt.Errorf("clsact: %w", err)
	}
	for _, f := range filters {
		if b, ok := f.(*netlink.BpfFilter); ok && b.Name == c.name {
			return b, nil
		}
	}
	return nil, nil
}

func (c clsact) alive() bool {
	f, err := c.filter()
	return err == nil && f != nil
}

// detach removes our filter and leaves the qdisc, which others may use.
func (c clsact) detach() error {
	f, err := c.filter()
	if err != nil || f == nil {
		return err
	}
	return netlink.FilterDel(f)
}

// removeFilters takes the filters of one node off all NICs of this network namespace: no pin says where they are.
func removeFilters(name string) error {
	nics, err := netlink.LinkList()
	if err != nil {
		return fmt.Errorf("list NICs: %w", err)
	}
	var errs []error
	for _, nic := range nics {
		for _, parent := range []uint32{netlink.HANDLE_MIN_INGRESS, netlink.HANDLE_MIN_EGRESS} {
			if err := (clsact{nic.Attrs().Index, parent, name}).detach(); err != nil {
				errs = append(errs, fmt.Errorf("nic %s: %w", nic.Attrs().Name, err))
			}
		}
	}
	return errors.Join(errs...)
}
