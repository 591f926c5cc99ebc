package datapath

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// clsact stands in for tcx below Linux 6.6: a qdisc and a direct-action filter, found again by its name.
const (
	clsactName     = "hairpin"
	clsactPriority = 1
	clsactHandle   = 0x6870 // "hp": low ones are taken first by everybody
)

func attachClsact(root *ebpf.Program, nic netlink.Link) error {
	index := nic.Attrs().Index
	qdisc := &netlink.Clsact{QdiscAttrs: netlink.QdiscAttrs{LinkIndex: index, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_CLSACT}}
	if err := netlink.QdiscAdd(qdisc); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("clsact: %w", err)
	}
	filter := &netlink.BpfFilter{
		FilterAttrs: netlink.FilterAttrs{LinkIndex: index, Parent: netlink.HANDLE_MIN_INGRESS, Handle: clsactHandle,
			Priority: clsactPriority, Protocol: unix.ETH_P_ALL},
		Fd: root.FD(), Name: clsactName, DirectAction: true,
	}
	put := netlink.FilterAdd // refuses where another filter is
	if clsactAlive(index) {
		put = netlink.FilterReplace
	}
	if err := put(filter); err != nil {
		return fmt.Errorf("clsact filter: %w", err)
	}
	return nil
}

func clsactFilter(index int) (*netlink.BpfFilter, error) {
	nic, err := netlink.LinkByIndex(index)
	if err != nil {
		return nil, nil // the NIC is gone, and its filters with it
	}
	filters, err := netlink.FilterList(nic, netlink.HANDLE_MIN_INGRESS)
	if err != nil {
		return nil, fmt.Errorf("clsact: %w", err)
	}
	for _, f := range filters {
		if b, ok := f.(*netlink.BpfFilter); ok && b.Name == clsactName {
			return b, nil
		}
	}
	return nil, nil
}

func clsactAlive(index int) bool {
	f, err := clsactFilter(index)
	return err == nil && f != nil
}

// detachClsact removes our filter and leaves the qdisc, which others may use.
func detachClsact(index int) error {
	f, err := clsactFilter(index)
	if err != nil || f == nil {
		return err
	}
	return netlink.FilterDel(f)
}
