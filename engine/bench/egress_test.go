package bench

import (
	"net/netip"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"hairpin/bpf"
	"hairpin/engine/datapath"
	"hairpin/engine/packet"
	"hairpin/engine/reason"
)

// egress measures what translating an answer costs a backend at tc egress, root and parser included. Plain test runs do not
// put a packet back, so the flow's VIP is made the local address: all is done, and the packet stays as it is.
func egress(t *testing.T, bpffs string, rounds, repeat int) []figure {
	n := newAgent(t, bpffs, "egress", snatSpec)
	begun := newWrapper(t, n.root(t), flows{wrapped4(packet.TCP{Flags: "S"}), 20 << 24, 1}, twoTails)
	if _, err := begun.run(1); err != nil {
		t.Fatal(err)
	}
	local := netip.MustParseAddr("10.1.1.11")
	known := packet.Build(packet.Eth{}, packet.IPv4{Src: local, Dst: netip.AddrFrom4([4]byte{20})},
		packet.TCP{Src: packet.HTTPPort, Dst: 40000, Flags: "A"}, packet.Fill(48))
	other := packet.Build(packet.Eth{}, packet.IPv4{Src: local, Dst: netip.AddrFrom4([4]byte{21})},
		packet.TCP{Src: packet.HTTPPort, Dst: 40000, Flags: "A"}, packet.Fill(48))
	n.answersAs(t, local)
	root, nothing := n.rootTC(t), emptyTC(t)
	defer pin(t)()
	var translated, left []float64
	for range rounds {
		idle := perRun(t, nothing, known, repeat)
		translated = append(translated, perRun(t, root, known, repeat)-idle)
		left = append(left, perRun(t, root, other, repeat)-idle)
	}
	n.leftTC(t, map[string]int{"translated": rounds * repeat, "untranslated": rounds * repeat})
	return []figure{
		{"an answer translated at tc egress, 1 known flow, less an empty program", "ns", translated, false, 0},
		{"a packet of no flow there, less the same", "ns", left, false, 0},
	}
}

// perRun is what a program takes for a frame, in ns, on average over one test run.
func perRun(t *testing.T, program *ebpf.Program, frame []byte, repeat int) float64 {
	t.Helper()
	_, each, err := program.Benchmark(frame, repeat, nil)
	if err != nil {
		t.Fatal(err)
	}
	return float64(each)
}

// answersAs has the answers of every flow come from an address.
func (n *node) answersAs(t *testing.T, a netip.Addr) {
	t.Helper()
	m := n.pinned(t, "agent_vips")
	for i := range m.MaxEntries() {
		value, err := m.LookupBytes(i)
		if err != nil {
			t.Fatal(err)
		}
		if value[16] == 0 { // its family
			continue
		}
		if copy(value, a.AsSlice()); m.Put(i, value) != nil {
			t.Fatal("it cannot be another address")
		}
	}
}

// rootTC is the program that is attached to tc egress of the node's NIC, its second chain.
func (n *node) rootTC(t *testing.T) *ebpf.Program {
	t.Helper()
	spec, err := bpf.LoadRoot()
	if err != nil {
		t.Fatal(err)
	}
	only(spec, "root_tc")
	if err := spec.Variables["chain"].Set(uint32(1)); err != nil {
		t.Fatal(err)
	}
	maps := map[string]*ebpf.Map{"rows": n.pinned(t, "rows_tc")}
	for name := range spec.Maps {
		if name != ".rodata" && name != "rows" {
			maps[name] = n.pinned(t, name)
		}
	}
	loaded, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{MapReplacements: maps})
	if err != nil {
		t.Fatalf("load root: %+v", err)
	}
	t.Cleanup(loaded.Close)
	return loaded.Programs["root_tc"]
}

// emptyTC only returns.
func emptyTC(t *testing.T) *ebpf.Program {
	t.Helper()
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.SchedCLS, License: "MIT",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, -1), asm.Return()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// leftTC checks by which reasons packets left the second chain. The kernel may begin a run anew, so some left more often.
func (n *node) leftTC(t *testing.T, want map[string]int) {
	t.Helper()
	var s datapath.Snapshot
	if err := n.Snapshot(&s); err != nil {
		t.Fatal(err)
	}
	for id, c := range s.Exits[1] {
		r, _ := reason.ByID(id)
		if least := want[r.Name]; int(c.Packets) < least || least == 0 && c.Packets > 0 {
			t.Errorf("%d packets left tc egress by reason %s, want %d", c.Packets, r.Name, least)
		}
	}
}
