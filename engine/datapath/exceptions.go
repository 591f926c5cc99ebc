package datapath

import (
	"errors"
	"fmt"
	"syscall"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
)

// Exceptions count what the kernel could not do of what XDP programs asked for, whosever they are, in all network namespaces.
// Nothing is pinned: they end with the process.
type Exceptions struct {
	counts *ebpf.Map
	links  []link.Link
}

// exceptionKey is a NIC, 0 where the kernel does not tell, and an action that failed (0 = XDP_ABORTED, 3 = XDP_TX ...), or
// below 0 the error of a redirect.
type exceptionKey struct {
	Ifindex uint32
	Code    int32
}

// Exception is one of them since Exceptions began.
type Exception struct {
	Ifindex int
	What    string
	Packets uint64
}

// Places of the tracepoints' arguments: (dev, program, action), and (dev, program, target, error, ...).
const (
	exceptionAction = 2
	redirectError   = 3
)

// mostExceptions is for how many NICs and codes there is room.
const mostExceptions = 1024

// OpenExceptions begins to count.
func OpenExceptions() (*Exceptions, error) {
	x := &Exceptions{}
	if err := x.open(); err != nil {
		x.Close()
		return nil, fmt.Errorf("count what XDP could not do: %w", explain(err))
	}
	return x, nil
}

func (x *Exceptions) open() (err error) {
	x.counts, err = ebpf.NewMap(&ebpf.MapSpec{Name: "exceptions", Type: ebpf.Hash, KeySize: uint32(unsafe.Sizeof(exceptionKey{})), ValueSize: 8, MaxEntries: mostExceptions})
	if err != nil {
		return err
	}
	at := ifindexAt()
	for name, code := range map[string]int16{"xdp_exception": exceptionAction, "xdp_redirect_err": redirectError} {
		p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Name: name, Type: ebpf.RawTracepoint, License: "GPL", Instructions: countException(x.counts.FD(), code, at)})
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		l, err := link.AttachRawTracepoint(link.RawTracepointOptions{Name: name, Program: p})
		_ = p.Close() // the link holds it
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		x.links = append(x.links, l)
	}
	return nil
}

// ifindexAt is where struct net_device has its index; -1 where the kernel does not describe it.
func ifindexAt() int32 {
	kernel, err := btf.LoadKernelSpec()
	if err != nil {
		return -1
	}
	var device *btf.Struct
	if kernel.TypeByName("net_device", &device) != nil {
		return -1
	}
	for _, m := range device.Members {
		if m.Name == "ifindex" {
			return int32(m.Offset.Bytes())
		}
	}
	return -1
}

// countException adds one to the count of the device, which is the first argument, and of the argument number code.
func countException(counts int, code int16, ifindex int32) asm.Instructions {
	const key, value = -8, -16
	list := asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.StoreImm(asm.RFP, key, 0, asm.Word),
	}
	if ifindex >= 0 {
		list = append(list,
			asm.LoadMem(asm.R3, asm.R6, 0, asm.DWord),
			asm.Add.Imm(asm.R3, ifindex),
			asm.Mov.Reg(asm.R1, asm.RFP), asm.Add.Imm(asm.R1, key),
			asm.Mov.Imm(asm.R2, 4),
			asm.FnProbeReadKernel.Call())
	}
	return append(list,
		asm.LoadMem(asm.R1, asm.R6, code*8, asm.DWord),
		asm.StoreMem(asm.RFP, key+4, asm.R1, asm.Word),
		asm.LoadMapPtr(asm.R1, counts),
		asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, key),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "first"),
		asm.Mov.Imm(asm.R1, 1),
		asm.StoreXAdd(asm.R0, asm.R1, asm.DWord),
		asm.Ja.Label("end"),
		asm.Mov.Imm(asm.R1, 1).WithSymbol("first"),
		asm.StoreMem(asm.RFP, value, asm.R1, asm.DWord),
		asm.LoadMapPtr(asm.R1, counts),
		asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, key),
		asm.Mov.Reg(asm.R3, asm.RFP), asm.Add.Imm(asm.R3, value),
		asm.Mov.Imm(asm.R4, int32(ebpf.UpdateNoExist)), // of two that are the first at once, one is not counted
		asm.FnMapUpdateElem.Call(),
		asm.Mov.Imm(asm.R0, 0).WithSymbol("end"),
		asm.Return())
}

// Read are all that there were.
func (x *Exceptions) Read() (list []Exception, err error) {
	var k exceptionKey
	var n uint64
	all := x.counts.Iterate()
	for all.Next(&k, &n) {
		list = append(list, Exception{int(k.Ifindex), k.String(), n})
	}
	if err := all.Err(); err != nil && !errors.Is(err, ebpf.ErrIterationAborted) { // it was written to meanwhile
		return nil, fmt.Errorf("read what XDP could not do: %w", err)
	}
	return list, nil
}

func (k exceptionKey) String() string {
	if k.Code < 0 {
		return "a redirect failed: " + syscall.Errno(-k.Code).Error()
	}
	switch k.Code {
	case 0:
		return "a program ended with XDP_ABORTED"
	case 3:
		return "XDP_TX failed"
	case 4:
		return "XDP_REDIRECT failed"
	}
	return fmt.Sprintf("a program ended with %d, which the driver does not take", k.Code)
}

// Close ends counting.
func (x *Exceptions) Close() {
	for _, l := range x.links {
		_ = l.Close()
	}
	if x.counts != nil {
		_ = x.counts.Close()
	}
}
