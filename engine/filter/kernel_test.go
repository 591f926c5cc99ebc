package filter

import (
	"encoding/binary"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"hairpin/bpf"
)

// parse is the data path's own parser, which leaves what it reads in the scratch.
type parse struct {
	program *ebpf.Program
	scratch *ebpf.Map
	rows    *ebpf.Map
	size    int
	layout  Layout
}

func newParse(t *testing.T) *parse {
	t.Helper()
	spec, err := bpf.LoadParse()
	if err != nil {
		t.Fatal(err)
	}
	delete(spec.Programs, "parse_tc")
	layout, err := LayoutOf(spec.Types)
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := ebpf.NewCollection(spec)
	if err != nil {
		t.Fatalf("load parse: %+v", err)
	}
	defer loaded.Close()
	p := &parse{loaded.DetachProgram("parse"), loaded.DetachMap("scratch"), loaded.DetachMap("rows"), int(spec.Maps["scratch"].ValueSize), layout}
	p.behind(t)
	t.Cleanup(func() {
		_ = p.program.Close()
		_ = p.scratch.Close()
		_ = p.rows.Close()
	})
	return p
}

// seen is what the program behind the parser returns: the data path lets a stage see the frame.
const seen = 77

// behind puts a program that returns seen into the first slot behind the parser.
func (p *parse) behind(t *testing.T) {
	t.Helper()
	stage, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, AttachType: ebpf.AttachXDP, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, seen), asm.Return()}})
	if err != nil {
		t.Fatal(err)
	}
	defer stage.Close()
	if err := p.rows.Put(uint32(1), stage); err != nil {
		t.Fatal(err)
	}
}

// run parses a frame and returns the verdict, and the scratch of the CPU on which that happened.
func (p *parse) run(t *testing.T, frame []byte) (verdict uint32, scratch []byte) {
	t.Helper()
	clean := make([][]byte, ebpf.MustPossibleCPU())
	for i := range clean {
		clean[i] = make([]byte, p.size)
	}
	if err := p.scratch.Put(uint32(0), clean); err != nil {
		t.Fatal(err)
	}
	verdict, err := p.program.Run(&ebpf.RunOptions{Data: frame})
	if err != nil {
		t.Fatal(err)
	}
	var perCPU [][]byte
	if err := p.scratch.Lookup(uint32(0), &perCPU); err != nil {
		t.Fatal(err)
	}
	for _, s := range perCPU {
		if binary.LittleEndian.Uint32(s[p.layout.bytes.offset:]) == uint32(len(frame)) {
			return verdict, s[:p.size]
		}
	}
	t.Fatal("parse left no scratch")
	return 0, nil
}

// kernel runs generated functions on the scratches of samples.
type kernel struct {
	scratches *ebpf.Map
	count     int
	size      uint32
	high      bool // the upper half of what a function returns is its result
}

func newKernel(t *testing.T, list []sample) *kernel {
	t.Helper()
	k := &kernel{count: len(list), size: uint32(len(list[0].scratch))}
	var err error
	k.scratches, err = ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: k.size, MaxEntries: uint32(len(list))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.scratches.Close() })
	for i, s := range list {
		if err := k.scratches.Put(uint32(i), s.scratch); err != nil {
			t.Fatal(err)
		}
	}
	return k
}

// caller is a program that looks up the scratch whose number the packet begins with, and returns what rules says of it.
func (k *kernel) caller() asm.Instructions {
	const out = "out"
	shift := int32(0)
	if k.high {
		shift = 32
	}
	return asm.Instructions{
		asm.Mov.Imm(asm.R0, 0).WithSymbol("main"),
		asm.LoadMem(asm.R2, asm.R1, 0, asm.Word), // data
		asm.LoadMem(asm.R3, asm.R1, 4, asm.Word), // data_end
		asm.Mov.Reg(asm.R4, asm.R2),
		asm.Add.Imm(asm.R4, 4),
		asm.JGT.Reg(asm.R4, asm.R3, out),
		asm.LoadMem(asm.R2, asm.R2, 0, asm.Word),
		asm.StoreMem(asm.RFP, -4, asm.R2, asm.Word),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, -4),
		asm.LoadMapPtr(asm.R1, k.scratches.FD()),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, out),
		asm.Mov.Reg(asm.R1, asm.R0),
		asm.Call.Label("rules"),
		asm.RSh.Imm(asm.R0, shift),
		asm.Return().WithSymbol(out),
		asm.Mov.Imm(asm.R0, 0).WithSymbol("rules"),
		asm.Return(),
	}
}

// load splices body into the caller and loads it. A global function is verified by its type alone.
func (k *kernel) load(t *testing.T, body asm.Instructions, global bool) *ebpf.Program {
	t.Helper()
	program := k.caller()
	if global {
		k.describe(program)
	}
	program, err := Splice(program, "rules", body)
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := ebpf.NewProgramWithOptions(&ebpf.ProgramSpec{Type: ebpf.XDP, Instructions: program, License: "GPL"},
		ebpf.ProgramOptions{LogSizeStart: 1 << 20})
	if err != nil {
		t.Fatalf("load %d instructions: %+v", len(body), err)
	}
	return loaded
}

// describe gives both functions of the caller their types, as the compiler does.
func (k *kernel) describe(program asm.Instructions) {
	number := &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed}
	words := &btf.Array{Type: number, Index: number, Nelems: k.size / 4}
	scratch := &btf.Struct{Name: "scratch", Size: k.size, Members: []btf.Member{{Name: "words", Type: words}}}
	for i, ins := range program {
		proto := &btf.FuncProto{Return: number, Params: []btf.FuncParam{{Name: "s", Type: &btf.Pointer{Target: scratch}}}}
		if ins.Symbol() == "main" || ins.Symbol() == "rules" {
			program[i] = btf.WithFuncMetadata(ins, &btf.Func{Name: ins.Symbol(), Type: proto, Linkage: btf.GlobalFunc})
		}
	}
}

// results is what a generated function returns for every sample.
func (k *kernel) results(t *testing.T, body asm.Instructions) []uint32 {
	t.Helper()
	program := k.load(t, body, false)
	defer program.Close()
	list, in := make([]uint32, k.count), make([]byte, 14)
	for i := range list {
		binary.LittleEndian.PutUint32(in, uint32(i))
		var err error
		if list[i], err = program.Run(&ebpf.RunOptions{Data: in}); err != nil {
			t.Fatal(err)
		}
	}
	return list
}

// differs says what the data path left of a frame in the scratch that is not in f.
func (l *Layout) differs(f Fields, scratch []byte) string {
	at := func(f field) int { return int(scratch[f.offset]) }
	got := []int{at(l.family), at(l.proto), at(l.ttl), at(l.flags), at(l.kind) & kindBitFragment, at(l.kind) & kindBitVLAN,
		0, int(binary.BigEndian.Uint16(scratch[l.srcPort.offset:])), int(binary.BigEndian.Uint16(scratch[l.dstPort.offset:]))}
	want := []int{int(f.family()), int(f.Proto), int(f.TTL), int(f.TCPFlags), 0, 0, int(f.VLAN), int(f.SrcPort), int(f.DstPort)}
	if f.Fragment {
		want[4] = kindBitFragment
	}
	if f.Tagged {
		want[5], got[6] = kindBitVLAN, int(binary.BigEndian.Uint16(scratch[l.tci.offset:]))&everyVLAN
	}
	if !slices.Equal(got, want) {
		return fmt.Sprintf("family, proto, ttl, flags, fragment, tag, its VLAN and ports are %v in the data path, %v in Go", got, want)
	}
	return ""
}

// TestScratch: what the data path reads of a frame is what FieldsOf does, so that one expression means one thing.
func TestScratch(t *testing.T) {
	list, l := samples(t)
	for _, s := range list {
		if problem := l.differs(s.fields, s.scratch); problem != "" {
			t.Errorf("%v: %s", s, problem)
		}
	}
}

// TestKinds compares the bits of a packet's kind with those of the data path.
func TestKinds(t *testing.T) {
	header, err := os.ReadFile("../../bpf/scratch.h")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int{"FRAGMENT": kindBitFragment, "VLAN": kindBitVLAN} {
		m := regexp.MustCompile(`#define KIND_` + name + `\s+(\d+)`).FindSubmatch(header)
		if m == nil || string(m[1]) != strconv.Itoa(want) {
			t.Errorf("KIND_%s is %q in C, %d in Go", name, m, want)
		}
	}
}

// TestLayout: a type without the members that expressions need is refused by the name of the member.
func TestLayout(t *testing.T) {
	spec, err := bpf.LoadGate()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := LayoutOf(spec.Types); err == nil {
		t.Error("an object without a scratch has a layout")
	}
	p := newParse(t)
	if p.layout.src4 != (field{offset: p.layout.src6.offset, size: asm.Word}) || p.layout.src6.offset+16 != p.layout.dst6.offset {
		t.Errorf("addresses do not lie as scratch.h says: %+v", p.layout)
	}
}
