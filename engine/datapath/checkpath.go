package datapath

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"

	"hairpin/bpf"
)

// checkMark is bpf/checkpath.bpf.c's.
const checkMark = 0x68700000

// CheckMark is the mark of a socket whose packets to a VIP go to one backend of it, by its id.
func CheckMark(id uint16) uint32 { return checkMark | uint32(id) }

// checkPath is struct checkpath.
type checkPath struct {
	Ifindex uint32
	Port    [2]byte
	_       [2]byte
	Ends    CheckEnds
}

// CheckEnds counts what became of the packets that asked a backend, from when it was asked first. The numbers go round.
type CheckEnds struct{ Sent, NoWay, NoFrame, NoRoom uint32 }

// Since says why packets were dropped on this node since an earlier reading; empty when none was.
func (e CheckEnds) Since(old CheckEnds) string {
	switch {
	case e.NoRoom != old.NoRoom:
		return "with the tunnel around it a packet is longer than the NIC takes"
	case e.NoFrame != old.NoFrame:
		return "it is no packet that could be put into a tunnel"
	case e.NoWay != old.NoWay:
		return "no way to the backend is known"
	}
	return ""
}

// CheckPath sends this process's checks of backends in the encapsulation of what clients say. It is there as long as the
// process: what is marked and finds nobody to send it on is dropped, or else would ask another backend.
type CheckPath struct {
	kernel  *Kernel
	program *ebpf.Program
	paths   *ebpf.Map
	memory  memory[checkPath]
	set     []uint16             // ids that are asked
	at      map[int]func() error // by the index of the NIC: takes it off
}

// OpenCheckPath loads it; Attach says where.
func (k *Kernel) OpenCheckPath() (*CheckPath, error) {
	c, err := k.collection(program{load: bpf.LoadCheckpath, function: "checkpath", rows: "rows_tc"})
	if err != nil {
		return nil, fmt.Errorf("open check path: %w", err)
	}
	loaded, err := ebpf.NewCollectionWithOptions(c.spec, ebpf.CollectionOptions{MapReplacements: c.maps})
	if err != nil {
		return nil, fmt.Errorf("open check path: %w", explain(verifierTail(err)))
	}
	defer loaded.Close()
	p := &CheckPath{kernel: k, program: loaded.DetachProgram("checkpath"), paths: loaded.DetachMap("checkpaths"), at: map[int]func() error{}}
	if p.memory, err = mapMemory[checkPath](p.paths, true); err != nil {
		p.Close()
		return nil, fmt.Errorf("open check path: %w", err)
	}
	return p, nil
}

// ID is its program's number; 0 where the kernel does not say.
func (p *CheckPath) ID() uint32 {
	id, err := programID(p.program)
	if err != nil {
		return 0
	}
	return id
}

// Attach has what leaves by these NICs, and by no other, looked at.
func (p *CheckPath) Attach(nics []int) error {
	var errs []error
	for index, off := range p.at {
		if !slices.Contains(nics, index) {
			_ = off() // fails on a NIC that is gone
			delete(p.at, index)
		}
	}
	for _, index := range nics {
		if p.at[index] != nil {
			continue
		}
		off, err := p.attach(index)
		if err != nil {
			errs = append(errs, fmt.Errorf("attach check path to NIC %d: %w", index, explain(err)))
			continue
		}
		p.at[index] = off
	}
	return errors.Join(errs...)
}

// attach comes first of what is there, so that others see what leaves. Where a filter stands in for it, that one stays when
// the process is killed, and the next one finds it.
func (p *CheckPath) attach(index int) (off func() error, err error) {
	l, err := link.AttachTCX(link.TCXOptions{Interface: index, Program: p.program, Attach: ebpf.AttachTCXEgress, Anchor: link.Head()})
	if err == nil {
		return l.Close, nil
	}
	if !errors.Is(err, ebpf.ErrNotSupported) {
		return nil, err
	}
	filter := clsact{index, netlink.HANDLE_MIN_EGRESS, checkFilter(clsactName(p.kernel.dir))}
	return filter.detach, filter.attach(p.program)
}

// checkFilter is what the filters of checks are called, beside those of a node's chains.
func checkFilter(node string) string { return node + " checks" }

// Set makes these backends, by id, those that are asked; with each the outer UDP port of its VIP, 0 for IPIP.
func (p *CheckPath) Set(ports map[uint16]uint16) {
	for _, id := range p.set {
		if _, stays := ports[id]; !stays {
			p.memory.all[id] = checkPath{}
		}
	}
	p.set = p.set[:0]
	for id, port := range ports {
		path := &p.memory.all[id]
		if at, by := wirePort(port), p.kernel.sentBy(id); path.Port != at || path.Ifindex != by {
			path.Port, path.Ifindex = at, by
		}
		p.set = append(p.set, id)
	}
}

// Ends are those of a backend that is asked.
func (p *CheckPath) Ends(id uint16) CheckEnds { return p.memory.all[id].Ends }

// Close takes it off every NIC.
func (p *CheckPath) Close() {
	for _, off := range p.at {
		_ = off() // fails on a NIC that is gone
	}
	p.memory.unmap()
	_ = p.paths.Close()
	_ = p.program.Close()
}
