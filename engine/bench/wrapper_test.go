package bench

import (
	"encoding/binary"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"hairpin/bpf"
	"hairpin/engine/datapath"
	"hairpin/engine/packet"
)

// flows is what the packets of one measurement have in common and how they differ.
type flows struct {
	frame []byte
	first uint32 // the last 32 bits of the first source address
	count uint64 // of source addresses that take turns, a power of two up to 2^32
}

// wrapper is a loaded program that calls another one, undoes what that did to the packet, and calls it again.
type wrapper struct {
	program  *ebpf.Program
	calls    int // of the other program in one run
	frame    []byte
	nextFlow *ebpf.Variable
}

// newWrapper loads the wrapper of wrap.bpf.c with a target in it.
func newWrapper(t *testing.T, target target, f flows, calls int) *wrapper {
	t.Helper()
	spec := loadWrap(t)
	for name, value := range map[string]uint32{"calls": uint32(calls), "family": family(f.frame), "flow_mask": uint32(f.count - 1),
		"first_flow": f.first, "inward": inward(f.frame)} {
		if err := spec.Variables[name].Set(value); err != nil {
			t.Fatal(err)
		}
	}
	only(spec, "wrap")
	if target.body != nil {
		splice(t, spec, target)
	}
	loaded, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{MapReplacements: target.maps})
	if err != nil {
		t.Fatalf("load wrapper: %+v", err)
	}
	defer loaded.Close()
	w := &wrapper{loaded.DetachProgram("wrap"), calls, f.frame, loaded.Variables["next_flow"]}
	t.Cleanup(func() { _ = w.program.Close() })
	return w
}

func loadWrap(t *testing.T) *ebpf.CollectionSpec {
	t.Helper()
	spec, err := LoadWrap()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range spec.Programs {
		p.Flags |= unix.BPF_F_XDP_HAS_FRAGS // as those that they share rows with
	}
	return spec
}

// family is 4 or 6, as the EtherType says.
func family(frame []byte) uint32 {
	if frame[12] == 0x86 {
		return 6
	}
	return 4
}

// inward tells whether a frame is what an agent takes off, GUE over IPv4: 0 or 1.
func inward(frame []byte) uint32 {
	if family(frame) == 4 && frame[23] == packet.ProtoUDP && binary.BigEndian.Uint16(frame[36:]) == packet.GUEPort {
		return 1
	}
	return 0
}

// only keeps one program of a spec, and the maps and variables that it uses.
func only(spec *ebpf.CollectionSpec, program string) {
	keep := spec.Programs[program]
	spec.Programs = map[string]*ebpf.ProgramSpec{program: keep}
	used := map[string]bool{}
	for _, i := range keep.Instructions {
		used[i.Reference()] = true
	}
	for name := range spec.Maps {
		if !used[name] {
			delete(spec.Maps, name)
		}
	}
	for name, v := range spec.Variables {
		if spec.Maps[v.SectionName] == nil {
			delete(spec.Variables, name)
		}
	}
}

// splice puts a target in the place of the wrapper's function of that name.
func splice(t *testing.T, spec *ebpf.CollectionSpec, target target) {
	t.Helper()
	program := spec.Programs["wrap"]
	from := slices.IndexFunc(program.Instructions, func(i asm.Instruction) bool { return i.Symbol() == "target" })
	if from < 0 {
		t.Fatal("the wrapper has no function target")
	}
	to := from + 1
	for to < len(program.Instructions) && program.Instructions[to].Symbol() == "" {
		to++
	}
	body := slices.Clone(target.body)
	body[0] = body[0].WithSymbol("target")
	program.Instructions = slices.Concat(program.Instructions[:from], body, program.Instructions[to:])
	for name, m := range target.specs {
		spec.Maps[name] = m
	}
}

// run calls the target in so many runs and returns the ns of one call, the wrapper's own included.
func (w *wrapper) run(runs int) (float64, error) {
	_, each, err := w.program.Benchmark(w.frame, runs, nil)
	if err != nil {
		return 0, fmt.Errorf("run wrapper: %w", err)
	}
	return float64(each) / float64(w.calls), nil
}

// sent is how often the target was called so far, as a number that wraps.
func (w *wrapper) sent() (n uint32) {
	if err := w.nextFlow.Get(&n); err != nil {
		panic(err) // the variable is memory of this process
	}
	return n
}

// target is a program that a wrapper can call. The zero value stands for the wrapper's own, which only returns.
type target struct {
	body  asm.Instructions
	specs map[string]*ebpf.MapSpec
	maps  map[string]*ebpf.Map
}

// least is the unit that everything is compared with.
func least(t *testing.T) target {
	return target{body: loadWrap(t).Programs["least"].Instructions}
}

// root is the program that is attached to the first NIC of a node, with the node's maps.
func (n *node) root(t *testing.T) target {
	t.Helper()
	spec, err := bpf.LoadRoot()
	if err != nil {
		t.Fatal(err)
	}
	only(spec, "root")
	r := target{body: spec.Programs["root"].Instructions, specs: map[string]*ebpf.MapSpec{}, maps: map[string]*ebpf.Map{}}
	for name, m := range spec.Maps {
		if name == ".rodata" { // the wrapper has one of that name; the number of the chain in it is 0, the first NIC's
			r.specs[".rodata.root"] = m
		} else {
			r.specs[name], r.maps[name] = m, n.pinned(t, pinOf(name))
		}
	}
	for i, ins := range r.body {
		if ins.Reference() == ".rodata" {
			r.body[i] = ins.WithReference(".rodata.root")
		}
	}
	return r
}

// pinOf is the pin of a map of the XDP programs.
func pinOf(name string) string {
	if name == "rows" || name == "captors" { // there is one for each hook
		return name + "_xdp"
	}
	return name
}

// insertNothing puts the stage that does nothing between parse and balancer of the active generation.
func (n *node) insertNothing(t *testing.T) {
	t.Helper()
	spec := loadWrap(t)
	only(spec, "nothing")
	maps := map[string]*ebpf.Map{}
	for name := range spec.Maps {
		if name != ".rodata" {
			maps[name] = n.pinned(t, pinOf(name))
			spec.Maps[name].MaxEntries = maps[name].MaxEntries()
		}
	}
	loaded, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{MapReplacements: maps})
	if err != nil {
		t.Fatal(err)
	}
	defer loaded.Close()
	rows, row := n.pinned(t, "rows_xdp"), n.Control().Active*datapath.Chains*datapath.Positions
	balancer := n.program(t, "balancer")
	for position, program := range map[uint32]*ebpf.Program{1: loaded.Programs["nothing"], 2: balancer} {
		if err := rows.Put(row+position, program); err != nil {
			t.Fatal(err)
		}
	}
}

// program opens a program of the node by the name of its pin.
func (n *node) program(t *testing.T, name string) *ebpf.Program {
	t.Helper()
	pins, err := filepath.Glob(filepath.Join(n.dir, "programs", "*", name))
	if err != nil || len(pins) != 1 {
		t.Fatalf("pins of program %s: %v %v", name, pins, err)
	}
	p, err := ebpf.LoadPinnedProgram(pins[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}
