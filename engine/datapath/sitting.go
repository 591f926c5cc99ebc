package datapath

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Sitting is a program at a hook of a NIC, whoever put it there.
type Sitting struct {
	Hook string // as Hook.String, or tc for a filter of another kind
	Mode string // of XDP: native, generic, offload; empty where the kernel does not say which
	ID   uint32
	Name string // empty: this process may not ask
	Ours bool
}

// Roots are the numbers of the programs that hairpin has attached by links, on this machine by any node's name. An error
// means that there may be more.
func Roots(bpffs string) (map[uint32]bool, error) {
	ours := map[uint32]bool{}
	pins, err := filepath.Glob(filepath.Join(bpffs, "hairpin", "*", "*", "links", "chain_*"))
	if err != nil {
		return ours, fmt.Errorf("list pins: %w", err)
	}
	if _, err := os.ReadDir(filepath.Join(bpffs, "hairpin")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return ours, fmt.Errorf("list pins: %w", err)
	}
	for _, pin := range pins {
		l, err := link.LoadPinnedLink(pin, nil)
		if err != nil {
			return ours, fmt.Errorf("open %s: %w", pin, err)
		}
		info, err := l.Info()
		_ = l.Close()
		if err != nil {
			return ours, fmt.Errorf("read %s: %w", pin, err)
		}
		ours[uint32(info.Program)] = true
	}
	return ours, nil
}

// checkProgram is what the program is called that sends checks of backends. It has no pin by which it could be known.
const checkProgram = "checkpath"

// SittingOn are the programs on a NIC; ours is what Roots said, and what else is known.
func SittingOn(nic netlink.Link, ours map[uint32]bool) (list []Sitting, err error) {
	if x := nic.Attrs().Xdp; x != nil && x.Attached {
		mode := map[uint32]string{1: "native", 2: "generic", 3: "offload"} // enum XDP_ATTACHED_*
		list = append(list, Sitting{Hook: XDP.String(), Mode: mode[x.AttachMode], ID: x.ProgId, Name: programName(x.ProgId), Ours: ours[x.ProgId]})
	}
	for _, side := range []struct {
		hook   Hook
		attach ebpf.AttachType
		parent uint32
	}{{TCXIngress, ebpf.AttachTCXIngress, netlink.HANDLE_MIN_INGRESS}, {TCXEgress, ebpf.AttachTCXEgress, netlink.HANDLE_MIN_EGRESS}} {
		result, err := link.QueryPrograms(link.QueryOptions{Target: nic.Attrs().Index, Attach: side.attach})
		if err != nil && !errors.Is(err, ebpf.ErrNotSupported) && !errors.Is(err, unix.EINVAL) { // EINVAL: a kernel without tcx
			return list, fmt.Errorf("list programs of %s: %s: %w", nic.Attrs().Name, side.hook, err)
		}
		if result != nil {
			for _, p := range result.Programs {
				name := programName(uint32(p.ID))
				list = append(list, Sitting{Hook: side.hook.String(), ID: uint32(p.ID), Name: name, Ours: ours[uint32(p.ID)] || name == checkProgram})
			}
		}
		filters, err := netlink.FilterList(nic, side.parent)
		if err != nil {
			continue // there is no clsact
		}
		for _, f := range filters {
			s := Sitting{Hook: "tc", Name: f.Type()}
			if b, ok := f.(*netlink.BpfFilter); ok {
				s = Sitting{Hook: (side.hook + ClsactIngress - TCXIngress).String(), ID: uint32(b.Id), Name: b.Name, Ours: strings.HasPrefix(b.Name, "hairpin ")}
			}
			list = append(list, s)
		}
	}
	return list, nil
}

// programName is what the program of that number is called; empty where this process may not ask, or it is gone.
func programName(id uint32) string {
	p, err := ebpf.NewProgramFromID(ebpf.ProgramID(id))
	if err != nil {
		return ""
	}
	defer p.Close()
	info, err := p.Info()
	if err != nil {
		return ""
	}
	return info.Name
}
