package datapath

import (
	"errors"
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
	Sights  []Sight
	Spans   []Span // by position
}

// Dry runs one frame through the rows of any generation, on a chain, and changes nothing: no counter, no entry of the
// connection table, no packet.
func (k *Kernel) Dry(generation, chain int, frame []byte) (result DryResult, err error) {
	for range dryTimes {
		if result, err = k.dryOnce(generation, chain, frame); !errors.Is(err, errOverwritten) {
			break
		}
	}
	return result, err
}

func (k *Kernel) dryOnce(generation, chain int, frame []byte) (DryResult, error) {
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
	t, err := k.note(run.Seq)
	if err == nil {
		result.Note, result.Sights, result.Spans = t.Note, t.sights(), t.spans()
	}
	return result, err
}

// note finds what the run of that number left, on whichever CPU it was. Another process may have had its own run there
// since.
func (k *Kernel) note(seq uint64) (trail, error) {
	for i := range k.trails.all {
		if t := k.trails.all[i]; t.Note.Seq == seq {
			return t, nil
		}
	}
	return trail{}, fmt.Errorf("dry run %d: %w", seq, errOverwritten)
}

var errOverwritten = errors.New("left no note")

// MostDry is the longest frame that the kernel runs a test with, in bytes.
const MostDry = 3400

// dryTimes is how often a frame is run where another process overwrites what the run has left.
const dryTimes = 5
