package datapath

import (
	"encoding/binary"
	"fmt"
	"unsafe"

	"github.com/cilium/ebpf"
)

// xdpContext is struct xdp_md as a test run takes it: offsets into the data.
type xdpContext struct {
	Data, DataEnd, DataMeta  uint32
	Ingress, RxQueue, Egress uint32
}

// DryResult is what would become of a packet.
type DryResult struct {
	Verdict uint32 // of XDP: 1 drop, 2 pass, 3 tx
	Frame   []byte // as it would leave
	Note    Note
}

// Dry runs one frame through the rows of any generation, on a chain, and changes nothing: no counter, no entry of the
// connection table, no packet.
func (k *Kernel) Dry(generation, chain int, frame []byte) (DryResult, error) {
	k.runs = max(k.runs+1, Monotonic()) // no other process, before or beside this one, used that number
	run := dryRun{Seq: k.runs, Generation: uint32(generation), Chain: uint32(chain)}
	head := unsafe.Slice((*byte)(unsafe.Pointer(&run)), unsafe.Sizeof(run))
	data := append(append([]byte{}, head...), frame...)
	out := make([]byte, len(data)+256)
	options := ebpf.RunOptions{Data: data, DataOut: out, Repeat: 1,
		Context:    xdpContext{Data: uint32(len(head)), DataEnd: uint32(len(data))},
		ContextOut: new(xdpContext),
	}
	verdict, err := k.programs["dry_root"].Run(&options)
	if err != nil {
		return DryResult{}, fmt.Errorf("dry run: %w", explain(err))
	}
	result := DryResult{Verdict: verdict, Frame: options.DataOut}
	if skip := int(options.ContextOut.(*xdpContext).Data); skip <= len(result.Frame) {
		result.Frame = result.Frame[skip:]
	}
	result.Note, err = k.note(run.Seq)
	return result, err
}

// note finds what the run of that number left, on whichever CPU it was.
func (k *Kernel) note(seq uint64) (Note, error) {
	m := k.maps["scratch_dry"]
	var perCPU [][]byte
	if err := m.Lookup(uint32(0), &perCPU); err != nil {
		return Note{}, fmt.Errorf("dry run: read note: %w", err)
	}
	for _, scratch := range perCPU {
		var n Note
		tail := scratch[int(m.ValueSize())-int(unsafe.Sizeof(n)):]
		if binary.LittleEndian.Uint64(tail) != seq {
			continue
		}
		copy(unsafe.Slice((*byte)(unsafe.Pointer(&n)), unsafe.Sizeof(n)), tail)
		return n, nil
	}
	return Note{}, fmt.Errorf("dry run %d left no note", seq)
}
