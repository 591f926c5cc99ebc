package engine

import (
	"path/filepath"
	"testing"

	"github.com/cilium/ebpf"

	"hairpin/engine/datapath"
)

// witness asks a node's gate which epochs it accepts, and changes nothing.
type witness struct {
	kernel *datapath.Kernel
	gate   *ebpf.Program
}

func newWitness(t *testing.T, p Paths) *witness {
	t.Helper()
	dir := datapath.Dir(p.BPFFS, p.Node)
	gates, err := filepath.Glob(filepath.Join(dir, "programs", "*", "gate"))
	if err != nil || len(gates) == 0 {
		t.Fatalf("no gate is pinned below %s: %v", dir, err)
	}
	gate, err := ebpf.LoadPinnedProgram(gates[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	k, err := datapath.Open(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	return &witness{k, gate}
}

func (w *witness) close() {
	w.kernel.Close()
	_ = w.gate.Close()
}

// epoch is the one that the gate names.
func (w *witness) epoch() uint64 { return w.kernel.Control().Epoch }

// accepts asks the gate for something that it never does, in the name of an epoch: it looks at that first.
func (w *witness) accepts(t *testing.T, epoch uint64) bool {
	t.Helper()
	const busy, refused, invalid, noSuchOp = 1, 2, 6, 99
	args := struct {
		epoch, deadline  uint64
		op, from, to, no uint32
	}{epoch: epoch, op: noSuchOp}
	for {
		answer, err := w.gate.Run(&ebpf.RunOptions{Context: args})
		switch {
		case err != nil:
			t.Fatal(err)
		case answer == busy:
			continue
		case answer != refused && answer != invalid:
			t.Fatalf("the gate answers %d", answer)
		}
		return answer == invalid
	}
}
